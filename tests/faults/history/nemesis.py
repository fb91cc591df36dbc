"""Applies the faults of a plan, with one thread for each target, and heals them."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

import psutil

from tests.faults.history.journal import Journal
from tests.faults.history.network import Network
from tests.faults.history.plan import Fault
from tests.faults.history.system import FaultyServer, System
from tests.faults.history.team import Team


class Nemesis:
    """Applies faults. `applied`: the number of faults of each sort."""

    def __init__(self, system: System, team: Team, network: Network, journal: Journal) -> None:
        self.applied: Counter[str] = Counter()
        self._system = system
        self._team = team
        self._network = network
        self._journal = journal
        self._errors: list[BaseException] = []
        self._apply_to: dict[str, Callable[[Fault], None]] = {
            "server": self._server, "worker": self._worker, "network": self._network_loss, "database": self._database
        }  # fmt: skip

    def apply(self, plan: dict[str, list[Fault]], seconds: float) -> None:
        """Applies all faults of the plan. Returns when the last one is healed."""
        start_s = time.monotonic()
        threads = [
            threading.Thread(target=self._apply_in_order, args=(faults, start_s, seconds))
            for faults in plan.values()
            if faults
        ]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _apply_in_order(self, faults: list[Fault], start_s: float, seconds: float) -> None:
        try:
            for fault in faults:
                if time.monotonic() + fault.after_s > start_s + seconds:
                    return
                time.sleep(fault.after_s)
                kind = fault.target.split()[0]
                self.applied[f"{kind}: {fault.effect}"] += 1
                self._journal.write("fault", target=fault.target, effect=fault.effect, s=fault.lasts_s, size=fault.size)
                self._apply_to[kind](fault)
                self._journal.write("healed", target=fault.target, effect=fault.effect)
        except BaseException as error:
            self._errors.append(error)

    def _server(self, fault: Fault) -> None:
        server: FaultyServer = self._system.servers[int(fault.target.split()[1])]
        if fault.effect == "killed":
            server.kill()
            time.sleep(fault.lasts_s)
            server.start()
        elif fault.effect == "down":
            self._outage(server, fault.lasts_s)
        elif fault.effect in ("killed in a slow flush", "killed, flushes fail"):
            server.set_faults(slow_ms=int(fault.size), fails=int(fault.effect.endswith("fail")))
            time.sleep(fault.lasts_s)
            server.kill()
            server.set_faults(slow_ms=0, fails=0)
            server.start()
        elif fault.effect == "stopped":
            server.signal(signal.SIGSTOP)
            time.sleep(fault.lasts_s)
            server.signal(signal.SIGCONT)
        elif fault.effect == "disk full":
            server.limit(int(fault.size))
            time.sleep(fault.lasts_s)
            server.limit(psutil.RLIM_INFINITY)
        elif fault.effect == "clock moved":
            server.set_faults(clock_ms=int(fault.size))
            time.sleep(fault.lasts_s)
            server.set_faults(clock_ms=0)
        else:
            server.set_faults(slow_ms=int(fault.size), fails=int(fault.effect == "flushes fail"))
            time.sleep(fault.lasts_s)
            server.set_faults(slow_ms=0, fails=0)

    def _outage(self, server: FaultyServer, lasts_s: float) -> None:
        at, start_ms = time.monotonic(), time.time_ns() // 1_000_000
        server.kill()
        time.sleep(lasts_s)
        server.start()
        if len(self._system.servers) == 1:
            self._journal.write("outage", began_at=at, start_ms=start_ms, end_ms=time.time_ns() // 1_000_000)

    def _worker(self, fault: Fault) -> None:
        place = int(fault.target.split()[1])
        if fault.effect == "killed":
            self._team.replace(place)
        elif fault.effect == "ended by its node":
            self._team.end_node(place)
        else:
            self._team.signal(place, signal.SIGSTOP)
            time.sleep(fault.lasts_s)
            self._team.signal(place, signal.SIGCONT)

    def _network_loss(self, fault: Fault) -> None:
        self._network.disturb(fault.size)
        time.sleep(fault.lasts_s)
        self._network.disturb(0)

    def _database(self, fault: Fault) -> None:
        system, database_proxy = self._system, self._system.database_proxy
        assert database_proxy is not None
        if fault.effect == "disk full":
            system.fill_disk()
            time.sleep(fault.lasts_s)
            system.free_disk()
        elif fault.effect == "responses to commits lost":
            database_proxy.loses_commits = True
            time.sleep(fault.lasts_s)
            database_proxy.loses_commits = False
        elif fault.effect == "silent":
            database_proxy.stop_forwarding()
            time.sleep(fault.lasts_s)
            database_proxy.resume_forwarding()
        elif fault.effect == "connections ended":
            system.end_connections()
        else:
            system.stop_at_once(fault.lasts_s)

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
from tests.faults.history.site import Served, Site
from tests.faults.history.team import Team


class Nemesis:
    """Applies faults. `struck`: the number of faults of each sort."""

    def __init__(self, site: Site, team: Team, network: Network, journal: Journal) -> None:
        self.struck: Counter[str] = Counter()
        self._site = site
        self._team = team
        self._network = network
        self._journal = journal
        self._trouble: list[BaseException] = []
        self._strikes: dict[str, Callable[[Fault], None]] = {
            "server": self._server, "worker": self._worker, "network": self._lossy, "database": self._database
        }  # fmt: skip

    def strike(self, plan: dict[str, list[Fault]], seconds: float) -> None:
        """Applies all faults of the plan. Returns when the last one is healed."""
        begun = time.monotonic()
        threads = [
            threading.Thread(target=self._line, args=(faults, begun, seconds)) for faults in plan.values() if faults
        ]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        for thread in threads:
            thread.join()
        if self._trouble:
            raise self._trouble[0]

    def _line(self, faults: list[Fault], begun: float, seconds: float) -> None:
        try:
            for fault in faults:
                if time.monotonic() + fault.after_s > begun + seconds:
                    return
                time.sleep(fault.after_s)
                kind = fault.target.split()[0]
                self.struck[f"{kind}: {fault.what}"] += 1
                self._journal.write("fault", target=fault.target, what=fault.what, s=fault.lasts_s, much=fault.much)
                self._strikes[kind](fault)
                self._journal.write("healed", target=fault.target, what=fault.what)
        except BaseException as error:
            self._trouble.append(error)

    def _server(self, fault: Fault) -> None:
        server: Served = self._site.servers[int(fault.target.split()[1])]
        if fault.what == "killed":
            server.kill()
            time.sleep(fault.lasts_s)
            server.start()
        elif fault.what in ("killed in a slow flush", "killed, flushes fail"):
            server.steer(slow_ms=int(fault.much), fails=int(fault.what.endswith("fail")))
            time.sleep(fault.lasts_s)
            server.kill()
            server.steer(slow_ms=0, fails=0)
            server.start()
        elif fault.what == "stopped":
            server.signal(signal.SIGSTOP)
            time.sleep(fault.lasts_s)
            server.signal(signal.SIGCONT)
        elif fault.what == "disk full":
            server.limit(int(fault.much))
            time.sleep(fault.lasts_s)
            server.limit(psutil.RLIM_INFINITY)
        elif fault.what == "clock moved":
            server.steer(clock_ms=int(fault.much))
            time.sleep(fault.lasts_s)
            server.steer(clock_ms=0)
        else:
            server.steer(slow_ms=int(fault.much), fails=int(fault.what == "flushes fail"))
            time.sleep(fault.lasts_s)
            server.steer(slow_ms=0, fails=0)

    def _worker(self, fault: Fault) -> None:
        place = int(fault.target.split()[1])
        if fault.what == "killed":
            self._team.replace(place)
        else:
            self._team.signal(place, signal.SIGSTOP)
            time.sleep(fault.lasts_s)
            self._team.signal(place, signal.SIGCONT)

    def _lossy(self, fault: Fault) -> None:
        self._network.harm(fault.much)
        time.sleep(fault.lasts_s)
        self._network.harm(0)

    def _database(self, fault: Fault) -> None:
        site, wire = self._site, self._site.wire
        assert wire is not None
        if fault.what == "disk full":
            site.fill_disk()
            time.sleep(fault.lasts_s)
            site.free_disk()
        elif fault.what == "answers to commits lost":
            wire.loses_commits = True
            time.sleep(fault.lasts_s)
            wire.loses_commits = False
        elif fault.what == "silent":
            wire.fall_silent()
            time.sleep(fault.lasts_s)
            wire.talk()
        elif fault.what == "connections ended":
            site.end_connections()
        else:
            site.stop_at_once(fault.lasts_s)

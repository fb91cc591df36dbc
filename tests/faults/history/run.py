"""One run: rounds of faults under load, each healed, drained and checked."""

import itertools
import secrets
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.history import checker, plan
from tests.faults.history.client_files import read_clients
from tests.faults.history.client_styles import DELIVERING, DRAINING_CLIENT
from tests.faults.history.final import Final
from tests.faults.history.journal import Journal, lines
from tests.faults.history.nemesis import Nemesis
from tests.faults.history.network import Network
from tests.faults.history.pages import Pages
from tests.faults.history.parse_journal import parse_journal
from tests.faults.history.request_log import RequestLog
from tests.faults.history.scenario import NAME, SCENARIOS, Scenario, call
from tests.faults.history.styles import LIFETIME_S
from tests.faults.history.system import running_system
from tests.faults.history.team import Team

ROUND_S = 4
DRAIN_S = 40
MAX_SHOWN = 30
NEEDS_COMPILER = ("clock moved", "flushes fail", "flushes slow", "killed in a slow flush", "killed, flushes fail")
SUBMITTERS = ["submitting", "submitting"]


@dataclass(frozen=True)
class Options:
    """The options of a run. `styles`: of its workers, those of the scenario by default; `environment`: more variables
    for its servers and workers."""

    seed: int
    seconds: float = 30
    database: str = "sqlite"
    servers: int = 1
    faults: tuple[str, ...] = plan.KINDS
    scenario: str = "mixed"
    styles: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        return (
            f"python -m tests.faults.history --seed {self.seed} --seconds {self.seconds:g} --database {self.database}"
            f" --servers {self.servers} --faults {','.join(self.faults)} --scenario {self.scenario}"
        )


@dataclass
class Verdict:
    """The result of a run."""

    log: RequestLog
    final: Final
    applied: Counter[str]
    violations: list[str]
    took_s: float
    left_out: tuple[str, ...]

    @property
    def lost(self) -> int:
        """The number of lost claims."""
        return sum(end.by_sweep for end in self.final.claim_ends)

    @property
    def summary(self) -> str:
        """A summary of a few lines."""
        log, jobs, claims = self.log, len(self.final.jobs), len(self.final.claim_ends)
        applied = ", ".join(f"{effect} {times}" for effect, times in sorted(self.applied.items())) or "none"
        return "\n".join([
            f"{log.requests} requests, {log.acknowledged} with a response, {log.requests - log.acknowledged} unknown;"
            f" {jobs} jobs, {claims} claims, {self.lost} of them lost; {self.took_s:.1f} s",
            f"faults: {applied}",
            *([f"NOT RUN, because there is no C compiler (cc): {', '.join(self.left_out)}"] if self.left_out else []),
            f"violations: {len(self.violations)}",
            *self.violations[:MAX_SHOWN],
            *([f"and {len(self.violations) - MAX_SHOWN} more"] if len(self.violations) > MAX_SHOWN else []),
        ])  # fmt: skip


def run(options: Options, folder: Path, print_line: Callable[[str], None]) -> Verdict:
    """Runs all rounds; stops after a round with a violation."""
    start_s = time.monotonic()
    with ExitStack() as stack:
        parts = Parts(options, folder, stack)
        print_line(f"the set-up took {time.monotonic() - start_s:.1f} s")
        give_up_at = time.monotonic() + options.seconds
        for number in itertools.count(1):
            applied = parts.disturb(number, min(ROUND_S, max(1.0, give_up_at - time.monotonic())))
            print_line(f"round {number}: healed")
            drained_s = parts.drain()
            log, final = parts.log(), parts.final()
            violations = checker.violations(log, final)
            print_line(
                f"round {number}: {log.requests} requests, {len(final.jobs)} jobs, {len(final.claim_ends)} claims,"
                f" drained in {drained_s:.1f} s, {len(violations)} violations"
            )
            if violations or time.monotonic() > give_up_at - 1:
                break
        return Verdict(log, final, applied, violations, time.monotonic() - start_s, parts.left_out)


class Parts:
    """The parts of a run: servers, workers, network, pages and the nemesis."""

    def __init__(self, options: Options, folder: Path, stack: ExitStack) -> None:
        """stack: closes the parts."""
        self._options = options
        self._file = folder / "history.jsonl"
        self._system = stack.enter_context(
            running_system(folder, options.database, options.servers, options.environment)
        )
        self.left_out = () if self._system.library else NEEDS_COMPILER
        self._scenario: Scenario = SCENARIOS[options.scenario]
        self._jobix = secrets.randbelow(2**63)
        self._scenario.make_list(self._system.servers[0].url, self._jobix)
        ports = [server.port for server in self._system.servers]
        self._network = Network(f"{options.seed}", self._file, ports)
        stack.callback(self._network.close)
        self._team = Team(self._jobix, f"{options.seed}", self._file, self._scenario.hosts, options.environment)
        stack.callback(self._team.close)
        self._pages = Pages(self._system.servers, NAME)
        stack.callback(self._pages.close)
        self._nemesis = Nemesis(self._system, self._team, self._network, Journal(self._file))

    def disturb(self, number: int, seconds: float) -> Counter[str]:
        """Lets workers work under faults until all are healed. Returns the number of faults so far."""
        members = [*(self._options.styles or self._scenario.styles), *SUBMITTERS]
        faults = plan.make_plan(
            f"{self._options.seed} {number}", self._options.faults, self._options.servers, len(members),
            bool(self._system.uri), self.left_out,
        )  # fmt: skip
        self._team.start(members, lambda _place: self._network.url)
        self._nemesis.apply(faults, seconds)
        return self._nemesis.applied

    def drain(self) -> float:
        """Undisturbed workers do the remaining jobs. Returns the seconds. The checker reports jobs that are left."""
        self._team.finish()
        self._network.wait_until_idle()
        start_s, servers = time.monotonic(), self._system.servers
        if self._scenario.runs_clients:  # one address: the client has an outbox for each address
            self._team.start([DRAINING_CLIENT] * 4, lambda _place: self._network.url)
        else:
            drainers = [f"draining in {self._options.scenario}"] * self._scenario.drainers
            self._team.start(drainers, lambda place: servers[place % len(servers)].url)
        while self._system.unfinished_jobs() and time.monotonic() < start_s + DRAIN_S:
            for stage in LIFETIME_S:
                call(servers[0].url, self._jobix, f"/check_stages/{stage}/{stage - 1}")  # retries failed jobs
            time.sleep(0.05)
        self._team.finish()
        if self._scenario.runs_clients:
            self._team.start([DELIVERING], lambda _place: self._network.url)
            self._team.wait(DRAIN_S)
            self._team.finish()
        return time.monotonic() - start_s

    def log(self) -> RequestLog:
        """All requests and responses so far."""
        log = parse_journal(lines(self._file))
        log.one_clock = self._options.servers == 1 and "clock" not in self._options.faults
        log.no_repeats = "net" not in self._options.faults
        return log

    def final(self) -> Final:
        """The final state of the database and the pages."""
        final = self._system.final()
        final.pages = self._pages.last(final)
        read_clients(self._file.parent, final)
        return final

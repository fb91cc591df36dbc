"""One run: rounds of faults under load, each healed, drained and checked."""

import itertools
import secrets
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import requests

from tests.faults.history import checker, plan
from tests.faults.history.final import Final
from tests.faults.history.journal import Journal, lines
from tests.faults.history.nemesis import Nemesis
from tests.faults.history.network import Network
from tests.faults.history.pages import Pages
from tests.faults.history.reading import story_of
from tests.faults.history.site import Site, opened_site
from tests.faults.history.story import Story
from tests.faults.history.styles import LIFETIME_S, STYLES
from tests.faults.history.team import Team

NAME = "history"
ROUND_S = 4
DRAIN_S = 20
SHOWN = 30
NEEDS_COMPILER = ("clock moved", "flushes fail", "flushes slow", "killed in a slow flush", "killed, flushes fail")
SUBMITTERS = ["submitting", "submitting"]


@dataclass(frozen=True)
class Options:
    """The options of a run. `styles`: of its workers; `environment`: more variables for its servers."""

    seed: int
    seconds: float = 30
    database: str = "sqlite"
    servers: int = 1
    faults: tuple[str, ...] = plan.KINDS
    styles: tuple[str, ...] = tuple(STYLES)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        return (
            f"python -m tests.faults.history --seed {self.seed} --seconds {self.seconds:g} --database {self.database}"
            f" --servers {self.servers} --faults {','.join(self.faults)}"
        )


@dataclass
class Verdict:
    """The result of a run."""

    story: Story
    final: Final
    struck: Counter[str]
    violations: list[str]
    took_s: float
    without: tuple[str, ...]

    @property
    def lost(self) -> int:
        """The number of lost claims."""
        return sum(one.kind == "requeued" for one in self.final.ended)

    @property
    def summary(self) -> str:
        """A summary of a few lines."""
        told, jobs, claims = self.story, len(self.final.jobs), len(self.final.ended)
        struck = ", ".join(f"{what} {times}" for what, times in sorted(self.struck.items())) or "none"
        return "\n".join([
            f"{told.requests} requests, {told.acknowledged} answered, {told.requests - told.acknowledged} unknown;"
            f" {jobs} jobs, {claims} claims, {self.lost} of them lost; {self.took_s:.1f} s",
            f"faults: {struck}",
            *([f"LEFT OUT, for there is no C compiler (cc): {', '.join(self.without)}"] if self.without else []),
            f"violations: {len(self.violations)}",
            *self.violations[:SHOWN],
            *([f"and {len(self.violations) - SHOWN} more"] if len(self.violations) > SHOWN else []),
        ])  # fmt: skip


def run(options: Options, folder: Path, say: Callable[[str], None]) -> Verdict:
    """Runs all rounds; stops after a round with a violation."""
    begun = time.monotonic()
    with ExitStack() as stack:
        parts = Parts(options, folder, stack)
        say(f"set up in {time.monotonic() - begun:.1f} s")
        give_up = time.monotonic() + options.seconds
        for number in itertools.count(1):
            struck = parts.disturb(number, min(ROUND_S, max(1.0, give_up - time.monotonic())))
            say(f"round {number}: healed")
            drained_s = parts.drain()
            told, final = parts.story(), parts.final()
            found = checker.violations(told, final)
            say(
                f"round {number}: {told.requests} requests, {len(final.jobs)} jobs, {len(final.ended)} claims,"
                f" drained in {drained_s:.1f} s, {len(found)} violations"
            )
            if found or time.monotonic() > give_up - 1:
                break
        return Verdict(told, final, struck, found, time.monotonic() - begun, parts.without)


class Parts:
    """The parts of a run: servers, workers, network, pages and the nemesis."""

    def __init__(self, options: Options, folder: Path, stack: ExitStack) -> None:
        """stack: closes the parts."""
        self._options = options
        self._file = folder / "history.jsonl"
        self._site = stack.enter_context(opened_site(folder, options.database, options.servers, options.environment))
        self.without = () if self._site.library else NEEDS_COMPILER
        jobix = _prepared(self._site)
        ports = [server.port for server in self._site.servers]
        self._network = Network(f"{options.seed}", self._file, ports)
        stack.callback(self._network.close)
        self._team = Team(jobix, f"{options.seed}", self._file)
        stack.callback(self._team.close)
        self._pages = Pages(self._site.servers, NAME)
        stack.callback(self._pages.close)
        self._nemesis = Nemesis(self._site, self._team, self._network, Journal(self._file))

    def disturb(self, number: int, seconds: float) -> Counter[str]:
        """Lets workers work under faults until all are healed. Returns the number of faults so far."""
        members = [*self._options.styles, *SUBMITTERS]
        faults = plan.made(
            f"{self._options.seed} {number}", self._options.faults, self._options.servers, len(members),
            bool(self._site.uri), self.without,
        )  # fmt: skip
        self._team.start(members, lambda _place: self._network.url)
        self._nemesis.strike(faults, seconds)
        return self._nemesis.struck

    def drain(self) -> float:
        """Undisturbed workers do the remaining jobs. Returns the seconds. The checker reports jobs that are left."""
        self._team.finish()
        self._network.quiet()
        begun, servers = time.monotonic(), self._site.servers
        self._team.start(["draining", "draining"], lambda place: servers[place % len(servers)].url)
        while self._site.left() and time.monotonic() < begun + DRAIN_S:
            time.sleep(0.05)
        self._team.finish()
        return time.monotonic() - begun

    def story(self) -> Story:
        """All requests and responses so far."""
        story = story_of(lines(self._file))
        story.steady = self._options.servers == 1 and "clock" not in self._options.faults
        story.once = "net" not in self._options.faults
        return story

    def final(self) -> Final:
        """The final state of the database and the pages."""
        final = self._site.final()
        final.pages = self._pages.last(final)
        return final


def _prepared(site: Site) -> int:
    """Makes a list with short lifetimes and automatic requeue. Returns its key."""
    jobix, url = secrets.randbelow(2**63), site.servers[0].url
    ways = [f"/init/0/1/0/1/0?name={NAME}"] + [
        f"/lifetime/{stage}/{seconds / 60}?requeue={stage - 1}&max_attempts=0" for stage, seconds in LIFETIME_S.items()
    ]
    for way in ways:
        requests.get(url + way, headers={"jobix": str(jobix)}, timeout=20).raise_for_status()
    return jobix

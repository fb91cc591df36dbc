"""One run: rounds of faults under load, each healed, drained and checked."""

import secrets
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.conftest import ROOT
from tests.history import checker, plan
from tests.history.final import Final
from tests.history.journal import Journal, lines
from tests.history.nemesis import Nemesis
from tests.history.network import Network
from tests.history.pages import Pages
from tests.history.reading import story_of
from tests.history.site import Site, opened_site
from tests.history.story import Story
from tests.history.styles import LIFETIME_S, STYLES
from tests.history.team import Team

NAME = "history"
ROUND_S = 4
DRAIN_S = 20
SHOWN = 30
NEEDS_COMPILER = ("clock moved", "flushes fail", "flushes slow", "killed in a slow flush", "killed, flushes fail")
SUBMITTERS = ["submitting", "submitting"]


@dataclass(frozen=True)
class Options:
    """What a run is asked to be. `root`: where the server's code is. `styles`: who works."""

    seed: int
    seconds: float = 30
    database: str = "sqlite"
    servers: int = 1
    faults: tuple[str, ...] = plan.KINDS
    root: Path = ROOT
    styles: tuple[str, ...] = tuple(STYLES)

    @property
    def command(self) -> str:
        """By which the same run is made again."""
        return (
            f"python -m tests.history --seed {self.seed} --seconds {self.seconds:g} --database {self.database}"
            f" --servers {self.servers} --faults {','.join(self.faults)}"
        )


@dataclass
class Verdict:
    """What came of a run."""

    story: Story
    final: Final
    struck: Counter[str]
    violations: list[str]
    took_s: float
    without: tuple[str, ...]

    @property
    def lost(self) -> int:
        """How many claims their workers lost."""
        return sum(one.outcome == "expired" for one in self.final.ended)

    @property
    def summary(self) -> str:
        """All of it in a few lines."""
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
    """Makes it; ends early when a round shows a violation."""
    begun = time.monotonic()
    with ExitStack() as stack:
        site = stack.enter_context(opened_site(folder, options.database, options.servers, options.root))
        file = folder / "history.jsonl"
        journal = Journal(file)
        jobix = _prepared(site)
        network = Network(f"{options.seed}", file, [server.port for server in site.servers])
        stack.callback(network.close)
        team = Team(jobix, f"{options.seed}", file)
        stack.callback(team.close)
        pages = Pages(site.servers, NAME)
        stack.callback(pages.close)
        nemesis = Nemesis(site, team, network, journal)
        say(f"set up in {time.monotonic() - begun:.1f} s")
        without = () if site.library else NEEDS_COMPILER
        give_up, number = time.monotonic() + options.seconds, 0
        while True:
            number += 1
            members = [*options.styles, *SUBMITTERS]
            faults = plan.made(
                f"{options.seed} {number}", options.faults, options.servers, len(members), bool(site.uri),
                without,
            )  # fmt: skip
            team.start(members, lambda _place: network.url)
            say(f"round {number}: disturbed")
            nemesis.strike(faults, min(ROUND_S, max(1.0, give_up - time.monotonic())))
            say(f"round {number}: healed")
            team.finish()
            network.quiet()
            drained_s = _drain(site, team)
            final = site.final()
            final.pages = pages.last(final)
            told = story_of(lines(file))
            told.steady = options.servers == 1 and "clock" not in options.faults
            told.once = "net" not in options.faults
            found = checker.violations(told, final)
            say(
                f"round {number}: {told.requests} requests, {len(final.jobs)} jobs, {len(final.ended)} claims,"
                f" drained in {drained_s:.1f} s, {len(found)} violations"
            )
            if found or time.monotonic() > give_up - 1:
                return Verdict(told, final, nemesis.struck, found, time.monotonic() - begun, without)


def _prepared(site: Site) -> int:
    """A list with short lifetimes, whose expired jobs go back; its secret."""
    jobix, url = secrets.randbelow(2**63), site.servers[0].url
    ways = [f"/init/0/1/0/1/0?name={NAME}"] + [
        f"/lifetime/{stage}/{seconds / 60}?requeue={stage - 1}&max_attempts=0" for stage, seconds in LIFETIME_S.items()
    ]
    for way in ways:
        requests.get(url + way, headers={"jobix": str(jobix)}, timeout=20).raise_for_status()
    return jobix


def _drain(site: Site, team: Team) -> float:
    """Undisturbed workers do what is left; how long it took. What can't be done is left, for the checker to tell."""
    begun = time.monotonic()
    team.start(["draining", "draining"], lambda place: site.servers[place % len(site.servers)].url)
    while site.left() and time.monotonic() < begun + DRAIN_S:
        time.sleep(0.05)
    team.finish()
    return time.monotonic() - begun

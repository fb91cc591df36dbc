"""The demo's output: progress bars in a terminal, plain lines elsewhere (a log of CI), and the tables at the end."""

import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from client import Progress as Counts
from examples.demo.duplicates import Duplicate
from examples.demo.history import Hold, Verdict
from examples.demo.results import FileResult
from examples.demo.team import Kill, Member

PLAIN_EVERY_S = 2.0
MAX_ROWS = 10
MAX_PLACES = 3
NAME_WIDTH = 15  # of the text to the left of a bar or of a worker's state
ACTIVITIES = {0: "measuring", 2: "fingerprinting"}


class Display:
    """A context manager around the run, which updates the live display. paths: by jobid."""

    def __init__(self, paths: dict[int, str]) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal with a small character set shows question marks
            sys.stdout.reconfigure(errors="replace")
        self.console = Console(highlight=False)
        self._paths = paths
        self._bars = Progress(
            TextColumn("{task.description}", style="bold"),
            BarColumn(bar_width=None, complete_style="cyan"),
            MofNCompleteColumn(),
            expand=True,
        )
        self._measured = self._bars.add_task(f"{'measured':{NAME_WIDTH}}", total=len(paths))
        self._fingerprinted = self._bars.add_task(f"{'fingerprinted':{NAME_WIDTH}}", total=len(paths))
        live = self.console.is_terminal and not self.console.is_dumb_terminal
        self._live = Live(console=self.console, refresh_per_second=10) if live else None
        self._plain_at_s = time.monotonic()

    def __enter__(self) -> "Display":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def begin(self, name: str, left_out: int, page: str) -> None:
        """Prints what will run and the address of the page. left_out: files whose names are not UTF-8."""
        self._print(f"job_manager demo: {len(self._paths)} Python files of {name}", "bold")
        if left_out:
            self._print(f"omitted: {left_out} files whose names are not UTF-8")
        self._print(f"page, while this runs: {page}", no_wrap=True)

    def update(self, counts: Counts, members: Sequence[Member], kill: Kill | None) -> None:
        """Shows the list's progress by the server's counts, and each worker's state by its own log."""
        fingerprinted = counts.done
        measured = counts.jobs - sum(stage.jobs for number, stage in counts.stages.items() if number < 2)
        self._bars.update(self._measured, completed=measured)
        self._bars.update(self._fingerprinted, completed=fingerprinted)
        if self._live:
            self._live.update(Group("", self._bars, *(self._worker(member, kill) for member in members)))
        elif time.monotonic() >= self._plain_at_s or fingerprinted == counts.jobs:
            self._plain_at_s = time.monotonic() + PLAIN_EVERY_S
            self._print(f"measured {measured}, fingerprinted {fingerprinted} of {counts.jobs}")

    def worker_killed(self, kill: Kill) -> None:
        """Prints which worker was killed, and during which job."""
        activity = f"{ACTIVITIES[kill.hold.stage]} {self._describe(kill.hold)}"
        self._print(f"{kill.name} (process {kill.pid}) killed with SIGKILL while {activity}", "red")

    def problems(self, lines: Sequence[str]) -> bool:
        """Prints the problems; returns True if there are any."""
        for line in lines:
            self._print(line, "red")
        return bool(lines)

    def taken_over(self, kill: Kill | None, holds: Sequence[Hold]) -> None:
        """Prints what happened to the job of the killed worker."""
        if kill is None:
            self._print("no worker was killed: the work ended before a worker could be killed while it held a job")
        elif later := kill.taken_over(holds):
            ending = "finished it" if later.outcome == "done" else f"did not finish it ({later.outcome})"
            self._print(
                f"{kill.name} was killed holding {self._describe(kill.hold)}; "
                f"{later.start_s - kill.hold.end_s:.1f} s later {later.worker} claimed it (attempt {later.attempt}) "
                f"and {ending}"
            )
        else:
            self._print(
                f"{kill.name} was killed holding {self._describe(kill.hold)}, and no other worker has claimed it", "red"
            )

    def results(self, path: Path) -> None:
        """Prints the path of the CSV."""
        self._print(f"\nall results: {path}\n", no_wrap=True)

    def verdict(self, verdict: Verdict) -> None:
        """Prints the counts, and the jobs that make a count wrong."""
        all_done = verdict.done == verdict.files == verdict.server_done
        by_server = f"(the server counts {verdict.server_done})"
        self._count(f"done = {verdict.done}, files = {verdict.files} {by_server}", all_done)
        overlaps = verdict.claimed_twice_at_once
        self._count(f"claimed twice at once = {len(overlaps)} (of {verdict.claims} claims)", not overlaps)
        for first, second in overlaps[:MAX_ROWS]:
            later_s = second.start_s - first.start_s
            self._print(f"  {self._describe(first)}: {first.worker}, and {second.worker} {later_s:.3f} s later")
        self._count(f"lost = {len(verdict.lost)}", not verdict.lost)
        for jobid in verdict.lost[:MAX_ROWS]:
            self._print(f"  {self._paths[jobid]} (job {jobid})")
        if verdict.done_twice:
            self._count(f"done twice = {len(verdict.done_twice)}", False)
            for jobid, stage in verdict.done_twice[:MAX_ROWS]:
                self._print(f"  {self._paths[jobid]} (job {jobid}) from stage {stage}")

    def _worker(self, member: Member, kill: Kill | None) -> RenderableType:
        line = Text(f"{member.name:{NAME_WIDTH}} ", no_wrap=True, overflow="ellipsis")
        done = sum(hold.outcome == "done" for hold in member.history.holds)
        line.append(f"{done:5} done  ")
        if kill is not None and kill.name == member.name:
            line.append(f"killed while {ACTIVITIES[kill.hold.stage]} {self._paths[kill.hold.jobid]}", "red")
        elif member.history.holds:
            hold = member.history.holds[-1]
            line.append(f"{ACTIVITIES[hold.stage]} {self._paths[hold.jobid]}", "dim")
        return line

    def most_complex(self, results: Sequence[FileResult]) -> None:
        """Prints the table of the most complex functions."""
        functions = [(function, result.path) for result in results for function in result.functions]
        functions.sort(key=lambda found: (-found[0].complexity, found[1], found[0].line))
        table = _table(f"The ten most complex of {len(functions)} functions")
        table.add_column("complexity", justify="right")
        table.add_column("function", overflow="fold")
        table.add_column("position", overflow="fold")
        for function, path in functions[:MAX_ROWS]:
            table.add_row(str(function.complexity), Text(function.name), Text(f"{path}:{function.line}"))
        self.console.print(table)

    def longest(self, duplicates: Sequence[Duplicate]) -> None:
        """Prints the table of the longest duplicates."""
        if not duplicates:
            self._print("\nNo duplicates found", "bold")
            return
        table = _table(f"The ten longest of {len(duplicates)} duplicates (names, numbers and strings aside)")
        table.add_column("tokens", justify="right")
        table.add_column("lines", justify="right")
        table.add_column("position", overflow="fold")
        for duplicate in duplicates[:MAX_ROWS]:
            places = [f"{place.path}:{place.first_line}-{place.last_line}" for place in duplicate.places[:MAX_PLACES]]
            if more := len(duplicate.places) - MAX_PLACES:
                places += [f"and {more} more"] if more > 0 else []
            table.add_row(str(duplicate.tokens), str(duplicate.lines), Text("\n".join(places)))
        self.console.print(table)

    def _count(self, line: str, all_correct: bool) -> None:
        self._print(line, "bold green" if all_correct else "bold red")

    def _describe(self, hold: Hold) -> str:
        return f"{self._paths[hold.jobid]} (job {hold.jobid})"

    def _print(self, line: str, style: str = "", *, no_wrap: bool = False) -> None:
        """no_wrap: not wrapped at the terminal's width, so that it can be copied. Lines of a log are never wrapped."""
        self.console.print(Text(line, style), soft_wrap=no_wrap or not self.console.is_terminal)


def _table(title: str) -> Table:
    title = f"\n{title}"
    return Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)

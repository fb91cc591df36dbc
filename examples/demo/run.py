"""The demo, `make demo`: a server, four workers, a real job list, one worker killed during the run, and the counts.

    python examples/demo/run.py [--input DIR]

Every .py file of the standard library (or of DIR) is one job; stage 0 to 2 measures it, stage 2 to 4 fingerprints it.
Exit code: 0; 1 if a count is wrong or a part could not run; 130 after Ctrl-C.
"""

import argparse
import platform
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from client import ClientError, JobClient
from client import Progress as Counts
from examples.demo.display import Display
from examples.demo.duplicates import find_duplicates
from examples.demo.files import OUTPUTS, python_files
from examples.demo.history import judge
from examples.demo.processes import Children, Interrupted, Interruptions
from examples.demo.results import collect, require_writable, write_csv
from examples.demo.server import CannotRun, Server, make_list, start_server
from examples.demo.team import Team

CSV = "demo-results.csv"
KILL_AFTER = 0.1  # the share of the files that must be measured before
KILL_CHECK_EVERY_S = 0.001  # some files take no longer than this
CHECK_EVERY_S = 0.1
STALLED_AFTER_S = 60.0  # without progress of any job


def main() -> int:
    """Runs the demo; returns the exit code."""
    started_s = time.monotonic()
    parser = argparse.ArgumentParser(description="Four workers process real files; one is killed.")
    parser.add_argument("--input", type=Path, metavar="DIR", help="use the .py files of DIR, not the standard library")
    folder: Path | None = parser.parse_args().input
    interruptions = Interruptions()
    try:
        name = f"the standard library of Python {platform.python_version()}" if folder is None else str(folder)
        all_correct = _demo((folder or Path(sysconfig.get_path("stdlib"))).resolve(), name, interruptions)
    except Interrupted as interrupted:
        print("stopped; nothing is left running", file=sys.stderr)
        return 128 + interrupted.signum
    except (CannotRun, ClientError, OSError) as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    print(f"took {time.monotonic() - started_s:.1f} s")
    return 0 if all_correct else 1


def _demo(input_folder: Path, name: str, interruptions: Interruptions) -> bool:
    """Runs all steps; returns True if each count is right. Leaves no process behind."""
    if not input_folder.is_dir():
        raise CannotRun(f"{input_folder} is not a folder: give one with .py files in it")
    files, left_out = python_files(input_folder)
    if not files:
        raise CannotRun(f"there is no .py file in {input_folder}")
    csv_path = _csv_path()
    jobs = dict(enumerate(files))
    display = Display(jobs)
    with tempfile.TemporaryDirectory(prefix="job_manager-demo-") as temporary:
        run_folder = Path(temporary)
        children = Children(run_folder, interruptions)
        try:
            server = start_server(children, run_folder)
            display.begin(name, left_out, server.page)
            client = server.client()
            make_list(client)
            team = Team(children, server, input_folder, run_folder)
            team.wait_until_ready()
            client.set((jobid, {"jobcmd": {"file": path}}) for jobid, path in jobs.items())
            with display:
                _watch(server, client, team, display, len(jobs))
            crashed = team.crashed()
            team.stop()
            all_correct = _show_results(run_folder, csv_path, jobs, team, client.progress().done, display)
            return not display.problems(crashed) and all_correct
        finally:
            children.stop_all()


def _csv_path() -> Path:
    """The path of the results. Raises CannotRun now, and not after the work, if it is not writable."""
    path = Path.cwd() / CSV
    try:
        require_writable(path)
    except OSError as problem:
        raise CannotRun(f"{path} can't be written ({problem.strerror}): run the demo from another folder") from None
    return path


def _show_results(
    run_folder: Path, csv_path: Path, jobs: dict[int, str], team: Team, server_done: int, display: Display
) -> bool:
    """Shows the tables, the CSV and the counts; returns True if the counts are right."""
    results = collect(run_folder, jobs)
    prints = {result.path: result.fingerprints for result in results.values()}
    duplicates = find_duplicates({path: found for path, found in prints.items() if found is not None})
    display.most_complex(list(results.values()))
    display.longest(duplicates)
    write_csv(csv_path, list(results.values()), duplicates)
    display.results(csv_path)
    display.taken_over(team.kill, team.holds)
    complete = {jobid: result.complete for jobid, result in results.items()}
    verdict = judge(team.holds, complete, list(OUTPUTS), server_done)
    display.verdict(verdict)
    return verdict.all_correct


def _watch(server: Server, client: JobClient, team: Team, display: Display, jobs: int) -> None:
    """Shows the progress until all jobs have ended, and kills a worker meanwhile."""
    moved_s = time.monotonic()
    before: Counts | None = None
    show_at_s = 0.0
    while True:
        team.read()
        done = sum(hold.outcome == "done" for hold in team.holds)
        kill_due = team.kill is None and done >= KILL_AFTER * jobs
        if kill_due and team.kill_busy_worker() and team.kill is not None:
            display.worker_killed(team.kill)
        now_s = time.monotonic()
        if now_s >= show_at_s:
            show_at_s = now_s + CHECK_EVERY_S
            server.require_running()
            counts = client.progress()
            display.update(counts, team.members, team.kill)
            if counts.done + counts.failed + counts.cancelled >= jobs or not team.alive:
                return
            if counts != before:
                moved_s, before = now_s, counts
            elif now_s > moved_s + STALLED_AFTER_S:
                display.problems([f"no job has moved for {STALLED_AFTER_S:g} s"])
                return
        time.sleep(KILL_CHECK_EVERY_S if kill_due else CHECK_EVERY_S)


if __name__ == "__main__":
    sys.exit(main())

"""Prints the progress of a run."""

import shutil
import tempfile
import time
from pathlib import Path

from tests.faults.history.run import Options, Verdict, run


def run_and_print(options: Options, keep: Path) -> Verdict:
    """Makes a run and prints its progress. Keeps its files if a promise was broken or the run failed."""
    keep.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"history-{options.database}-{options.servers}-{options.seed}-", dir=keep))
    start_s = time.monotonic()
    print(f"{options.command}\n        files: {folder}", flush=True)
    verdict = run(options, folder, lambda line: print(f"{time.monotonic() - start_s:6.1f} s  {line}", flush=True))
    print(verdict.summary, flush=True)
    if verdict.violations:
        print(f"again: {options.command}\nthe history: {folder / 'history.jsonl'}", flush=True)
    else:
        shutil.rmtree(folder)
    return verdict

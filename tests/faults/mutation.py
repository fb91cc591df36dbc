"""Mutation check: plants each fault of mutants.py into the code, and requires that the suite or the checker finds it.

python -m tests.faults.mutation [PART OF A NAME]
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.faults.history.run import run
from tests.faults.mutant import Checker, Mutant, Suite
from tests.faults.mutants import MUTANTS
from tests.support.paths import ROOT

TIMEOUT_S = 180
TESTS_FAILED = 1  # pytest's exit code
FOUND = "found"


def main(part: str = "") -> int:
    """Prints a table of the faults. Returns 1 if one survives or cannot be planted."""
    mutants = [mutant for mutant in MUTANTS if part in mutant.name]
    print(f"{len(mutants)} faults are planted, one after another.", flush=True)
    results = []
    for mutant in mutants:
        start_s = time.monotonic()
        result = verdict(mutant)
        results.append(result)
        print(f"{mutant.name:45} {result}, {time.monotonic() - start_s:.0f} s", flush=True)
    survived = sum(not result.startswith(FOUND) for result in results)
    print(f"{survived} of {len(mutants)} faults were not found." if survived else "Every fault was found.")
    return 1 if survived or not mutants else 0


def verdict(mutant: Mutant) -> str:
    """Plants one fault. Returns how it was found, or why it was not."""
    if error := planting_error(mutant):
        return f"CANNOT BE PLANTED: {error}"
    if isinstance(mutant.found_by, Suite):
        return _tested(mutant, mutant.found_by)
    return _checked(mutant, mutant.found_by)


def planting_error(mutant: Mutant) -> str:
    """Returns why the fault cannot be planted, such as an anchor that is missing; empty: it can."""
    modules = ", ".join(edit.module for edit in mutant.edits)
    done = _python(mutant.environment, "-c", f"import {modules}")
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


def _tested(mutant: Mutant, suite: Suite) -> str:
    try:
        done = _pytest(mutant.environment, *suite.arguments)
    except subprocess.TimeoutExpired:
        return f"SURVIVED: its tests did not end within {TIMEOUT_S} s"
    failed = [line.partition(" ")[2].split(" - ")[0] for line in done.stdout.splitlines() if line.startswith("FAILED")]
    if done.returncode != TESTS_FAILED or not failed:
        return f"SURVIVED: {' '.join(suite.arguments)}: {done.stdout.strip().rpartition(chr(10))[2]}"
    if _pytest({}, failed[0]).returncode:
        return f"NOT PROVED: {failed[0]} fails without the fault, too"
    return f"{FOUND} by {failed[0]}"


def _checked(mutant: Mutant, checker: Checker) -> str:
    with tempfile.TemporaryDirectory() as folder:
        options = replace(checker.options, environment=mutant.environment)
        violations = run(options, Path(folder), lambda _line: None).violations
    for violation in violations:
        if any(sentence in violation for sentence in checker.sentences):
            return f"{FOUND} by the checker: {violation[:60]}"
    return f"SURVIVED: {options.command}: {len(violations)} other violations {violations[:1]}"


def _pytest(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return _python(environment, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no", *arguments)


def _python(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True,
        timeout=TIMEOUT_S,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

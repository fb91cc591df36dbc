"""The cost of statistics (throughput, durations, workers) for a claim: python -m bench.statistics_cost

Claims and completes as many jobs as share one commit, on a real SQLite file that is flushed as in the server, with and
without statistics in turns. The result is written to docs/architecture.md.
"""

import statistics
import tempfile
import time
from pathlib import Path

from bench.claim_cost import filled
from bench.servers import ROOT
from bench.tables import machine, table, write_section
from jobserver.core.claims import ClaimRequest, Report
from jobserver.jobs.claims import new_token
from jobserver.jobs.clock import now_ms
from jobserver.store.connection import Connection
from jobserver.store.queries import claiming, completing
from jobserver.store.transaction import Transaction

JOBS, ROUNDS, TOGETHER, WORKERS = 200_000, 300, (1, 16, 64), 16


class WithoutStatistics(Transaction):
    """A transaction that keeps no statistics."""

    def finished(self, list_id: int, stage: int, ms: int, now: int, n: int = 1) -> None:
        """Does nothing."""

    def heard(self, list_id: int, worker: str | None, now: int, done: int = 0, failures: int = 0) -> None:
        """Does nothing."""


def round_us(connection: Connection, together: int, counted: bool) -> float:
    """Microseconds a job: claimed in one commit, completed in another."""
    jobs: list[tuple[int, str]] = []
    started = time.perf_counter()
    for completes in (False, True):
        now = now_ms()
        connection.begin()
        transaction = Transaction(connection) if counted else WithoutStatistics(connection)
        if completes:
            for jobid, claim in jobs:
                completing.end_claim(transaction, 1, Report(jobid, 2, claim), False, now)
        else:
            for number in range(together):
                claim = new_token(now)
                request = ClaimRequest(0, 1, worker=f"node{number % WORKERS}")
                jobs.append((claiming.claim_jobs(transaction, 1, request, claim, now)[0].jobid, claim))
        transaction.flush()
        connection.commit()
    return (time.perf_counter() - started) / together * 1e6


def main() -> None:
    """Measures, prints and writes."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        connection = filled(Path(folder), JOBS)
        for together in TOGETHER:
            pairs = [
                (round_us(connection, together, True), round_us(connection, together, False)) for _ in range(ROUNDS)
            ]
            with_all, without = (statistics.median(column) for column in zip(*pairs, strict=True))
            rows.append((together, f"{without:.0f} µs", f"{with_all:.0f} µs", f"{with_all / without:.2f}"))
    text = table(("jobs a commit", "without statistics", "with them", "ratio"), rows)
    text += (
        "\n\nA job is claimed and completed in two commits; medians of rounds in turns. Measured by"
        f" `bench/statistics_cost.py`: {machine()}."
    )
    print(text)
    write_section(ROOT / "docs/architecture.md", "bench/statistics_cost.py", text)


if __name__ == "__main__":
    main()

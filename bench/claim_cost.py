"""The cost of a claim among few and among many jobs: python -m bench.claim_cost [SIZE ...]

Measures the statements of a claim and of its completion, without the commit, on a real SQLite file for each size. The
rounds are interleaved, so that other load on the machine affects all sizes alike. Prints medians, and ratios to the
smallest size.
"""

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from jobserver import create_app
from jobserver.api.founding.submission import Submission
from jobserver.core.claims import ClaimRequest, Report
from jobserver.core.settings import Settings
from jobserver.jobs.claims import new_token
from jobserver.jobs.clock import now_ms
from jobserver.store.connection import Connection
from jobserver.store.queries import claiming, completing
from jobserver.store.transaction import Transaction
from jobserver.web.services import NAME, Services

SIZES = (100, 10_000, 1_000_000)
ROUNDS, CLAIMS = 9, 100


def filled(folder: Path, jobs: int) -> Connection:
    """A connection to a new database with that many jobs waiting in stage 0 of list 1."""
    services: Services = create_app(Settings(instance=str(folder))).extensions[NAME]
    services.lists.init(1, [], None)
    body = "{" + ",".join(f'"{jobid}":{{}}' for jobid in range(jobs)) + "}"
    services.lists.submit(1, Submission(io.BytesIO(body.encode())), bulk=True)
    services.commit_queue.close()
    return services.database.connect()


def round_us(connection: Connection) -> tuple[float, float]:
    """Microseconds of one claim and of one completion. The transaction is rolled back."""
    connection.begin()
    transaction, now = Transaction(connection), now_ms()
    claims = [new_token(now) for _ in range(CLAIMS)]
    started = time.perf_counter()
    requests = [ClaimRequest(0, 1, 1, claim, "bench") for claim in claims]
    jobids = [claiming.claim_jobs(transaction, 1, request, str(request.token), now)[0].jobid for request in requests]
    claimed = time.perf_counter()
    for jobid, claim in zip(jobids, claims, strict=True):
        completing.end_claim(transaction, 1, Report(jobid, 2, claim), False, now)
    completed = time.perf_counter()
    connection.rollback()
    return (claimed - started) / CLAIMS * 1e6, (completed - claimed) / CLAIMS * 1e6


def medians_us(sizes: Sequence[int]) -> dict[int, tuple[float, float]]:
    """Microseconds of a claim and of a completion, for each size."""
    with tempfile.TemporaryDirectory() as folder:
        connections = {size: filled(Path(folder) / str(size), size) for size in sizes}
        rounds = [{size: round_us(connection) for size, connection in connections.items()} for _ in range(ROUNDS)][1:]
    return {
        size: (
            statistics.median(figures[size][0] for figures in rounds),
            statistics.median(figures[size][1] for figures in rounds),
        )
        for size in sizes
    }


def main(sizes: list[int]) -> None:
    """Prints the table."""
    medians = medians_us(sizes)
    table = Table(box=None)
    for column in ("jobs", "claim, µs", "ratio", "completion, µs", "ratio"):
        table.add_column(column, justify="right")
    for size, (claim, completion) in medians.items():
        base = medians[sizes[0]]
        table.add_row(
            f"{size:,}", f"{claim:.1f}", f"{claim / base[0]:.2f}", f"{completion:.1f}", f"{completion / base[1]:.2f}"
        )
    Console().print(table)


if __name__ == "__main__":
    main([int(size.replace("_", "")) for size in sys.argv[1:]] or list(SIZES))

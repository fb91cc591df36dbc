"""One open transaction: its statements, and what it will have changed in the counters."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec

from jobserver.store.connection import Connection, Row
from jobserver.store.statistics_deltas import Tallies

ADD = """INSERT INTO stage_count (list_id, stage, jobs, flagged, failed, expired)
    VALUES (:list, :stage, :jobs, :flagged, :failed, :expired)
    ON CONFLICT (list_id, stage) DO UPDATE SET jobs = stage_count.jobs + excluded.jobs,
    flagged = stage_count.flagged + excluded.flagged, failed = stage_count.failed + excluded.failed,
    expired = stage_count.expired + excluded.expired"""


def array(values: Iterable[Any]) -> str:
    """Several values for one statement: as JSON, which both databases take apart."""
    return msgspec.json.encode(list(values)).decode()


class Transaction:
    """What a verb works on. The writer begins, flushes and commits it.

    `changes` counts the rows changed so far. `alone`: no other request shares this transaction, so that a statement
    may wait for locks without a deadlock. `notes` are kept for after the commit.
    """

    def __init__(self, connection: Connection, alone: bool = False) -> None:
        self.alone = alone
        self.postgresql = connection.postgresql
        self.changes = 0
        self.notes: list[Any] = []
        self._connection = connection
        self._counts: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self.tallies = Tallies()

    def all(self, sql: str, **values: Any) -> list[Row]:
        """The rows that a SELECT, or a change with RETURNING, gives."""
        cursor = self._connection.execute(sql, values)
        rows: list[Row] = cursor.fetchall()
        if rows and not sql.startswith("SELECT"):
            self.changes += len(rows)
        return rows

    def run(self, sql: str, **values: Any) -> int:
        """Changes rows; how many."""
        changed: int = self._connection.execute(sql, values).rowcount
        self.changes += changed
        return changed

    def many(self, sql: str, rows: Iterable[dict[str, Any]]) -> None:
        """Runs one statement, which changes one row, for each of these."""
        self.changes += self._connection.many(sql, list(rows))

    def count(
        self, list_id: int, stage: int, jobs: int = 0, flagged: int = 0, failed: int = 0, expired: int = 0
    ) -> None:
        """Adds to the counters of a stage. They are written once, by flush()."""
        counts = self._counts[list_id, stage]
        counts[0] += jobs
        counts[1] += flagged
        counts[2] += failed
        counts[3] += expired

    def jobs_in(self, list_id: int, stage: int) -> int:
        """How many jobs the counters give for a stage, this transaction's own changes among them."""
        rows = self.all(
            "SELECT jobs FROM stage_count WHERE list_id = :list AND stage = :stage", list=list_id, stage=stage
        )
        pending = self._counts.get((list_id, stage), (0,))[0]
        return pending + (rows[0][0] if rows else 0)

    def flush(self) -> None:
        """Writes the counters' changes, in order of their keys: two processes that write the same rows in another
        order would wait for each other for ever. It comes last, because these are the rows that everybody writes."""
        self.tallies.write(self.run)
        for (list_id, stage), (jobs, flagged, failed, expired) in sorted(self._counts.items()):
            if jobs or flagged or failed or expired:
                self.run(
                    ADD, list=list_id, stage=stage, jobs=jobs, flagged=flagged, failed=failed, expired=expired
                )  # fmt: skip
        self._counts.clear()

"""The query plans of a verb's statements, and a reproducible cost."""

import json
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from jobserver import create_app
from jobserver.core.lifetimes import Lifetime
from jobserver.core.settings import Settings
from jobserver.core.submissions import Chunk
from jobserver.store.database import Database
from jobserver.store.queries import adding, lists
from jobserver.store.transaction import Transaction
from jobserver.web.services import NAME, Services

NOW = 2_000_000_000_000
DAY = 86_400_000
SMALL = ("job_working", "job_claimed", "job_flagged", "job_replicating")
_FULL_SCAN = r"SCAN (job|event)\b|SEARCH job .*\(list_id=\?\)$"
Verb = Callable[[Transaction], object]
Statement = tuple[str, dict[str, Any]]  # in the driver's style

_PREPARE = """UPDATE job SET jobstage = 2, deadline = NULL WHERE list_id = :list AND jobid < :n / 4
INSERT INTO event (list_id, job_id, claim, from_stage, to_stage, kind, started, at, worker, jobs)
    SELECT list_id, id, 'ended-' || jobid, 1, 2, 'completed', :now - :n + jobid, :now - :n + jobid, 'w', 1 FROM job
    WHERE list_id = :list AND jobstage = 2 ORDER BY jobid
UPDATE job SET jobstage = 1, attempt = 1, claim = 'held-' || jobid, worker = 'w' || jobid, claimed = :now - 1,
    deadline = :now + 1000 + jobid WHERE list_id = :list AND jobid >= :n / 4 AND jobid < :n / 4 + 140
UPDATE job SET deadline = :now - 1 - jobid, failures = CASE WHEN jobid < :n / 4 + 5 THEN 4 ELSE 0 END,
    jobstage = CASE WHEN jobid < :n / 4 + 10 THEN 3 ELSE 1 END
    WHERE list_id = :list AND jobid >= :n / 4 AND jobid < :n / 4 + 20
UPDATE job SET jobstage = 3, overdue = 1, deadline = :now - 1
    WHERE list_id = :list AND jobid >= :n / 4 + 20 AND jobid < :n / 4 + 40
INSERT INTO worker (list_id, name, first_heard, last_heard, done, failures)
    SELECT list_id, 'w' || jobid, :now - jobid, :now - jobid, 1, 0 FROM job WHERE list_id = :list AND jobid < 250
INSERT INTO stage_count (list_id, stage, jobs, flagged, failed) SELECT list_id, jobstage, COUNT(*),
    SUM(overdue), 0 FROM job WHERE list_id = :list GROUP BY list_id, jobstage"""


def filled(settings: Settings, jobs: int) -> Database:
    """A database with a list of this many jobs: a quarter done, 100 held, 20 overdue, 20 flagged, the others available,
    and late in two days. And a second list, a tenth as long."""
    services: Services = create_app(settings).extensions[NAME]
    database = services.database
    with closing(database.connect()) as connection:
        connection.begin()
        tx = Transaction(connection)
        _fill(tx, jobs)
        connection.commit()
    return database


def _fill(tx: Transaction, jobs: int) -> None:
    for name, n in (("first", jobs), ("second", jobs // 10)):
        job_list = lists.create(tx, name, name, NOW - DAY)
        assert job_list is not None
        for stage in range(5):
            requeue = 2 if stage == 3 else None
            lists.store_lifetime(tx, job_list.id, Lifetime(stage, 0 if stage in (2, 4) else 3 * DAY, requeue))
        for start in range(0, n, 1000):
            chunk = [[jobid, 0, -jobid % 7, "{}"] for jobid in range(start, min(n, start + 1000))]
            adding.add_jobs(tx, job_list.id, Chunk(len(chunk), json.dumps(chunk)), NOW - DAY)
        for sql in re.split(r"\n(?=\S)", _PREPARE):
            tx.run(sql, list=job_list.id, n=n, now=NOW)


class Recorded:
    """A driver's connection that appends the statements that it runs to a list."""

    def __init__(self, driver: Any, statements: list[Statement]) -> None:
        self._driver = driver
        self._statements = statements

    def execute(self, sql: str, values: Any = ()) -> Any:
        """Runs a statement."""
        if values != ():
            self._statements.append((sql, values))
        return self._driver.execute(sql, values) if values != () else self._driver.execute(sql)

    def cursor(self) -> Any:
        """An object that runs a statement for each of several rows."""
        return self

    def executemany(self, sql: str, rows: Sequence[dict[str, Any]]) -> None:
        """Runs a statement for each of the rows."""
        self._statements.extend((sql, values) for values in rows)
        self._driver.cursor().executemany(sql, rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)


def run(database: Database, verb: Verb, alone: bool = False) -> tuple[Any, list[Statement], int]:
    """Returns a verb's result, its statements and the number of SQLite's steps, then rolls back."""
    steps, statements = [0], list[Statement]()
    with closing(database.connect()) as connection:
        connection.driver = Recorded(connection.driver, statements)
        connection.begin()
        if not database.dialect.blocks:
            connection.driver.set_progress_handler(lambda: steps.__setitem__(0, steps[0] + 1), 1)
        tx = Transaction(connection, alone)
        value = verb(tx)
        tx.flush()
        if not database.dialect.blocks:
            connection.driver.set_progress_handler(None, 0)
        connection.rollback()
    return value, statements, steps[0]


def full_scans(database: Database, sql: str, values: dict[str, Any]) -> list[str]:
    """The full scans of the jobs or their history in a statement's plan; [] if none."""
    with closing(database.connect()) as connection:
        if not database.dialect.blocks:
            lines = [row[3] for row in connection.driver.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
            return [line for line in lines if re.match(_FULL_SCAN, line) and not any(name in line for name in SMALL)]
        if sql.startswith("SELECT pg_advisory"):
            return []
        plans = [json_plan(connection.driver.execute(f"EXPLAIN (FORMAT JSON) {sql}", values).fetchall())]
        rows = connection.driver.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {numbered(sql)}").fetchall()
        plans.append(json_plan(rows))
        return [line for plan in plans for line in scans_in(plan)]


def numbered(sql: str) -> str:
    """The statement as PostgreSQL plans it once for all values: %(name)s is $1."""
    names: list[str] = []

    def number(match: "re.Match[str]") -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return re.sub(r"%\(([a-z_]+)\)s", number, sql).replace("%%", "%")


def json_plan(rows: list[Any]) -> dict[str, Any]:
    """The root of a plan in JSON format."""
    plan: dict[str, Any] = rows[0][0][0]["Plan"]
    return plan


def scans_in(plan: dict[str, Any], above: str = "") -> list[str]:
    """The nodes of a PostgreSQL plan that read a whole table, or an index that covers more than held or flagged jobs.
    A limit directly above an index bounds the number of rows that are read."""
    scans = [line for below in plan.get("Plans", []) for line in scans_in(below, plan["Node Type"])]
    unbounded = "Index" in plan["Node Type"] and "Index Cond" not in plan and above != "Limit"
    full_scan = plan["Node Type"] == "Seq Scan" or unbounded
    if full_scan and plan.get("Relation Name", "job") in ("job", "event") and plan.get("Index Name") not in SMALL:
        scans.append(f"{plan['Node Type']} on {plan.get('Relation Name')} {plan.get('Index Name', '')}")
    return scans


def buffers(database: Database, statements: list[Statement]) -> int:
    """The number of pages that PostgreSQL reads for these statements, which are rolled back."""
    buffers_used = 0
    with closing(database.connect()) as connection:
        connection.begin()
        for sql, values in statements:
            explain = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}"
            plan = json_plan(connection.driver.execute(explain, values).fetchall())
            buffers_used += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        connection.rollback()
    return buffers_used

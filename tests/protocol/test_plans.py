"""No request reads all jobs: each statement uses an index, and costs the same among 1,000 jobs and 100,000."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from jobserver.core.claims import ClaimRequest, Completion, Report
from jobserver.core.lists import Filter, JobList
from jobserver.core.operations import UNCLAIMED, Target, claim_id
from jobserver.core.rules import Replication, Rules
from jobserver.core.settings import Settings
from jobserver.jobs import guarded
from jobserver.store.database import Database
from jobserver.store.queries import (
    claiming,
    completing,
    events,
    late_results,
    listing,
    lists,
    losses,
    operating,
    outages,
    replicas,
    requeuing,
    statistics,
)
from jobserver.store.transaction import Transaction
from tests.support.plans import DAY, NOW, Verb, buffers, filled, full_scans, run
from tests.support.postgresql import make_postgresql_database

LIST = 1

# The number of jobs with unusual statistics: usually PostgreSQL has them by autovacuum, and SQLite has none.
OTHER_LIST = 20_001
_LEASE_ENDED = """UPDATE job SET previous_stage = 0, lease_ms = 1, failures = 2, failing_since = 0, deadline = 1
    WHERE list_id = :list AND jobid = :jobid"""
OLD = NOW - 100  # older history and older workers are deleted


def verbs(n: int) -> dict[str, Verb]:
    """The verbs of a server, for a list of n jobs."""
    jobid, claim = n // 4 + 50, f"held-{n // 4 + 50}"  # a held job
    held, ended = Target(jobid, 1, claim_id(claim)), n // 8

    def take(n: int, own_token: bool) -> Verb:
        def work(tx: Transaction) -> object:
            claiming.lock_token(tx, "new-token")
            assert claiming.held_under(tx, LIST, "new-token") == []
            assert not claiming.is_spent(tx, LIST, "new-token")
            request = ClaimRequest(0, 1, n, "new-token" if own_token else None, "w")
            return claiming.claim_jobs(tx, LIST, request, "new-token", NOW)

        return work

    def take_one_each(tx: Transaction) -> object:
        workers = {f"token-{number}": "w" for number in range(16)}
        return len(claiming.claim_one_each(tx, LIST, 0, 1, None, workers, NOW)) == 16

    def end(target: int, claim: str | None, error: str | None = None) -> Verb:
        return lambda tx: completing.end_claim(tx, LIST, Report(jobid, target, claim, "f", "1", "2", error), False, NOW)

    def ends(tx: Transaction) -> object:
        held = [Report(number, 2, f"held-{number}", "f") for number in range(jobid, jobid + 30)]
        return len(completing.end_done(tx, LIST, 2, held, NOW)) == len(held)

    def repeated(tx: Transaction) -> object:
        row = completing.where_is(tx, LIST, ended)
        assert row is not None
        assert completing.end_claim(tx, LIST, Report(ended, 2, f"ended-{ended}"), False, NOW) is None
        return events.claim_end(tx, row.row_id, f"ended-{ended}")

    def replicate(tx: Transaction) -> object:
        replicas.store_rules(tx, LIST, 1, Rules(replication=Replication(results=2, compare=["near"])))
        for _ in range(3):  # two are stored, and the first is confirmed
            for host in ("a", "b"):
                request = ClaimRequest(0, 1, 1, None, f"{host}:1")
                assert claiming.claim_jobs(tx, LIST, request, "new-token", NOW) == []
                [job] = guarded.claim(tx, LIST, request, f"token-{host}", NOW)
                report = Report(job.jobid, 2, job.token, result="1")
                assert isinstance(guarded.judge(tx, LIST, report, False, NOW), Completion)
        replicas.store_rules(tx, LIST, 1, Rules())
        return lists.replicating(tx.all, LIST) == []

    def sweep(tx: Transaction) -> object:
        assert tx.all(requeuing.ANY_DUE, now=NOW)
        failed, requeued = requeuing.fail_overdue(tx, NOW, 500), requeuing.requeue_overdue(tx, NOW, 500)
        flagged = requeuing.mark_overdue(tx, NOW, 500)
        assert (failed, requeued, flagged) == (10, 10, 20)  # of two lists
        return flagged

    def end_outage(tx: Transaction) -> object:
        assert tx.all(outages.ANY_DEADLINE)
        assert outages.last_sweep(tx.all) == 0
        outages.record_sweep(tx, NOW)
        assert outages.last_sweep(tx.all) == NOW
        assert tx.all(outages.ANY_EARLIER, until=NOW, began=NOW)
        return outages.extend(tx, NOW, NOW, NOW, 5) == 5

    def lose(tx: Transaction) -> object:
        tx.run(_LEASE_ENDED, list=LIST, jobid=jobid)
        assert losses.hold_lost(tx, NOW, 500) == 0
        assert requeuing.requeue_lost(tx, NOW, 500) == 1
        place = completing.where_is(tx, LIST, jobid)
        assert place is not None
        end = events.claim_end(tx, place.row_id, claim)
        assert end is not None
        assert end.was_lost
        assert late_results.is_unclaimed(tx, place.row_id, end.stage, claim)
        assert late_results.restore_claim(tx, place.row_id, end.work, end.stage, claim, NOW)
        late_results.keep(tx, place.row_id, Report(jobid, 2, claim, result="1"), end, NOW)
        assert late_results.oldest_outside(tx.all, 0, 2 * NOW) is None
        return late_results.of_job(tx.all, LIST, jobid)

    def page(tx: Transaction) -> object:
        assert len(listing.flagged(tx.all, LIST, 50)) == 20
        assert len(listing.at_work(tx.all, LIST, 50)) == 50
        assert listing.detail(tx.all, LIST, ended, 200).history
        assert lists.by_hash(tx.all, "first") == lists.by_name(tx.all, "first") == JobList(LIST, "first")
        assert len(lists.counts(tx.all, LIST)) == 4
        assert len(lists.lifetimes(tx.all, LIST)) == 5
        assert len(statistics.workers(tx.all, LIST, 50)) == 50
        assert statistics.holders(tx.all, LIST) == len(statistics.held(tx.all, LIST)) - 20
        return listing.page(tx.all, LIST, Filter(), 4, -1, 50).jobs

    def act_on_pages(tx: Transaction) -> object:
        assert len(listing.matching(tx.all, LIST, Filter(), 4, -1, 50, flagged=True).jobs) == 20
        assert len(listing.matching(tx.all, LIST, Filter(), 4, -1, 50).jobs) == 50
        waiting = operating.by_place(tx, LIST, [Target(n - 2, 0, UNCLAIMED)])
        assert operating.cancel(tx, LIST, waiting, 4, "ada", NOW) == {n - 2}
        two = operating.by_place(tx, LIST, [Target(n - 2), Target(n - 3)])
        assert operating.skip(tx, LIST, two, 4, "ada", NOW) == {n - 2, n - 3}
        assert operating.delete(tx, LIST, two, "ada", NOW) == {n - 2, n - 3}
        assert len(operating.places(tx, LIST, [jobid, n - 1])) == 2
        assert claiming.held_tokens(tx.all, LIST, [jobid]) == {jobid: claim}
        assert operating.fail(tx, LIST, operating.by_place(tx, LIST, [held]), "ada", NOW)
        assert operating.set_priority(tx, LIST, [ended, n - 1], 9, "ada", NOW)
        flagged = operating.by_place(tx, LIST, [Target(n // 4 + 20), Target(n // 4 + 21)])
        return operating.retry(tx, LIST, flagged, None, False, 4, "ada", NOW)

    def retain(tx: Transaction) -> object:
        first = events.oldest_outside(tx.all, OLD, 2 * NOW)
        assert first is not None
        assert tx.all(statistics.ANY_OLD_WORKER, before=OLD)
        assert statistics.forget_workers(tx, OLD, 50) == 50
        return events.forget(tx, first, OLD, 2 * NOW, 50)

    return {
        "claim": take(1, False),
        "claim of 100": take(100, True),
        "claims of many requests": take_one_each,
        "end of a claim": end(2, claim),
        "ends of many claims": ends,
        "end of a claim, by a founding worker": end(2, None),
        "return": end(0, claim),
        "return with an error": end(0, claim, "it broke"),
        "report that was sent before": repeated,
        "replication": replicate,
        "heartbeat": lambda tx: claiming.renew(tx, LIST, jobid, claim, NOW),
        "cancel": lambda tx: operating.request_cancel(tx, LIST, operating.by_place(tx, LIST, [held]), "ada", NOW),
        "lost claim": lose,
        "sweep": sweep,
        "sweep that finds nothing": lambda tx: tx.all(requeuing.ANY_DUE, now=NOW - 9 * DAY) == [],
        "end of an outage": end_outage,
        "degrade": lambda tx: requeuing.degrade(tx, LIST, 3, 2, NOW),
        "retention": retain,
        "retention that finds nothing": lambda tx: (
            events.oldest_outside(tx.all, 0, 2 * NOW) is None and not tx.all(statistics.ANY_OLD_WORKER, before=0)
        ),
        "operator actions": act_on_pages,
        "stock": lambda tx: tx.jobs_in(LIST, 0),
        "page": page,
    }


@pytest.fixture(scope="module")
def databases(kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Returns a database with a number of jobs, created once."""
    databases_by_size: dict[int, Database] = {}

    def of(jobs: int) -> Database:
        if jobs not in databases_by_size:
            uri = "" if kind == "sqlite" else make_postgresql_database(request.getfixturevalue("postgresql"))
            folder = tmp_path_factory.mktemp(f"plans-{jobs}")
            databases_by_size[jobs] = filled(Settings(instance=str(folder), database_uri=uri), jobs)
            if databases_by_size[jobs].dialect.blocks != (jobs == OTHER_LIST):
                with closing(databases_by_size[jobs].connect()) as connection:
                    connection.driver.execute("VACUUM ANALYZE" if databases_by_size[jobs].dialect.blocks else "ANALYZE")
        return databases_by_size[jobs]

    yield of
    for database in databases_by_size.values():
        database.close()


@pytest.mark.parametrize("jobs", [100_000, OTHER_LIST])
def test_every_statement_uses_an_index(databases: Any, jobs: int) -> None:
    """With and without statistics, and for generic plans of PostgreSQL."""
    database, scans = databases(jobs), []
    for name, verb in verbs(jobs).items():
        for alone in (False, True):
            value, statements, _ = run(database, verb, alone)
            assert value, f"{name} did nothing"
            scans += [
                f"{name}: {line}: {sql}" for sql, values in statements for line in full_scans(database, sql, values)
            ]
    assert not scans


def test_the_check_of_plans_detects_a_scan(databases: Any) -> None:
    for sql in ("SELECT COUNT(*) FROM job WHERE filename = :x", "SELECT claim FROM event WHERE worker = :x"):
        database = databases(1_000)
        assert full_scans(database, database.dialect.statement(sql), {"x": "x"})


def test_the_cost_of_a_verb_does_not_grow_with_the_list(databases: Any, kind: str) -> None:
    grown = {}
    for name in verbs(1):
        costs = []
        # a page looks through 10,000 jobs in one step, however many more there are
        for jobs in (20_000 if name == "page" else 1_000, 100_000):
            value, statements, steps = run(databases(jobs), verbs(jobs)[name])
            assert value, f"{name} did nothing"
            costs.append(steps if kind == "sqlite" else buffers(databases(jobs), statements))
        if not 0 < costs[1] < 1.5 * costs[0] + 3:  # an index is a page deeper, here and there
            grown[name] = costs
    assert not grown

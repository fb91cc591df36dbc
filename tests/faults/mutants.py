"""Faults for the mutation check: the change of the server's code, and the tests that must find it.

To re-target a fault after a change of the code, name the new module, function or SQL constant, and the text in it.
"""

from tests.faults.mutant import QUERIES, SQLITE, STORE, Edit, Mutant, by_checker, by_tests
from tests.faults.mutants_of_results import RESULT_MUTANTS

LATE = ("renewing",) * 5 + ("slow", "choosing") * 2  # workers that report and renew about the deadline
QUICK = ("founding", "choosing", "batching", "proving") * 3  # workers that share commits
_LATE = "deadline < :now AND overdue = 0 AND outcome = 'none' AND hold <> 'delayed'"
_CLAIMING, _COMPLETING, _REQUEUING = f"{QUERIES}.claiming", f"{QUERIES}.completing", f"{QUERIES}.requeuing"

MUTANTS = (
    Mutant(
        "answer before commit",
        (
            Edit(
                f"{STORE}.group_commit", "_Writer._transact",
                {"self._end(connection, run_blocking)":
                 "[(setattr(entry, 'done', True), entry.turn and entry.turn.set())"
                 " for entry in batch]; time.sleep(0); self._end(connection, run_blocking)"},
            ),
        ),
        by_checker(586, "is lost", "is missing", "no end of that claim", faults=("commit",), styles=QUICK),
    ),
    Mutant(
        "claim in two statements",
        (
            Edit(
                _CLAIMING, "_claim_picked",
                {"claim.waiting if tx.alone else claim.skipping":
                 "claim.skipping.replace('{any_of}' + _PICK + '{skip_locked}{end_any}', 'IN (' + ', '.join(['0', *("
                 "str(row[0]) for row in tx.all(_PICK, list=list_id, stage=request.stage, work=request.working_stage, "
                 "n=request.n))]) + ')')"},
            ),
        ),
        by_checker(1, "is missing, and has no end", "overlap", database="postgresql", servers=2, faults=("net",)),
    ),
    Mutant(
        "counters outside of the transaction",
        (
            Edit(
                f"{STORE}.group_commit", "_Writer._transact",
                {"transaction.flush()":
                 "self._end(connection, run_blocking); run_blocking(connection.begin); transaction.flush()"},
            ),
        ),
        by_checker(232, "the recount is", faults=("commit",)),
    ),
    Mutant(
        "report without token",
        (
            Edit(_COMPLETING, "_WITH_CLAIM", {" AND claim = :claim": ""}),
            Edit(
                f"{STORE}.sqlite", "Sqlite.fragments",
                {"AND held.claim || '' = json_extract(row.value, '$[1]')": ""},
            ),
        ),
        by_checker(1, "though its claim was lost", "no report requested this end", faults=("stop",), styles=LATE),
    ),
    Mutant(
        "sweep without recheck",
        (
            Edit(_REQUEUING, "ANY_DUE", {"SELECT 1": "SELECT id", "LIMIT 1": "LIMIT 500"}),
            Edit(
                "jobserver.jobs.expiry", "Expiry.sweep",
                {"while self": "while found := self",
                 "total += self._commit_queue.run(partial(_expire, now=now))":
                 "total += sum(self._commit_queue.run(partial(_expire, now=now, job=job)) for (job,) in found)"},
            ),
            Edit(
                "jobserver.jobs.expiry", "_expire",
                {"now: int": "now: int, job: int",
                 "requeue_overdue(tx, now, TOGETHER)": "requeue_overdue(tx, now, job)"},
            ),
            Edit(
                _REQUEUING, "_REQUEUE",
                {f"id IN (SELECT id FROM job WHERE {_LATE} ORDER BY deadline LIMIT :n) AND {_LATE}": "id = :n"},
            ),
        ),
        by_checker(276, "before its deadline", faults=("commit",), styles=LATE),
    ),
    Mutant(
        "a lost lease only flags its job",
        (Edit("jobserver.jobs.expiry", "_expire", {"requeuing.requeue_lost(tx, now, TOGETHER)": "0"}),),
        by_checker(1, "did not return by itself", faults=("kill",), scenario="leases"),
    ),
    Mutant(
        "a renewal extends the lifetime",
        (
            Edit(
                _CLAIMING, "_RENEW",
                {"WHEN lifetime_end < :now + lease_ms THEN lifetime_end ELSE": "ELSE",
                 "AND (lease_ms IS NULL OR overdue = 0)": ""},
            ),
        ),
        by_checker(1, "beyond its time limit", faults=("kill",), styles=("leasing",) * 8),
    ),
    Mutant(
        "an interrupted attempt is a failure",
        (Edit(_COMPLETING, "end_claim", {"int(report.is_failure)": "int(report.cause is not None)"}),),
        by_checker(1, "failed attempts instead of", faults=("kill",), styles=("interrupted",) * 8),
    ),
    Mutant(
        "expiry clears the claim of a flagged job",
        (Edit(_REQUEUING, "_MARK", {"SET overdue = 1,": "SET overdue = 1, claim = NULL,"}),),
        by_tests("tests/protocol/test_protocol_heartbeat.py", *SQLITE),
    ),
    Mutant(
        "the worker's name instead of its token",
        (
            Edit(
                _COMPLETING, "_WITH_CLAIM",
                {"AND claim = :claim":
                 "AND (claim = :claim OR worker IN (SELECT e.worker FROM event e WHERE e.claim = :claim))"},
            ),
        ),
        by_tests("tests/protocol/test_taken_back.py", *SQLITE),
    ),
    Mutant(
        "expiry is no failure",
        (Edit(_REQUEUING, "_REQUEUE", {"failures = failures + jobstage % 2": "failures = failures"}),),
        by_tests("tests/protocol/test_protocol_expiry.py", *SQLITE),
    ),
    Mutant(
        "requeue keeps the token",
        (Edit(_REQUEUING, "_REQUEUE", {"claim = NULL,": ""}),),
        by_tests("tests/protocol/test_taken_back.py", *SQLITE),
    ),
    Mutant(
        "batches are proved on SQLite only",
        (Edit(f"{STORE}.postgresql", "Postgresql.fragments", {"AND claim || '' = row.value ->> 1 ": ""}),),
        by_tests("tests/protocol/test_protocol_update_jobs.py", "-k", "not sqlite"),
    ),
    Mutant(
        "a heartbeat revives a lost claim",
        (Edit(_CLAIMING, "_RENEW", {"AND claim = :claim": "AND CAST(:claim AS TEXT) IS NOT NULL"}),),
        by_tests("tests/protocol/test_protocol_heartbeat.py", *SQLITE),
    ),
    Mutant(
        "a stale release frees the successor",
        (Edit(_COMPLETING, "_WITH_CLAIM", {"AND claim = :claim": "AND (claim = :claim OR jobstage > :to)"}),),
        by_tests("tests/protocol/test_protocol_update_job.py", *SQLITE),
    ),
    Mutant(
        "a cancel reaches the next claim",
        (
            Edit(_CLAIMING, "_CLAIM", {" cancel = 0,": ""}),
            Edit(_CLAIMING, "_CLAIM_ONE_EACH", {" cancel = 0,": ""}),
            Edit(_REQUEUING, "_FAIL_OVERDUE", {", cancel = 0": ""}),
            Edit(_REQUEUING, "_DEGRADE_ALL", {", cancel = 0": ""}),
        ),
        by_tests("tests/protocol/test_taken_back.py", *SQLITE),
    ),
    Mutant(
        "a repeated claim takes another job",
        (Edit(_CLAIMING, "held_under", {"return [": "return [] and ["}),),
        by_tests("tests/protocol/test_protocol_get.py", *SQLITE),
    ),
    Mutant(
        "jobs expire in an outage",
        (Edit("jobserver.jobs.outages", "Outages.sweep_time", {"self._end_outage(now)": "pass"}),),
        by_tests("tests/protocol/test_outages.py", *SQLITE),
    ),
    Mutant(
        "the checker ignores overlapping claims",
        (
            Edit(
                "tests.faults.history.overlaps", "no_two_claims_overlap", {"min(granted) < held_until": "False"}
            ),
        ),
        by_tests("tests/faults/history/test_checker.py"),
    ),
    *RESULT_MUTANTS,
)  # fmt: skip

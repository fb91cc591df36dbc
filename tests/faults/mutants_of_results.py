"""Planted faults about results: late ones, checks, replication, cancels, output files and the outbox."""

from tests.faults.mutant import QUERIES, SQLITE, STORE, Edit, Mutant, by_checker, by_tests

_ATTEMPT = "client.worker.attempt"

RESULT_MUTANTS = (
    Mutant(
        "a late result wins against the next claim",
        (
            Edit(
                f"{QUERIES}.late_results", "_RESTORE",
                {"claim = previous_claim,": "claim = :claim,",
                 "AND claim IS NULL AND previous_claim = :claim": "",
                 "jobstage = :stage": "jobstage IN (:stage, :work)"},
            ),
        ),
        by_checker(
            1, "though another worker had claimed it", "and then renewed", faults=("stop",), scenario="leases"
        ),
    ),
    Mutant(
        "late results are dropped",
        (Edit("jobserver.jobs.replay", "replay_or_reject", {"late_results.keep(": "(lambda *values: None)("}),),
        by_checker(1, "was not kept", faults=("stop",), scenario="leases"),
    ),
    Mutant(
        "one late result of each claim is kept",
        (Edit(f"{QUERIES}.late_results", "_KEEP", {"WHERE job_id = :id) < 5": "WHERE claim = :claim) < 1"}),),
        by_tests("tests/protocol/test_late_results.py", *SQLITE),
    ),
    Mutant(
        "the worker drops a late result",
        (Edit("client.worker.worker", "Worker._do_job", {' and not isinstance(ending, Done)': ""}),),
        by_tests("tests/client/test_late_results.py"),
    ),
    Mutant(
        "one worker that is lost three times holds a job",
        (Edit(f"{QUERIES}.losses", "_last_of_each", {"last[loss.worker] = loss": "last[str(loss)] = loss"}),),
        by_tests("tests/protocol/test_lost_workers.py", *SQLITE),
    ),
    Mutant(
        "a cancel is aimed at a stage, not at a claim",
        (Edit(f"{QUERIES}.operating", "by_place", {"claim in (None, claim_id(token))": "True"}),),
        by_tests("tests/protocol/test_operator_verbs.py", "tests/pages/test_late_actions.py", *SQLITE),
    ),
    Mutant(
        "a result without a verdict passes the check",
        (Edit("jobserver.jobs.guarded", "judge", {"report.passed is not True": "report.passed is False"}),),
        by_checker(1, "without a passing check", faults=("kill",), scenario="checks"),
    ),
    Mutant(
        "different results agree",
        (Edit("jobserver.core.rules", "agreement", {"groups[replica.same_as]": "groups['any']"}),),
        by_checker(1, "agreeing results", faults=("kill",), scenario="replication"),
    ),
    Mutant(
        "a cancelled attempt is a failure of its worker",
        (Edit(f"{STORE}.transaction", "Transaction.record_moves", {"kind is EventKind.CANCELLED or interrupted":
                                                                  "interrupted"}),),
        by_checker(1, "done and failures", faults=("kill",), styles=("cancelling",) * 8),
    ),
    Mutant(
        "a cancelled attempt is repeated",
        (Edit(f"{QUERIES}.completing", "_WITH_CLAIM", {"(cancel = 1 OR (": "(1 = 0 OR ("}),),
        by_tests("tests/protocol/test_operator_verbs.py", *SQLITE),
    ),
    Mutant(
        "outputs are published before the report is accepted",
        (
            Edit(
                _ATTEMPT, "Attempt._run",
                {"outputs = measure(job)":
                 "outputs = measure(job); from client.worker.outputs import publish; publish(outputs)"},
            ),
        ),
        by_tests("tests/client/test_outputs.py"),
    ),
    Mutant(
        "the outbox is empty after a kill",
        (Edit("client.worker.outbox", "Outbox.keep", {'_write(self._descriptor, body + b"\\n")': "pass"}),),
        by_checker(1, "was never delivered", faults=("kill",), scenario="clients"),
    ),
    Mutant(
        "a refused result is deleted",
        (Edit("client.worker.outbox", "Outbox.set_aside", {"set_aside(self._folder, entry, status, message)": "''"}),),
        by_checker(1, "was not set aside", faults=("stop",), scenario="clients"),
    ),
    Mutant(
        "a command that its node ended has failed",
        (Edit(_ATTEMPT, "Attempt._ending", {" or self._is_interrupted(problem)": ""}),),
        by_checker(1, "an interrupted attempt counts as failed", faults=("node",), scenario="clients"),
    ),
)  # fmt: skip

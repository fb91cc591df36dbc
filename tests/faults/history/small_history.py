"""A small correct history, made by hand: one job, done in two stages by two workers."""

from dataclasses import replace
from typing import Any

from tests.faults.history.final import EXPIRED, ClaimEnd, Final, Job, LateResult, Step
from tests.faults.history.request_log import Grant, Heartbeat, Outage, Report, RequestLog, Submission

RESULT_A, RESULT_B = {"claim": "a", "stage": 1}, {"claim": "b", "stage": 3}
JOBCMD = {"job": 1}


class SmallHistory:
    """Job 7: claim a of worker ann moves it from stage 0 to 2, claim b of worker bob from 2 to 4."""

    def __init__(self) -> None:
        self.submission = Submission("sue", 0, 1, 200, jobs={7: JOBCMD})
        self.grant_a = Grant("ann", 2, 3, 200, job=7, claim="a", stage=0, deadline=5000, jobcmd=JOBCMD)
        self.heartbeat = Heartbeat("ann", 3.2, 3.4, 200, job=7, claim="a", state="held", deadline=5400)
        self.report_a = Report(
            "ann", 4, 5, 200, job=7, claim="a", to=2, left_in=2, body={"result": RESULT_A, "jobcmd": RESULT_A}
        )
        self.grant_b = Grant("bob", 6, 7, 200, job=7, claim="b", stage=2, deadline=9000, jobcmd=RESULT_A)
        self.report_b = Report("bob", 8, 9, 200, job=7, claim="b", to=4, left_in=4, body={"result": RESULT_B})
        self.more: list[Any] = []  # more submissions, grants, reports and heartbeats
        self.client_tokens = {"a": 1}
        self.job = Job(4, result=RESULT_B, jobcmd=RESULT_A)
        self.claim_ends = [
            ClaimEnd(7, "a", 1, 2, "completed", 4500, "ann"),
            ClaimEnd(7, "b", 3, 4, "completed", 8500, "bob"),
        ]
        self.finished = {1: 1, 3: 1}
        self.workers = {"ann": (1, 0), "bob": (1, 0)}
        self.counters = {
            0: (0, 0, 0, 0, 0),
            1: (0, 0, 0, 0, 0),
            2: (0, 0, 0, 0, 0),
            3: (0, 0, 0, 0, 0),
            4: (1, 0, 0, 0, 0),
        }
        self.pages = [("a page", {"stages": {str(s): {"jobs": s // 4, "flagged": 0, "failed": 0} for s in range(5)}})]
        self.problems: list[str] = []
        self.late_results: list[LateResult] = []
        self.rules: dict[int, dict[str, Any]] = {}
        self.outputs: dict[tuple[int, int], str] = {}
        self.set_aside: set[tuple[int, str]] = set()
        self.undelivered: dict[str, int] = {}
        self.outages: list[Outage] = []
        self.extended_to: list[int] = []
        self.steps = [
            Step("claimed", 0, 1), Step("completed", 1, 2, "a"), Step("claimed", 2, 3), Step("completed", 3, 4, "b")
        ]  # fmt: skip

    def lost(self) -> None:
        """Makes claim a lost: worker cat does the first stage instead, with claim c."""
        result_c = {"claim": "c", "stage": 1}
        self.report_a = replace(self.report_a, status=409, code="claim_lost", left_in=None)
        self.claim_ends[0] = ClaimEnd(7, "a", 1, 0, "requeued", 5500, "ann", EXPIRED)
        self.claim_ends.insert(1, ClaimEnd(7, "c", 1, 2, "completed", 6100, "cat"))
        self.steps[1:2] = [
            Step("requeued", 1, 0, "a", EXPIRED), Step("claimed", 0, 1), Step("completed", 1, 2, "c")
        ]  # fmt: skip
        self.more = [
            Grant("cat", 5.5, 5.6, 200, job=7, claim="c", stage=0, attempt=2, deadline=7000, jobcmd=JOBCMD),
            Report(
                "cat", 5.7, 5.8, 200, job=7, claim="c", to=2, left_in=2, body={"result": result_c, "jobcmd": result_c}
            ),
        ]
        self.late_results = [LateResult(7, "a", RESULT_A)]
        self.grant_b = replace(self.grant_b, jobcmd=result_c)
        self.job = replace(self.job, jobcmd=result_c)
        self.workers = {"ann": (0, 1), "bob": (1, 0), "cat": (1, 0)}
        self.counters |= {1: (0, 0, 0, 1, 0)}

    def by_a_client(self) -> None:
        """Makes a worker with our own client do the first stage; it declares an output."""
        self.report_a = replace(
            self.report_a, worker="client-1", body=self.report_a.body | {"outputs": [{"path": "/out"}]}
        )
        self.grant_a = replace(self.grant_a, worker="client-1")
        self.claim_ends[0] = replace(self.claim_ends[0], worker="client-1")
        self.workers = {"client-1": (1, 0), "bob": (1, 0)}
        self.outputs = {(7, 1): ".jm-7-1-a\n.jm-7-1-a\n"}

    @property
    def request_log(self) -> RequestLog:
        """The requests and responses of the workers."""
        parts = [
            self.submission,
            self.grant_a,
            self.heartbeat,
            self.report_a,
            self.grant_b,
            self.report_b,
            *self.more,
        ]

        def parts_of(kind: type) -> list[Any]:
            return [part for part in parts if isinstance(part, kind)]

        return RequestLog(
            parts_of(Submission),
            parts_of(Grant),
            parts_of(Report),
            parts_of(Heartbeat),
            self.client_tokens,
            one_clock=True,
            no_repeats=True,
            outages=self.outages,
        )

    @property
    def final(self) -> Final:
        """The final state of the database."""
        return Final(
            {7: self.job}, self.claim_ends, self.counters, self.finished, self.finished, self.workers, self.pages,
            self.problems, {7: self.steps}, self.late_results, self.rules,
            outputs=self.outputs, set_aside=self.set_aside, undelivered=self.undelivered, extended_to=self.extended_to,
        )  # fmt: skip

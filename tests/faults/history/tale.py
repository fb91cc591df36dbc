"""A small correct history, made by hand: one job, done in two stages by two workers."""

from dataclasses import replace
from typing import Any

from tests.faults.history.final import Ended, Final, Job
from tests.faults.history.story import Beat, End, Grant, Story, Submission

ONE, TWO = {"claim": "a", "stage": 1}, {"claim": "b", "stage": 3}
ASKED = {"job": 1}


class Tale:
    """Job 7: claim a of worker ann takes it from 0 to 2, claim b of worker bob from 2 to 4. Parts may be changed."""

    def __init__(self) -> None:
        self.submission = Submission("sue", 0, 1, 200, jobs={7: ASKED})
        self.first = Grant("ann", 2, 3, 200, job=7, claim="a", stage=0, deadline=5000, jobcmd=ASKED)
        self.beat = Beat("ann", 3.2, 3.4, 200, job=7, claim="a", state="held", deadline=5400)
        self.done = End("ann", 4, 5, 200, job=7, claim="a", to=2, said={"result": ONE, "jobcmd": ONE})
        self.second = Grant("bob", 6, 7, 200, job=7, claim="b", stage=2, deadline=9000, jobcmd=ONE)
        self.over = End("bob", 8, 9, 200, job=7, claim="b", to=4, said={"result": TWO})
        self.more: list[Any] = []  # more submissions, grants, ends and heartbeats
        self.client_tokens = {"a": 1}
        self.job = Job(4, result=TWO, jobcmd=ONE)
        self.ended = [Ended(7, "a", 1, 2, "completed", 4500, "ann"), Ended(7, "b", 3, 4, "completed", 8500, "bob")]
        self.finished = {1: 1, 3: 1}
        self.workers = {"ann": (1, 0), "bob": (1, 0)}
        self.counters = {0: (0, 0, 0, 0), 1: (0, 0, 0, 0), 2: (0, 0, 0, 0), 3: (0, 0, 0, 0), 4: (1, 0, 0, 0)}
        self.pages = [("a page", {"stages": {str(s): {"jobs": s // 4, "flagged": 0, "failed": 0} for s in range(5)}})]
        self.problems: list[str] = []
        self.steps = [("claimed", 0, 1), ("completed", 1, 2), ("claimed", 2, 3), ("completed", 3, 4)]

    def lost(self) -> None:
        """Makes claim a lost: worker cat does the first stage instead, with claim c."""
        three = {"claim": "c", "stage": 1}
        self.done = replace(self.done, status=409, code="claim_lost")
        self.ended[0] = Ended(7, "a", 1, 0, "requeued", 5500, "ann")
        self.ended.insert(1, Ended(7, "c", 1, 2, "completed", 6100, "cat"))
        self.steps[1:1] = [("expired", 1, 1), ("requeued", 1, 0), ("claimed", 0, 1)]
        self.more = [
            Grant("cat", 5.5, 5.6, 200, job=7, claim="c", stage=0, attempt=2, deadline=7000, jobcmd=ASKED),
            End("cat", 5.7, 5.8, 200, job=7, claim="c", to=2, said={"result": three, "jobcmd": three}),
        ]
        self.second = replace(self.second, jobcmd=three)
        self.job = replace(self.job, jobcmd=three)
        self.workers = {"ann": (0, 1), "bob": (1, 0), "cat": (1, 0)}
        self.counters |= {1: (0, 0, 0, 1)}

    @property
    def story(self) -> Story:
        """The requests and responses of the workers."""
        parts = [self.submission, self.first, self.beat, self.done, self.second, self.over, *self.more]

        def those(kind: type) -> list[Any]:
            return [one for one in parts if isinstance(one, kind)]

        return Story(
            those(Submission), those(Grant), those(End), those(Beat), self.client_tokens, steady=True, once=True
        )  # fmt: skip

    @property
    def final(self) -> Final:
        """The final state of the database."""
        return Final(
            {7: self.job}, self.ended, self.counters, self.finished, self.finished, self.workers, self.pages,
            self.problems, {7: self.steps},
        )  # fmt: skip

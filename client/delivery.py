"""Reports on their way to the server: tried until they arrive, and shown to a person if they can't."""

from __future__ import annotations

import time

from .answers import UpdateAnswer
from .api import JobClient
from .asking import Asking
from .attempt import bounded
from .errors import BadRequest, ClientError, Conflict, NoSuchJob, TooLarge, Undelivered
from .job import Report, as_json
from .stopping import Stopping

PATIENCE_S = 2.0  # with a report that is on its way at the second signal


class Delivery:
    """Delivers reports of one worker."""

    def __init__(self, client: JobClient, stopping: Stopping) -> None:
        self._client = client
        self._stopping = stopping

    def deliver(self, report: Report, next_from: int | None) -> UpdateAnswer:
        """Tells the server, and claims a job of stage `next_from` along with it, unless that is None.

        Raises Conflict, NoSuchJob, BadRequest, TooLarge: the server has judged. Else Undelivered: it never heard.
        """
        asking = Asking(lambda: self._say(report, next_from), late=self._give_back_next)
        give_up_at = None
        while not asking.done():
            if self._stopping.now and give_up_at is None:
                give_up_at = time.monotonic() + PATIENCE_S
            if give_up_at is not None and time.monotonic() > give_up_at and asking.abandon():
                raise self.undelivered(report, "a second signal ended the tries")
        try:
            return asking.answer()
        except (Conflict, NoSuchJob, BadRequest, TooLarge):
            raise
        except ClientError as problem:
            raise self.undelivered(report, problem) from problem

    def undelivered(self, report: Report, why: object) -> Undelivered:
        """What the server does not know, in full as far as it fits on a screen, so that a person may tell it."""
        said = self._client.without_secret(bounded(as_json(report.body()).decode()))
        return Undelivered(
            f"UNDELIVERED: the server was not told that job {report.jobid} goes to stage {report.jobstage} with {said} "
            f"({why}). The job will be done again once its lifetime is over"
        )

    def _say(self, report: Report, next_from: int | None) -> UpdateAnswer:
        return self._client.update(
            report.jobid,
            report.jobstage,
            claim=report.claim,
            filename=report.filename,
            jobcmd=report.jobcmd,
            result=report.result,
            error=report.error,
            next=next_from,
        )

    def _give_back_next(self, answer: UpdateAnswer) -> None:
        if answer.next is not None:
            self._client.update(answer.next, answer.next.stage)

"""JobClient: a method for each route; in this file those that a worker uses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import ClaimSpent, ClientError
from ..http.response import Decoded
from ..http.retries import with_fresh_token
from . import codec
from .operator_client import OperatorClient
from .responses import Outcome, Renewed, UpdateResponse
from .types import UNSET, Condition, Job, Report, as_json

if TYPE_CHECKING:  # a copy of this folder alone must work
    from job_manager_wire import shapes

RELEASE_FOR_S = 1.0  # a person who pressed Ctrl-C waits for this


class JobClient(OperatorClient):
    """The client of one job list on one server. Every method may raise what errors.py lists.

    url: of the server. jobix: the list's secret key, 0 to 2^63-1. worker: the name shown on the server's pages,
    host:pid by default. ca_file: PEM file of the authority that signed the server's certificate, if that is a private
    one. timeout_s: how long to wait for one response. retry_for_s: how long to retry after a first failure.
    Safe to use from several threads.
    """

    def get(
        self, stage: int, working_stage: int | None = None, *, wait_s: float = 0.0, lease_s: float | None = None
    ) -> Job | None:
        """Claims the first available job of that even stage; None if there is none within `wait_s` (0 to 60).

        lease_s: the job returns to its stage if `heartbeat` does not renew the claim for so long. None: no lease.
        """
        jobs = with_fresh_token(lambda token: self.claim(token, stage, working_stage, wait_s=wait_s, lease_s=lease_s))
        return jobs[0] if jobs else None

    def get_many(
        self, stage: int, n: int, working_stage: int | None = None, *, wait_s: float = 0.0, lease_s: float | None = None
    ) -> list[Job]:
        """Claims up to n (1 to 1000) jobs at once; [] if there is none."""
        return with_fresh_token(
            lambda token: self.claim(token, stage, working_stage, wait_s=wait_s, n=n, lease_s=lease_s)
        )

    def claim(
        self,
        token: str,
        stage: int,
        working_stage: int | None = None,
        *,
        wait_s: float = 0.0,
        n: int | None = None,
        lease_s: float | None = None,
    ) -> list[Job]:
        """`get_many` with a token of the caller's: repeated with the same token, it returns the same jobs."""
        path = f"/get/{stage}" if working_stage is None else f"/get/{stage}/{working_stage}"
        params = _lease(lease_s) | ({"wait": wait_s} if wait_s else {})
        if n is not None:
            params["n"] = n
        try:
            response = self._transport.request("POST", path, headers={"claim": token}, params=params, wait_s=wait_s)
        except KeyboardInterrupt:
            self.release(token, stage, working_stage, lease_s=lease_s)
            raise
        return response.into(lambda value, now: codec.decode_jobs(value, working_stage, now))

    def release(
        self, token: str, stage: int, working_stage: int | None = None, *, lease_s: float | None = None
    ) -> bool:
        """Gives back the jobs that an abandoned `claim` may hold. False if the server cannot be reached within 1 s.

        lease_s: of that claim. If it did not arrive, this request may claim a job, and then the connection may break.
        """
        brief = self.with_options(timeout_s=RELEASE_FOR_S, retry_for_s=RELEASE_FOR_S)
        try:
            # With n=1 the response is a list, of all jobs that the token holds already.
            jobs = brief.claim(token, stage, working_stage, n=1, lease_s=lease_s)
            brief.update_many(Report(job.jobid, job.stage, job.claim) for job in jobs)
        except ClaimSpent:
            return True
        except ClientError:
            return False
        return True

    def update(
        self,
        job_or_jobid: Job | int,
        next_stage: int,
        *,
        claim: str | None = None,
        filename: str | None = None,
        jobcmd: Any = UNSET,
        result: Any = UNSET,
        error: str | None = None,
        condition: Condition | None = None,
        retry: bool = True,
        passed: bool | None = None,
        next: int | None = None,
        lease_s: float | None = None,
    ) -> UpdateResponse:
        """Ends a claim: the job moves to the even stage `next_stage`. `next` also claims a job of that stage.

        A Job brings its claim; a bare jobid without a claim is sent only once, as repeating it could do harm.
        passed: the verdict of the stage's check. Raises TypeError or ValueError if jobcmd or result is not JSON.
        """
        if isinstance(job_or_jobid, Job):
            jobid, claim = job_or_jobid.jobid, claim or job_or_jobid.claim
        else:
            jobid = job_or_jobid
        body = Report(
            jobid, next_stage, claim, filename, jobcmd, result, error, condition=condition, retry=retry, passed=passed
        ).body()

        def send(token: str) -> Decoded:
            """Sends the update with this token for the next claim."""
            return self._transport.request(
                "POST",
                f"/update_job/{jobid}/{next_stage}",
                headers=({} if claim is None else {"claim": claim}) | ({} if next is None else {"next-claim": token}),
                params={} if next is None else {"next": next, **_lease(lease_s)},
                body=as_json(body) if body else None,
                repeatable=claim is not None,
            )

        return with_fresh_token(send).into(codec.decode_update)

    def update_many(
        self,
        reports: Iterable[Report],
        *,
        next: int | None = None,
        n: int | None = None,
        lease_s: float | None = None,
    ) -> tuple[list[Outcome], list[Job]]:
        """Ends many claims. Returns an outcome for each report, in order, and up to n claimed jobs of stage `next`."""
        reports = list(reports)
        body = as_json([report.entry() for report in reports])
        repeatable = all(report.claim is not None for report in reports)
        return self.send_reports(body, len(reports), next=next, n=n, lease_s=lease_s, repeatable=repeatable)

    def send_reports(
        self,
        body: bytes,
        count: int,
        *,
        next: int | None = None,
        n: int | None = None,
        lease_s: float | None = None,
        repeatable: bool = True,
    ) -> tuple[list[Outcome], list[Job]]:
        """`update_many` with the JSON of `count` reports. repeatable: each of them has a claim."""
        params: dict[str, float] = {} if next is None else {"next": next, "n": 1 if n is None else n, **_lease(lease_s)}

        def send(token: str) -> Decoded:
            """Sends the reports with this token for the next claim."""
            return self._transport.request(
                "POST",
                "/update_jobs",
                headers={} if next is None else {"next-claim": token},
                params=params,
                body=body,
                repeatable=repeatable,
            )

        return with_fresh_token(send).into(lambda value, now: codec.decode_outcomes(value, now, count))

    def heartbeat(self, jobs: Iterable[Job]) -> dict[int, str]:
        """Renews the claims from now. Returns held, lost or cancel by jobid."""
        return {renewed.jobid: renewed.state for renewed in self.renew(jobs)}

    def renew(self, jobs: Iterable[Job], *, wait_s: float = 0.0) -> list[Renewed]:
        """`heartbeat` with the new deadlines, in the order of the jobs. wait_s: how long, to 60, the server waits with
        its response for the first claim that is lost or must end."""
        jobs = list(jobs)
        held: list[shapes.HeldClaim] = [{"jobid": job.jobid, "claim": job.claim} for job in jobs]
        params = {"wait": f"{wait_s:.3f}"} if wait_s else {}
        response = self._transport.request("POST", "/heartbeat", body=as_json(held), params=params, wait_s=wait_s)
        return response.into(lambda value, now: codec.decode_renewed(value, now, jobs))


def _lease(lease_s: float | None) -> dict[str, float]:
    return {} if lease_s is None else {"lease_s": lease_s}

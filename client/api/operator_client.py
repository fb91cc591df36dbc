"""OperatorClient: the actions of an operator on jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import Refused
from . import codec
from .list_client import ListClient
from .responses import JobChanges
from .types import Job, as_json

ChosenJobs = Iterable[int | Job | Mapping[str, int | str]]


class OperatorClient(ListClient):
    """Cancels, skips, deletes and retries jobs. Each method takes either ids, or a filter, or all=True.

    jobs: ids; a Job, or {"jobid", "jobstage", "claim"}, is changed only if that claim still holds it in that stage.
    state: available, working, done, expired, failed, cancelled or skipped. text: in jobcmd or path.
    """

    def cancel(
        self,
        jobs: ChosenJobs | None = None,
        *,
        state: str | None = None,
        stage: int | None = None,
        worker: str | None = None,
        text: str | None = None,
        all: bool = False,
    ) -> JobChanges:
        """Cancels jobs that are not done. The worker of a running job stops it; no worker gets a cancelled job.

        If the response is lost, the request is repeated only if each job names its claim: otherwise it could cancel a
        later claim. Raises ResponseLost.
        """
        jobs = None if jobs is None else list(jobs)
        chosen = {"state": state, "stage": stage, "worker": worker, "text": text}
        return self._change("/cancel_jobs", jobs, chosen, all, repeatable=_name_claims(jobs))

    def skip(
        self,
        jobs: ChosenJobs | None = None,
        *,
        state: str | None = None,
        stage: int | None = None,
        worker: str | None = None,
        text: str | None = None,
        all: bool = False,
    ) -> JobChanges:
        """Gives up on jobs that are neither done nor running: they count as done, and no worker gets them."""
        return self._change("/skip_jobs", jobs, {"state": state, "stage": stage, "worker": worker, "text": text}, all)

    def delete(
        self,
        jobs: ChosenJobs | None = None,
        *,
        state: str | None = None,
        stage: int | None = None,
        worker: str | None = None,
        text: str | None = None,
        all: bool = False,
    ) -> JobChanges:
        """Deletes jobs that are not running, and their history.

        If the response is lost, the request is not repeated: it could delete new jobs with these ids. Raises
        ResponseLost.
        """
        chosen = {"state": state, "stage": stage, "worker": worker, "text": text}
        return self._change("/delete_jobs", jobs, chosen, all, repeatable=False)

    def retry(
        self,
        jobs: ChosenJobs | None = None,
        *,
        to: int | None = None,
        done: bool = False,
        state: str | None = None,
        stage: int | None = None,
        worker: str | None = None,
        text: str | None = None,
        all: bool = False,
    ) -> JobChanges:
        """Returns expired, failed and cancelled jobs to the stage before their own, or to the even stage `to`. done:
        also done and skipped jobs, to stage 0 or `to`. Without a selection: all expired, failed and cancelled jobs."""
        chosen = {"state": state, "stage": stage, "worker": worker, "text": text, "to": to, "done": done or None}
        return self._change("/retry_jobs", jobs, chosen, all, repeatable=not done)

    def archive_list(self, *, force: bool = False) -> None:
        """Makes the list read-only and hides it from the overview; no worker gets its jobs. force: also while workers
        hold jobs, which may finish."""
        self._change_list("/archive_list", {"force": force})

    def restore_list(self) -> None:
        """Restores an archived list."""
        self._change_list("/restore_list", {})

    def delete_list(self, name: str, *, force: bool = False) -> None:
        """Deletes the list and its jobs; its secret key cannot be used again. name: the name of the list, as a
        confirmation. force: also while workers hold jobs, which they lose."""
        try:
            self._change_list("/delete_list", {"name": name, "force": force})
        except Refused as problem:
            if problem.code != "list_deleted":  # otherwise an earlier try has deleted it
                raise

    def _change_list(self, path: str, body: dict[str, Any]) -> None:
        self._transport.request("POST", path, body=as_json(body)).into(lambda value, _: value["change"])

    def _change(
        self, path: str, jobs: ChosenJobs | None, chosen: dict[str, Any], all: bool, repeatable: bool = True
    ) -> JobChanges:
        body = {name: value for name, value in chosen.items() if value is not None}
        if all:
            body["all"] = True
        if jobs is not None:
            body["jobs"] = [_entry(job) for job in jobs]
        response = self._transport.request("POST", path, body=as_json(body), repeatable=repeatable)
        return response.into(lambda value, _: codec.decode_changes(value))


def _name_claims(jobs: ChosenJobs | None) -> bool:
    if jobs is None:
        return False
    return all(isinstance(job, Job) or (isinstance(job, Mapping) and "claim" in job) for job in jobs)


def _entry(job: int | Job | Mapping[str, int | str]) -> int | dict[str, int | str]:
    if isinstance(job, Job):
        return {"jobid": job.jobid, "jobstage": job.working_stage, "claim": job.claim}
    return dict(job) if isinstance(job, Mapping) else int(job)

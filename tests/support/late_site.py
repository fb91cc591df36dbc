"""A list with one job, whose claims can be lost."""

import re
from typing import NamedTuple

from tests.support.expire import expire
from tests.support.snapshot import jobs, opened

_LATE = """SELECT job.jobid, late.stage, late.worker, late.filename, late.outputs, late.result
    FROM late_result late JOIN job ON job.id = job_id JOIN job_list ON job_list.id = list_id
    WHERE job_list.name = ? ORDER BY late.id"""


class Late(NamedTuple):
    """A late result in the database."""

    jobid: int
    stage: int
    worker: str | None
    filename: str | None
    outputs: str | None
    result: str | None


class Site:
    """A list with one job on the shared server."""

    def __init__(self, api, shared):
        self.api = api
        self.server = shared
        api("/init/0/60/0/60")
        api("/lifetime/1/60?max_attempts=3")
        api("/set", {"1": {}})
        self.name = api("/get").json()["list"]

    def take(self, stage=0, worker="ann:1", **headers):
        """Claims a job, with a lease."""
        job = self.api(f"/get/{stage}?lease_s=60", worker=worker, **headers).json()
        assert job != "nada"
        return job

    def lose(self, *jobids):
        """Ends the lease of these jobs, of job 1 without ids."""
        expire(self.server, self.api, *(jobids or (1,)))
        self.api("/check_stages")

    def report(self, job, target=2, jobid=1, **body):
        """The response to a report."""
        return self.api(f"/update_job/{jobid}/{target}", body or None, claim=job["claim"])

    def heartbeat(self, job):
        """The state of a claim on job 1, without its deadline."""
        state = self.api("/heartbeat", [{"jobid": 1, "claim": job["claim"]}]).json()["jobs"][0]
        del state["deadline"]
        return state

    def job(self, jobid=1):
        """The row of a job."""
        return jobs(self.server, self.name)[jobid]

    def kept(self):
        """The late results that were kept."""
        with opened(self.server) as database:
            return [Late(*row) for row in database.rows(_LATE, self.name)]

    def page(self):
        """The text of the job's page."""
        html = self.api(f"/job/1?list={self.name}", accept="text/html").text
        return " ".join(re.sub(r"<[^>]*>", "", html).split())

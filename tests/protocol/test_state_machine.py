"""Random sequences of requests: the server agrees with a small model, and each job has at most one holder."""

import os
import secrets
import uuid

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.support.model import Model
from tests.support.server import ApiClient
from tests.support.snapshot import Database

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))  # 0: a few fixed examples; else this number of random ones
STEPS = settings(
    max_examples=EXAMPLES or 40,
    stateful_step_count=40,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
JOBIDS = st.integers(0, 7)
STAGES = st.sampled_from([0, 0, 0, 2, 1, 3])
EVEN = st.sampled_from([0, 2, 4])
EXPIRE = """UPDATE job SET deadline = 1 WHERE jobid = ? AND list_id = (SELECT id FROM job_list WHERE name = ?)
    AND deadline IS NOT NULL AND overdue = 0 AND outcome = 'none' AND jobstage % 2 = 1"""


def flagged(row):
    """Whether a job is overdue, failed or cancelled."""
    return row["overdue"] == 1 or row["outcome"] != "none"


class Machine(RuleBasedStateMachine):
    """Makes requests and compares each response with the model."""

    def __init__(self, server, database, session):
        super().__init__()
        self.database = database
        self.api = ApiClient(server.url, secrets.randbelow(2**63))
        self.api.session = session
        self.model = Model()
        self.claims = []  # (jobid, token) of every claim so far
        self.tokens = []  # chosen by workers
        self.api("/init/0/600/0/600")
        self.api("/lifetime/1/600?max_attempts=3")
        self.api("/lifetime/3/600?max_attempts=2&requeue=2")
        self.name = self.api("/get").json()["list"]

    def some(self, choice, values):
        """Chooses one of the values, preferring later ones; None if there are none."""
        return values[-1 - choice % min(len(values), 12)] if values else None

    @rule(entries=st.dictionaries(JOBIDS, st.tuples(STAGES, st.integers(-1, 1)), min_size=1))
    def submit(self, entries):
        new = self.model.submit(entries)
        body = {str(jobid): {"jobstage": stage, "priority": rank} for jobid, (stage, rank) in entries.items()}
        assert self.api("/set", body).json()["new"] == new

    @rule(stage=EVEN, n=st.integers(1, 3), own_token=st.booleans())
    def claim(self, stage, n, own_token):
        headers = {"claim": uuid.uuid4().hex} if own_token else {}
        self.tokens += headers.values()
        self.check_claimed(self.api(f"/get/{stage}?n={n}", **headers).json(), self.model.available(stage, n), own_token)

    def check_claimed(self, response, expected, own_token):
        """Checks and records the claimed jobs."""
        assert [job["jobid"] for job in response] == expected
        for job in response:
            self.model.claim(job["jobid"], job["claim"], own_token)
            self.claims.append((job["jobid"], job["claim"]))
            assert job["attempt"] == self.model.jobs[job["jobid"]].attempt

    @rule(choice=st.integers(0, 11), stage=EVEN)
    def repeat_a_claim(self, choice, stage):
        token = self.some(choice, self.tokens)
        if token is None:
            return
        response = self.api(f"/get/{stage}?n=2", claim=token)
        if held_jobs := self.model.held_under(token):
            assert [job["jobid"] for job in response.json()] == held_jobs
        elif self.model.is_spent(token):
            assert response.status_code == 409
        else:
            self.check_claimed(response.json(), self.model.available(stage, 2), True)

    @rule(choice=st.integers(0, 11), to=EVEN, error=st.booleans(), following=st.none() | EVEN)
    def report(self, choice, to, error, following):
        if claim := self.some(choice, self.claims):
            jobid, token = claim
            self.end(jobid, token, to, error, following)

    @rule(choice=st.integers(0, 11))
    def advance(self, choice):
        if claim := self.some(choice, self.claims):
            jobid, token = claim
            self.end(jobid, token, self.model.jobs[jobid].stage // 2 * 2 + 2, False, None)

    @rule(jobid=JOBIDS, to=EVEN, error=st.booleans())
    def report_as_a_founding_worker(self, jobid, to, error):
        self.end(jobid, None, to, error, None)

    def end(self, jobid, claim, to, error, following):
        """Sends one /update_job."""
        headers = {} if claim is None else {"claim": claim}
        query = "" if following is None else f"?next={following}"
        response = self.api(f"/update_job/{jobid}/{to}{query}", {"error": "x"} if error else {}, **headers)
        status, stage = self.model.report(jobid, to, claim, error)
        assert (response.status_code, response.json().get("jobstage")) == (status, stage)
        if following is not None and status == 200:
            next_jobs = [job for job in [response.json()["next"]] if job != "nada"]
            self.check_claimed(next_jobs, self.model.available(following, 1), False)

    @rule(choice=st.integers(0, 11))
    def heartbeat(self, choice):
        if claim := self.some(choice, self.claims):
            response = self.api("/heartbeat", [{"jobid": claim[0], "claim": claim[1]}]).json()
            assert response["jobs"][0]["state"] == self.model.heartbeat(*claim)

    @rule(jobid=JOBIDS)
    def expire(self, jobid):
        if self.database.run(EXPIRE, jobid, self.name).rowcount:
            self.model.expire(jobid)
        flagged = sum(flagged for _jobs, flagged, _failed, _cancelled in self.model.counters().values())
        assert self.api("/check_stages").json() == {"ok": flagged == 0, "flagged": flagged, "degraded": 0}

    @rule(route=st.sampled_from([(1, 0), (3, 2), (3, 0)]))
    def degrade(self, route):
        degraded = self.model.degrade(*route)
        assert self.api(f"/check_stages/{route[0]}/{route[1]}").json()["degraded"] == degraded

    @invariant()
    def counters_equal_the_model(self):
        assert self.database.counters(self.name) == self.database.recount(self.name) == self.model.counters()

    @invariant()
    def jobs_equal_the_model(self):
        actual = {
            jobid: (
                row["jobstage"],
                row["claim"],
                row["overdue"] == 1 or row["outcome"] != "none",
                row["outcome"] != "none",
                row["failures"],
            )
            for jobid, row in self.database.jobs(self.name).items()
        }
        assert actual == {
            jobid: (job.stage, job.claim, job.flagged, job.failed, job.failures)
            for jobid, job in self.model.jobs.items()
        }


@pytest.fixture
def database(shared):
    """The server's database."""
    database = Database(shared)
    yield database
    database.close()


def test_any_order_of_requests_agrees_with_the_model(shared, database, api):
    run_state_machine_as_test(lambda: Machine(shared, database, api.session), settings=STEPS)

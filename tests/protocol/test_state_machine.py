"""Random sequences of requests: the server agrees with a small model, and each job has at most one holder."""

import os
import secrets
import uuid

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.support.model import Model
from tests.support.server import Asker
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
        self.ask = Asker(server.url, secrets.randbelow(2**63))
        self.ask.session = session
        self.model = Model()
        self.claims = []  # (jobid, token) of every claim so far
        self.tokens = []  # chosen by workers
        self.ask("/init/0/600/0/600")
        self.ask("/lifetime/1/600?max_attempts=3")
        self.ask("/lifetime/3/600?max_attempts=2&requeue=2")
        self.name = self.ask("/get").json()["list"]

    def some(self, chance, things):
        """Chooses one of the things, preferring later ones; None if there are none."""
        return things[-1 - chance % min(len(things), 12)] if things else None

    @rule(entries=st.dictionaries(JOBIDS, st.tuples(STAGES, st.integers(-1, 1)), min_size=1))
    def submit(self, entries):
        new = self.model.submit(entries)
        said = {str(jobid): {"jobstage": stage, "priority": rank} for jobid, (stage, rank) in entries.items()}
        assert self.ask("/set", said).json()["new"] == new

    @rule(stage=EVEN, n=st.integers(1, 3), chosen=st.booleans())
    def claim(self, stage, n, chosen):
        headers = {"claim": uuid.uuid4().hex} if chosen else {}
        self.tokens += headers.values()
        self.got(self.ask(f"/get/{stage}?n={n}", **headers).json(), self.model.available(stage, n), chosen)

    def got(self, answer, expected, chosen):
        """Checks and records the claimed jobs."""
        assert [job["jobid"] for job in answer] == expected
        for job in answer:
            self.model.claim(job["jobid"], job["claim"], chosen)
            self.claims.append((job["jobid"], job["claim"]))
            assert job["attempt"] == self.model.jobs[job["jobid"]].attempt

    @rule(chance=st.integers(0, 11), stage=EVEN)
    def ask_again_for_what_was_claimed(self, chance, stage):
        token = self.some(chance, self.tokens)
        if token is None:
            return
        answer = self.ask(f"/get/{stage}?n=2", claim=token)
        if held := self.model.held_under(token):
            assert [job["jobid"] for job in answer.json()] == held
        elif self.model.is_spent(token):
            assert answer.status_code == 409
        else:
            self.got(answer.json(), self.model.available(stage, 2), True)

    @rule(chance=st.integers(0, 11), to=EVEN, error=st.booleans(), following=st.none() | EVEN)
    def report(self, chance, to, error, following):
        if claim := self.some(chance, self.claims):
            jobid, token = claim
            self.end(jobid, token, to, error, following)

    @rule(chance=st.integers(0, 11))
    def advance(self, chance):
        if claim := self.some(chance, self.claims):
            jobid, token = claim
            self.end(jobid, token, self.model.jobs[jobid].stage // 2 * 2 + 2, False, None)

    @rule(jobid=JOBIDS, to=EVEN, error=st.booleans())
    def report_as_a_founding_worker(self, jobid, to, error):
        self.end(jobid, None, to, error, None)

    def end(self, jobid, claim, to, error, following):
        """One /update_job."""
        headers = {} if claim is None else {"claim": claim}
        query = "" if following is None else f"?next={following}"
        answer = self.ask(f"/update_job/{jobid}/{to}{query}", {"error": "x"} if error else {}, **headers)
        status, stage = self.model.report(jobid, to, claim, error)
        assert (answer.status_code, answer.json().get("jobstage")) == (status, stage)
        if following is not None and status == 200:
            came = [job for job in [answer.json()["next"]] if job != "nada"]
            self.got(came, self.model.available(following, 1), False)

    @rule(chance=st.integers(0, 11))
    def heartbeat(self, chance):
        if claim := self.some(chance, self.claims):
            answer = self.ask("/heartbeat", [{"jobid": claim[0], "claim": claim[1]}]).json()
            assert answer["jobs"][0]["state"] == self.model.heartbeat(*claim)

    @rule(jobid=JOBIDS)
    def expire(self, jobid):
        if self.database.run(EXPIRE, jobid, self.name).rowcount:
            self.model.expire(jobid)
        flagged = sum(flagged for _jobs, flagged, _failed in self.model.counters().values())
        assert self.ask("/check_stages").json() == {"ok": flagged == 0, "flagged": flagged, "degraded": 0}

    @rule(way=st.sampled_from([(1, 0), (3, 2), (3, 0)]))
    def degrade(self, way):
        degraded = self.model.degrade(*way)
        assert self.ask(f"/check_stages/{way[0]}/{way[1]}").json()["degraded"] == degraded

    @invariant()
    def the_counters_equal_a_recount_and_the_model(self):
        assert self.database.counters(self.name) == self.database.recount(self.name) == self.model.counters()

    @invariant()
    def every_job_is_where_the_model_has_it_and_in_the_same_hand(self):
        there = {
            jobid: (
                row["jobstage"],
                row["claim"],
                row["overdue"] == 1 or row["outcome"] != "none",
                row["outcome"] != "none",
                row["failures"],
            )
            for jobid, row in self.database.jobs(self.name).items()
        }
        assert there == {
            jobid: (job.stage, job.claim, job.flagged, job.failed, job.failures)
            for jobid, job in self.model.jobs.items()
        }


@pytest.fixture
def database(shared):
    """The server's database."""
    database = Database(shared)
    yield database
    database.close()


def test_any_order_of_requests_agrees_with_the_model(shared, database, ask):
    run_state_machine_as_test(lambda: Machine(shared, database, ask.session), settings=STEPS)

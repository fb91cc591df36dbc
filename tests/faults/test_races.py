"""Many processes at two servers on one database: each job is claimed once, and no job is missing."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.support.racing_team import Team, all_of, pace
from tests.support.server import ApiClient
from tests.support.snapshot import rows

JOBS = 20_000
ENDED = "FROM event WHERE claim IS NOT NULL"
STYLES = ("founding", "proving", "choosing", "founding", "proving", "choosing", "batches", "proving")


@pytest.fixture
def pair(new_server, database_uri, tmp_path):
    """Two server processes on one database."""
    uri = database_uri or f"sqlite:///{tmp_path / 'both.sqlite'}"
    key = "the same for both, as it must be"
    return [new_server(database_uri=uri, secret_key=key).start() for _ in range(2)]


def test_16_processes_at_2_servers_claim_each_of_20_000_jobs_once(pair, jobix, kind):
    """Each job is also completed once, and the counters equal a recount."""
    master = ApiClient(pair[0].url, jobix)
    assert master("/init/0/10").status_code == 200
    assert master("/set", {str(jobid): {"jobcmd": f"work {jobid}"} for jobid in range(JOBS)}).json()["new"] == JOBS
    with Team(jobix, [(style, server.url) for style in STYLES for server in pair]) as team:
        team.start()
        results = team.finish(100)

    assert sorted(all_of(results, "claimed")) == list(range(JOBS))
    assert sorted(all_of(results, "done")) == list(range(JOBS))
    assert all(result["claimed"] for result in results)
    assert rows(pair[0], "SELECT jobstage, COUNT(*), COUNT(claim), MAX(overdue) FROM job GROUP BY 1") == [
        (2, JOBS, 0, 0)
    ]
    assert rows(pair[0], f"SELECT kind, COUNT(*), COUNT(DISTINCT job_id) {ENDED} GROUP BY 1") == [
        ("completed", JOBS, JOBS)
    ]
    counted = ApiClient(pair[1].url, jobix)("/get").json()
    assert (counted["done"], counted["available"], counted["working"]) == (JOBS, 0, 0)
    checked = pair[0].run("db", "check")
    assert checked.returncode == 0, checked.stdout
    print(f"{kind}: {pace(results)}")


def test_each_job_is_completed_once_though_claims_expire(pair, jobix):
    """Both servers' sweeps and the workers race for the same jobs."""
    master = ApiClient(pair[0].url, jobix)
    master("/init/0/0.005")
    assert master("/lifetime/1/0.005?requeue=0&max_attempts=0").status_code == 200
    master("/set", {str(jobid): {} for jobid in range(300)})
    with Team(jobix, [("slow", server.url) for server in pair for _ in range(4)]) as team:
        team.start()
        results = team.finish(60)

    assert sorted(all_of(results, "done")) == list(range(300))
    lost = all_of(results, "lost")
    assert lost, "no claim was lost: the race did not take place"
    assert len(all_of(results, "claimed")) == 300 + len(lost)
    ended = dict(rows(pair[0], f"SELECT kind, COUNT(*) {ENDED} GROUP BY 1"))
    assert ended == {"completed": 300, "requeued": len(lost)}
    checked = pair[0].run("db", "check")
    assert checked.returncode == 0, checked.stdout


def send_together(pair, jobix, send):
    """The results of send(api, number) for eight concurrent clients, four at each server."""
    barrier = Barrier(8)

    def call(number):
        api = ApiClient(pair[number % 2].url, jobix)
        api("/")
        barrier.wait(30)
        return send(api, number)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(call, range(8)))


def test_one_token_sent_to_two_servers_at_once_claims_once(pair, jobix):
    """The same update with the same next_claim also claims once: all responses are equal."""
    ApiClient(pair[0].url, jobix)("/set", {str(jobid): {} for jobid in range(100)})
    for _ in range(8):
        token, following = uuid.uuid4().hex, uuid.uuid4().hex
        claims = send_together(pair, jobix, lambda api, _number, token=token: api("/get/0", claim=token).json())
        assert claims == [claims[0]] * 8
        path = f"/update_job/{claims[0]['jobid']}/2?next=0"
        responses = send_together(
            pair, jobix,
            lambda api, _number, path=path, token=token, following=following:
                api(path, claim=token, next_claim=following).json(),
        )  # fmt: skip
        assert responses == [responses[0]] * 8
        assert responses[0]["jobstage"] == 2
        assert responses[0]["next"]["claim"] == following
    assert rows(pair[0], "SELECT jobstage, COUNT(*) FROM job GROUP BY 1 ORDER BY 1") == [(0, 84), (1, 8), (2, 8)]


def test_eight_founding_reports_of_one_job_complete_it_once(pair, jobix):
    """The other reports get the error that the job is not held."""
    ApiClient(pair[0].url, jobix)("/set", {str(jobid): {} for jobid in range(5)})
    for _ in range(5):
        jobid = ApiClient(pair[1].url, jobix)("/get/0").json()["jobid"]
        statuses = send_together(
            pair, jobix, lambda api, _number, jobid=jobid: api(f"/update_job/{jobid}/2").status_code
        )
        assert sorted(statuses) == [200] + [409] * 7


def test_a_new_list_set_at_two_servers_at_once_is_created_once(pair, jobix):
    """Each job is new in exactly one response, although the callers send the jobs in different orders."""

    def submit(api, number):
        jobids = range(3000) if number % 4 < 2 else range(2999, -1, -1)
        while (response := api("/set", {str(jobid): {} for jobid in jobids})).status_code == 503:
            assert "Retry-After" in response.headers
        return response.json()["new"]

    assert sum(send_together(pair, jobix, submit)) == 3000
    assert rows(pair[0], "SELECT COUNT(*), MIN(name) FROM job_list") == [(1, "list-1")]
    assert rows(pair[0], "SELECT jobs FROM stage_count") == [(3000,)]

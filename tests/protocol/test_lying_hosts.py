"""Hosts that lie: 10,000 jobs, 100 hosts, 5 of them return random values. No wrong result is accepted, and adaptive
trust keeps the overhead small."""

import io
import json
import random
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from jobserver import create_app
from jobserver.api.founding.submission import Submission
from jobserver.core.claims import ClaimRequest, Report
from jobserver.core.rules import Replication, RulesChange
from jobserver.core.settings import Settings
from jobserver.jobs import guarded
from jobserver.web.services import NAME, Services

JOBS, HOSTS, LIARS, TOGETHER = 10_000, 100, 5, 10
WARM = 10  # accepted results of a host
MAX_OVERHEAD = 0.15


def honest(jobid: int) -> str:
    """The right result."""
    return json.dumps({"x": jobid * jobid})


@pytest.mark.timeout(300)
def test_no_wrong_result_is_accepted_and_the_overhead_is_small(
    database_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property, capsys
) -> None:
    randomness = random.Random(20261128)
    monkeypatch.setattr(guarded, "draw", randomness.random)
    services: Services = create_app(Settings(instance=str(tmp_path), database_uri=database_uri, open=True)).extensions[
        NAME
    ]
    body = json.dumps({str(jobid): {} for jobid in range(JOBS)}).encode()
    with closing(Submission(io.BytesIO(body))) as submission:
        services.lists.submit(4711, submission)
    services.lists.set_rules(4711, 1, RulesChange(replication=Replication(results=2)))
    job_list = services.keys.look_up(4711)
    done, results, cold = 0, Counter(), (0, 0)
    while done < JOBS:
        host = randomness.randrange(HOSTS)
        jobs = services.claims.claim(job_list, ClaimRequest(0, 1, TOGETHER, worker=f"h{host}:1"))
        reports = [
            Report(
                job.jobid, 2, job.token,
                result=str(randomness.random()) if host < LIARS else honest(job.jobid),
            )
            for job in jobs
        ]  # fmt: skip
        outcomes, _ = services.claims.complete_each(job_list, reports, None)
        done += sum(outcome.stage == 2 for outcome in outcomes)
        results[host] += len(jobs)
        if min(results[one] for one in range(HOSTS)) < WARM:
            cold = (done, results.total())
    stored = services.database.read("SELECT jobid, result FROM job WHERE jobstage = 2")
    assert len(stored) == JOBS
    assert [jobid for jobid, result in stored if result != honest(jobid)] == []
    records = services.database.read("SELECT host, agreed, disagreed FROM host_record")
    liars = {f"h{number}" for number in range(LIARS)}
    assert {host for host, _agreed, disagreed in records if disagreed} == liars
    assert all(agreed == 0 for host, agreed, _disagreed in records if host in liars)
    overhead = (results.total() - cold[1]) / (JOBS - cold[0]) - 1
    record_property("overhead", overhead)
    with capsys.disabled():
        print(f"overhead {overhead:.1%} after warm-up, {results.total() / JOBS - 1:.1%} in total")
    assert overhead < MAX_OVERHEAD

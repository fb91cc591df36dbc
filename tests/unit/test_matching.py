"""An action on the jobs of a filter does not affect a claim that began after the filter was applied."""

import json
from pathlib import Path

from jobserver import create_app
from jobserver.core.claims import ClaimRequest, Report
from jobserver.core.lists import Filter, JobList
from jobserver.core.settings import Settings
from jobserver.core.submissions import Chunk
from jobserver.store.queries import adding, lists
from jobserver.store.transaction import Transaction
from jobserver.web.services import NAME, Services


def add(tx: Transaction) -> JobList:
    """Adds a list with one job."""
    job_list = lists.create(tx, "a list", "hash", 1)
    assert job_list is not None
    adding.add_jobs(tx, job_list.id, Chunk(1, json.dumps([[7, 0, 0, "{}"]])), 1)
    return job_list


def test_a_filter_by_worker_names_the_claims(tmp_path: Path) -> None:
    services: Services = create_app(Settings(instance=str(tmp_path))).extensions[NAME]
    job_list = services.commit_queue.run(add)
    (job,) = services.claims.claim(job_list, ClaimRequest(0, 1, worker="ann"))
    (targets,) = services.operator.matching(job_list, Filter(worker="ann"))
    services.claims.complete(job_list, Report(7, 0, job.token), None)
    assert services.claims.claim(job_list, ClaimRequest(0, 1, worker="bob"))
    changes = services.operator.cancel(job_list, targets, "ada")
    assert (changes.requested, [refused.jobid for refused in changes.refused]) == (0, [7])
    (targets,) = services.operator.matching(job_list, Filter(worker="bob"))
    assert services.operator.cancel(job_list, targets, "ada").requested == 1

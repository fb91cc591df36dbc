"""The deadline of a job is that of its current stage, counted from its entry into the stage."""

import pytest

from tests.support.expire import expire
from tests.support.snapshot import jobs

MINUTES = (100, 200, 300, 400)  # of stages 0 to 3
PATHS = {  # name: the requests that move job 1 from stage 0, and its final stage; "expire" ends its lifetime
    "set": ([], 0),
    "claimed": (["/get/0"], 1),
    "claimed for another stage": (["/get/0/3"], 3),
    "advanced": (["/get/0", "/update_job/1/2"], 2),
    "claimed again": (["/get/0", "/update_job/1/2", "/get/2"], 3),
    "given back": (["/get/0", "/update_job/1/0"], 0),
    "redone": (["/get/0/3", "/update_job/1/2"], 2),
    "requeued": (["/lifetime/1/200?requeue=0", "/get/0", "expire", "/check_stages"], 0),
    "requeued by hand": (["/get/0", "expire", "/check_stages/1/0"], 0),
    "done": (["/get/0/3", "/update_job/1/4"], 4),
}


@pytest.mark.parametrize("path", PATHS)
def test_the_deadline_of_a_job_is_that_of_its_new_stage(api, shared, path):
    steps, stage = PATHS[path]
    api("/init/" + "/".join(map(str, MINUTES)))
    api("/set", {"1": {}})
    for step in steps:
        if step == "expire":
            expire(shared, api, 1)
        else:
            assert api(step).status_code == 200
    job = jobs(shared, api("/get").json()["list"])[1]
    expected = job["datecommitted"] + MINUTES[stage] * 60_000 if stage < len(MINUTES) else None
    assert (job["jobstage"], job["deadline"]) == (stage, expected)

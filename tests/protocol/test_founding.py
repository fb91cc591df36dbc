"""A worker and a master that use only urllib, as in the founding document, work unchanged."""

import gzip
import json
import urllib.error
import urllib.request as u
import zlib
from collections.abc import Callable

import pytest

from tests.support.server import Server

BODIES: dict[str, tuple[Callable[[bytes], bytes], dict[str, str]]] = {
    "zlib-called-gzip": (zlib.compress, {"Content-Encoding": "gzip"}),
    "zlib-called-deflate": (zlib.compress, {"Content-Encoding": "deflate"}),
    "zlib-called-nothing": (lambda raw: zlib.compress(raw, 1), {}),
    "gzip": (gzip.compress, {"Content-Encoding": "gzip"}),
    "plain": (lambda raw: raw, {}),
    "plain-called-gzip": (lambda raw: raw, {"Content-Encoding": "gzip"}),
}


@pytest.fixture
def url(shared: Server) -> str:
    """The URL of the job manager."""
    return shared.url


@pytest.fixture
def authead(jobix: int) -> dict[str, int]:
    """The header of the founding clients: a number, not a text."""
    return {"jobix": jobix}


def call(url, authead, path):
    """Sends a request as the founding document does."""
    req = u.Request(f"{url}{path}", headers=authead)
    res = u.urlopen(req, context=None)
    info = json.loads(res.read().decode("utf8"))
    res.close()
    return info


def submit(url, authead, jobs, compress=zlib.compress, headers=None):
    """Submits jobs like the founding master: a zlib-compressed body labelled gzip."""
    all_headers = {"Content-Encoding": "gzip"} if headers is None else headers
    data = compress(json.dumps(jobs).encode("utf8"))
    req = u.Request(f"{url}/set", headers={**authead, **all_headers, "Content-Type": "application/json"}, data=data)
    res = u.urlopen(req)
    info = json.loads(res.read().decode("utf8"))
    res.close()
    return info


@pytest.mark.parametrize("encoding", BODIES)
def test_a_set_is_accepted_with_each_encoding_and_content_type(url, authead, encoding):
    compress, headers = BODIES[encoding]
    jobs = {str(i): {"jobstage": 0, "jobcmd": {"file": f"{i}.npy", "text": "é" * 50}} for i in range(13)}
    response = submit(url, authead, jobs, compress, headers)
    assert response == {"message": "Accepted: 13 new, 0 known", "new": 13, "known": 0}
    assert call(url, authead, "/get/0")["jobcmd"] == {"file": "0.npy", "text": "é" * 50}


def test_a_founding_worker_finishes_two_stages_of_every_job(url, authead):
    call(url, authead, "/init/0/10/0/10")
    submit(url, authead, {i: {"jobstage": 0, "jobcmd": f"echo {i}"} for i in range(5)})

    for job_stage in (0, 2):
        seen = []
        while True:
            info = call(url, authead, f"/get/{job_stage}")
            if info == "nada":
                break
            assert info["jobstage"] == job_stage
            assert info["jobcmd"] == f"echo {info['jobid']}"
            assert info["jobix"] == authead["jobix"]
            seen.append(info["jobid"])
            updated = call(url, authead, f"/update_job/{info['jobid']}/{job_stage + 2}")
            assert updated["message"] == f"Success, job {info['jobid']} was updated to stage {job_stage + 2}!"
        assert seen == [0, 1, 2, 3, 4]

    assert call(url, authead, "/check_stages") == {"ok": True, "flagged": 0, "degraded": 0}
    assert call(url, authead, "/get")["percent"] == 100


def test_a_founding_master_requeues_the_job_of_a_dead_worker(url, authead):
    call(url, authead, "/init/0/0.0001/0")
    submit(url, authead, {"7": {"jobstage": 0, "jobcmd": "x"}})
    assert call(url, authead, "/get/0")["jobid"] == 7
    while call(url, authead, "/check_stages")["ok"]:
        pass
    assert call(url, authead, "/check_stages/1/0") == {"ok": True, "flagged": 0, "degraded": 1}
    assert call(url, authead, "/get/0")["jobid"] == 7


def test_a_founding_client_may_use_post(url, authead):
    submit(url, authead, {"1": {}})
    for path, expected in (
        ("/init/0/10", "0"),
        ("/lifetime/1", "minutes"),
        ("/get/0", "claim"),
        ("/check_stages", "ok"),
    ):
        req = u.Request(f"{url}{path}", headers=authead, data=b"")
        with u.urlopen(req) as res:
            assert expected in json.loads(res.read())


def test_a_founding_client_sees_a_refusal_as_an_http_error(url, authead):
    submit(url, authead, {"1": {}})
    with pytest.raises(urllib.error.HTTPError) as refused:
        call(url, authead, "/update_job/1/2")
    with refused.value as response:
        assert response.code == 409
        assert json.loads(response.read())["error"] == "wrong_stage"


def test_the_hello_is_a_plain_line(url):
    with u.urlopen(f"{url}/") as res:
        assert res.headers.get_content_type() == "text/plain"
        assert res.read().startswith(b"job_manager ")

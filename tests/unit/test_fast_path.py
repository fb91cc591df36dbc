"""The fast path responds like Flask, and serves the common requests of workers."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

from jobserver import create_app
from jobserver.core.settings import Settings

TOKEN = "a" * 20
REQUESTS: list[tuple[str, str, dict[str, str], Any]] = [
    ("POST", "/set", {}, {str(jobid): {"jobcmd": {"é": jobid}} for jobid in range(9)}),
    ("GET", "/get/0?n=2", {"claim": TOKEN, "worker": "n\u00f6de"}, None),
    ("GET", "/get/0?n=2&n=7", {"claim": TOKEN}, None),
    ("POST", "/update_job/0/2?next=0", {"claim": TOKEN, "next-claim": "b" * 20}, {"result": [1]}),
    ("GET", "/update_job/1/2", {"claim": "c" * 20}, None),
    (
        "POST",
        "/update_jobs?next=0&n=2",
        {"next-claim": "d" * 20},
        [{"jobid": 1, "jobstage": 2, "claim": TOKEN}, {"jobid": 99, "jobstage": 2}],
    ),
    ("POST", "/heartbeat", {}, [{"jobid": 2, "claim": "b" * 20}]),
    ("GET", "/get/1", {}, None),
    ("GET", "/get/0?n=0", {}, None),
    ("GET", "/get/x", {}, None),
    ("GET", "/get/0/1/2", {}, None),
    ("GET", "/update_jobs", {}, None),
    ("HEAD", "/get/0", {}, None),
    ("PUT", "/get/0", {}, None),
    ("OPTIONS", "/heartbeat", {}, None),
    ("GET", "/get//0", {}, None),
    ("GET", "/get/0", {"jobix": "none"}, None),
    ("GET", "/get/1", {"Accept": "text/html"}, None),
]


def make_app(folder: Path) -> Flask:
    """The server's application with a new database."""
    return create_app(Settings(instance=str(folder)))


def responses_of(app: Flask) -> list[tuple[int, str | None, str | None, object]]:
    """Sends all requests in order. Unlimited lifetimes and client tokens make the responses reproducible."""
    client = Client(app.wsgi_app)
    responses = []
    for method, path, headers, body in REQUESTS:
        response = client.open(path, method=method, headers={"jobix": "4711"} | headers, json=body)
        text = response.get_json() if response.is_json and method != "HEAD" else response.text
        responses.append((response.status_code, response.content_type, response.headers.get("Cache-Control"), text))
    return responses


def test_the_fast_path_responds_like_flask(tmp_path: Path) -> None:
    short, long = make_app(tmp_path / "short"), make_app(tmp_path / "long")
    long.wsgi_app = long.wsgi_app._app._flask  # type: ignore[attr-defined]
    for request, fast, full in zip(REQUESTS, responses_of(short), responses_of(long), strict=True):
        assert fast == full, request


@pytest.mark.parametrize("path", ["/get/0", "/update_job/1/2", "/get/0/1"])
def test_the_fast_path_serves_common_worker_requests(tmp_path: Path, path: str, monkeypatch: Any) -> None:
    app = make_app(tmp_path)
    client = Client(app.wsgi_app)
    client.post("/set", headers={"jobix": "4711"}, json={"1": {"jobstage": 1}, "2": {}})
    monkeypatch.setattr(app, "request_context", None)
    assert client.get(path, headers={"jobix": "4711"}).status_code == 200

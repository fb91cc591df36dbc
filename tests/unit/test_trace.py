"""A claim request executes code in few of our files."""

import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

import jobserver
from jobserver import create_app
from jobserver.core.settings import Settings

PACKAGE = Path(jobserver.__file__).parent
MOST_FILES = 10
HEADERS: list[dict[str, str]] = [{}, {"claim": "a" * 20, "worker": "node:1"}]


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """A server's application with a list of jobs, after a first claim."""
    app = create_app(Settings(instance=str(tmp_path)))
    client = Client(app.wsgi_app)
    client.post("/set", headers={"jobix": "4711"}, json={str(jobid): {} for jobid in range(9)})
    for headers in HEADERS:
        client.get("/get/0", headers={"jobix": "4711", **headers} | ({"claim": "b" * 20} if headers else {}))
    return app


def entered(app: Flask, method: str, path: str, **headers: str) -> list[str]:
    """The files of ours that a request enters, in order of their first call."""
    files: dict[str, None] = {}

    def note(frame: Any, event: str, _argument: object) -> None:
        file = Path(frame.f_code.co_filename)
        if event == "call" and PACKAGE in file.parents:
            files[str(file.relative_to(PACKAGE))] = None

    client = Client(app.wsgi_app)
    sys.setprofile(note)
    try:
        response = client.open(path, method=method, headers={"jobix": "4711"} | headers)
    finally:
        sys.setprofile(None)
    assert response.status_code == 200
    assert response.get_json() != "nada"
    return list(files)


@pytest.mark.parametrize("headers", HEADERS, ids=["founding worker", "client"])
def test_a_claim_request_enters_at_most_ten_files(app: Flask, headers: dict[str, str]) -> None:
    files = entered(app, "GET", "/get/0", **headers)
    assert len(files) <= MOST_FILES, "\n".join(files)

"""The life of a list through every route, with all kinds of errors and secrets."""

import re
import time

import requests

from tests.support.run_here import run_here
from tests.support.server import ApiClient, Server
from tests.support.snapshot import opened

JOBIX, OTHER, WRONG = 7310246582013447715, 5823910467712093341, 4471920038116527739
KEY = "keykeykey-never-shown"
CLIENT_TOKENS = {name: (name + "Chosen") * 4 for name in ("batch", "next", "again", "third")}
JOB_TEXTS = ("jobcmd-of-a-job", "another-jobcmd", "result-of-a-job", "out/filename-of-a-job.npy", "error-of-a-job")
JOBCMD, JOBCMD2, RESULT, FILENAME, ERROR = JOB_TEXTS
DATA = {"jobcmd": {"file": JOBCMD2}, "result": [RESULT], "filename": FILENAME}

CHANGES = """list 1: created (named mine)
list 1: 6 jobs submitted, stage 0
list 1: 1 job submitted, stage 5
list 2: created (named theirs)
list 1: job 1 claimed, stage 0 to 1
list 1: 2 jobs (2, 3) claimed, stage 0 to 1, by node:1
list 1: job 1 completed, stage 1 to 2
list 1: job 4 claimed, stage 0 to 1, by node:2
list 1: job 2 released, stage 1 to 0, by node:1
list 1: job 3 completed, stage 1 to 2, by node:1
list 1: job 2 claimed, stage 0 to 1, by node:3
list 1: job 2 cancelled, stage 1, by node:3
list 1: job 1 claimed, stage 2 to 3
list 1: job 1 requeued, stage 3 to 2 (expired)
list 1: job 4 expired, stage 1
list 1: job 2 requeued, stage 1 to 0
list 1: job 4 requeued, stage 1 to 0, by node:2
list 1: job 5 priority, stage 0 (now 3), by ada
list 1: job 5 claimed, stage 0 to 1
list 1: lifetime, stage 1 (1 min), by ada
list 1: job 5 failed, stage 1, by ada
list 1: job 5 requeued, stage 1 to 0, by ada
list 1: paused, by ada
list 1: resumed, by ada""".splitlines()


def changes(server: Server) -> list[str]:
    """The INFO lines of its log without the times."""
    return re.findall(r"^[-0-9]+ [:,0-9]+ INFO (.*)$", server.log.read_text(), re.MULTILINE)


def logged(server: Server, line: str) -> None:
    """Waits until the log has this line."""
    give_up_at = time.monotonic() + 10
    while line not in changes(server):
        assert time.monotonic() < give_up_at, f"no line {line!r} in {changes(server)}"
        time.sleep(0.01)


def use_every_route(server: Server, api: ApiClient, other: ApiClient) -> list[str]:
    """Uses a list through every route, with all kinds of errors. Returns the server's tokens."""
    api("/init/0/600/0/600?name=mine")
    api("/set", {str(jobid): {"jobcmd": JOBCMD} for jobid in range(1, 7)} | {"9": {"jobstage": 5}})
    other("/init/0/600?name=theirs")
    tokens = [api("/get/0").json()["claim"]]
    api("/get/0?n=2", claim=CLIENT_TOKENS["batch"], worker="node:1")
    api("/update_job/1/2?next=0", DATA, claim=tokens[0], next_claim=CLIENT_TOKENS["next"], worker="node:2")
    api("/update_job/1/2?next=0", DATA, claim=tokens[0], next_claim=CLIENT_TOKENS["next"], worker="node:2")
    api("/update_job/2/0", {"error": ERROR}, claim=CLIENT_TOKENS["batch"])
    three = {"jobid": 3, "jobstage": 2, "claim": CLIENT_TOKENS["batch"]} | DATA
    api("/update_jobs", [three, {"jobid": 4, "jobstage": 2, "claim": tokens[0]}, {"jobid": 5, "jobstage": 2} | DATA])
    api("/heartbeat", [{"jobid": 4, "claim": CLIENT_TOKENS["next"]}, {"jobid": 3, "claim": tokens[0]}])
    api("/get/0", claim=CLIENT_TOKENS["again"], worker="node:3")
    assert run_here(server, "cancel", "mine", "2").returncode == 0
    assert "cancel" in api("/heartbeat", [{"jobid": 2, "claim": CLIENT_TOKENS["again"]}]).text
    api("/update_job/2/0", {"error": ERROR}, claim=CLIENT_TOKENS["again"])
    api("/lifetime/3/0.001?requeue=2")
    tokens.append(api("/get/2/3").json()["claim"])
    logged(server, "list 1: job 1 requeued, stage 3 to 2 (expired)")
    api("/lifetime/1/0.001?max_attempts=0")
    logged(server, "list 1: job 4 expired, stage 1")
    api("/check_stages/1/0")
    return tokens


def act_on_pages(server: Server, api: ApiClient) -> tuple[list[str], str]:
    """Signs in, first with a wrong key, and performs each action of the pages. Returns the shown texts and the token of
    a held job."""
    results, fields = [], {"list": "mine"}
    with requests.Session() as browser:
        browser.headers["Accept"] = "text/html"

        def post(path: str, **more: object) -> None:
            response = browser.post(server.url + path, data=fields | more, timeout=9)
            form = browser.get(f"{server.url}/signin?list=mine", timeout=9)
            fields["csrf_token"] = re.findall(r'name="csrf_token" value="([^"]+)"', form.text)[0]
            results.append(f"{response.status_code} {response.text} {response.headers} {dict(browser.cookies)}")

        post("/signin", jobix=JOBIX)  # without the form's token
        post("/signin", jobix=WRONG, name="ada")
        post("/signin", jobix=JOBIX, name="ada")
        post("/act/priority", jobs=5, priority=3)
        token: str = api("/get/0").json()["claim"]
        post("/act/lifetime", stage=1, minutes=1)
        post("/act/fail", jobs=5, ask="Fail job 5?")
        for verb in ("fail", "retry", "pause", "resume", "nothing"):
            post(f"/act/{verb}", jobs=5)
        post("/signout")
        post("/act/pause")
    statuses = [int(result[:3]) for result in results]
    assert statuses == [403, 403, *[200] * 8, 404, 200, 403], statuses
    return results, token


def send_wrong_requests(server: Server, api: ApiClient, other: ApiClient, tokens: list[str]) -> list[str]:
    """Sends requests that are refused or fail in the database. Returns the responses to the other list."""
    for path, body, claim in (
        ("/update_job/4/2", DATA, tokens[0]), ("/update_job/1/4", DATA, tokens[1]), ("/update_job/6/2", DATA, "short"),
        ("/get/0", None, CLIENT_TOKENS["batch"]), ("/get/1", None, CLIENT_TOKENS["third"]),
        ("/set", {"x": {"jobcmd": JOBCMD}}, ""), ("/set", [JOBCMD], ""),
        ("/update_job/6/2", {FILENAME: RESULT}, tokens[0]), ("/heartbeat", [tokens[0]], ""),
        (f"/nowhere/{tokens[0]}", None, ""),
    ):  # fmt: skip
        assert 400 <= api(path, body, **({"claim": claim} if claim else {})).status_code < 500, path
    assert api("/get/0", jobix=f"{JOBIX}x").status_code == 400
    with opened(server) as database:
        database.run("ALTER TABLE lifetime RENAME TO away")
        assert api("/get/0", claim=CLIENT_TOKENS["third"]).status_code >= 500
        assert api("/update_job/6/2", DATA).status_code >= 500
        assert api("/set", {"10": {"jobcmd": JOBCMD}}).status_code >= 500
        database.run("ALTER TABLE away RENAME TO lifetime")
    responses = [
        other(path, body, claim=tokens[0]).text
        for path, body in (
            ("/get", None), ("/lifetime", None), ("/get/0", None), ("/update_job/1/2", DATA), ("/check_stages", None),
            ("/init", None), ("/init?name=mine", None), ("/lifetime/1", None),
            ("/update_jobs", [{"jobid": 1, "jobstage": 2, "claim": tokens[1]}]),
            ("/heartbeat", [{"jobid": 4, "claim": CLIENT_TOKENS["next"]}]),
        )
    ]  # fmt: skip
    return responses + [
        ApiClient(server.url, WRONG)(path).text for path in ("/get", "/get/0", "/update_job/1/2", "/lifetime")
    ]

"""A server with hostile names of lists, jobs, files, workers and errors."""

from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

from tests.support.server import ApiClient, Server

JOBIX = 5823910467712093341
PRODUCT = "7006652"  # the output of an executed template
NAME = """<script>alert('1')</script>"&amp; {{ 1234*5678 }} ${1234*5678}"""
QUOTED = quote(NAME)
MARKUP = """</td></table></svg><script>alert("1")</script><img src=x onerror='alert(1)'>&lt;{{ 1234*5678 }}{% raw %}"""
WORKER = "<b>node</b>\"' {{ 1234*5678 }}"
RIGHT_TO_LEFT = "\u202eabc\u202c\u2066def\u2069\u200f"
CONTROL_CHARACTERS = "".join(map(chr, [*range(1, 32), *range(127, 160), 0xFFFE, 0xFEFF]))
JOBCMDS = [
    MARKUP,
    RIGHT_TO_LEFT,
    CONTROL_CHARACTERS,
    {MARKUP: [None, "\u0000\ud7ff"]},
    MARKUP * 900,
    "é" * 50_000,
    "\u202e" * 199,
]
TOKEN = "c" * 32


def hostile_site(folder: Path, database_uri: str) -> SimpleNamespace:
    """The server: jobs 0 to 2 are failed, 3 done, 4 and 5 held, 6 available; and a second list."""
    server = Server(folder, database_uri, sweep_every_s="3600").start()
    api = ApiClient(server.url, JOBIX)
    created = api.session.get(f"{server.url}/init/0/600", params={"name": NAME}, headers={"jobix": str(JOBIX)})
    assert created.ok, created.text
    api("/lifetime/1/600?max_attempts=1")
    assert api("/set", {str(jobid): {"jobcmd": jobcmd} for jobid, jobcmd in enumerate(JOBCMDS)}).json()["new"] == 7
    for jobid, text in enumerate((MARKUP, RIGHT_TO_LEFT, CONTROL_CHARACTERS)):
        api("/get/0", claim=TOKEN + str(jobid), worker=WORKER)
        report = {"filename": text, "error": text * 20} if jobid else {"error": text}
        assert api(f"/update_job/{jobid}/0", report, claim=TOKEN + str(jobid)).json()["failed"]
    api("/get/0?n=3", claim=TOKEN, worker=WORKER)
    done = {"filename": MARKUP + RIGHT_TO_LEFT + CONTROL_CHARACTERS, "result": {"x": MARKUP}}
    assert api("/update_job/3/2", done, claim=TOKEN).status_code == 200
    assert ApiClient(server.url, 1)("/init?name=other").ok
    return SimpleNamespace(server=server, api=api, url=server.url)

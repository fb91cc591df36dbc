"""Every status of the protocol's table on every route; refused requests change nothing."""

import zlib
from types import SimpleNamespace

import pytest
import requests

from tests.support.both_databases import on_sqlite
from tests.support.postgresql import make_postgresql_database
from tests.support.server import ApiClient, Server
from tests.support.snapshot import jobs, opened

JOBIX, OTHER, UNKNOWN = 1001, 1002, 1003
HELD, STALE, SPENT, FRESH = ("h" * 32, "t" * 32, "s" * 32, "f" * 32)
TOO_LARGE = b'{"1": {"jobcmd": "' + b"x" * 1_100_000 + b'"}}'
BOMB = zlib.compress(TOO_LARGE)
GOOD_SET = {"100": {}, "101": {}}
REPORT = {"jobid": 0, "jobstage": 2, "claim": HELD}


@pytest.fixture(scope="module")
def places(kind, request, tmp_path_factory):
    """A list whose jobs are in every state, behind an open and a closed server."""
    uri = "" if kind == "sqlite" else make_postgresql_database(request.getfixturevalue("postgresql"))
    own = {"instance": str(tmp_path_factory.mktemp("instance")), "sweep_every_s": "3600", "max_body_mb": "1"}
    server = Server(tmp_path_factory.mktemp("open"), uri, **own).start()
    strict = Server(
        tmp_path_factory.mktemp("closed"), uri, **own, open="0", require_claim="1", wrong_secrets_per_minute="20"
    ).start()
    limited = Server(tmp_path_factory.mktemp("limited"), uri, **own, open="0", wrong_secrets_per_minute="1").start()
    api = ApiClient(server.url, JOBIX)
    ApiClient(server.url, OTHER)("/init/0/600?name=taken")
    api("/init/0/600/0/600?name=mine")
    api("/lifetime/1/600?max_attempts=1")
    api("/set", {str(jobid): {"jobcmd": jobid} for jobid in range(9)} | {"50": {"jobstage": 3}})
    for token in (HELD, STALE, SPENT, "a" * 32):
        api("/get/0", claim=token)  # jobs 0, 1, 2, 3
    api("/get/0")  # job 4, as a founding worker
    api("/update_job/2/2", {"filename": "2.npy"}, claim=SPENT)
    api("/update_job/3/0", {"error": "broken"}, claim="a" * 32)  # job 3 has failed
    api("/update_job/1/0", claim=STALE)
    api("/get/0", claim="b" * 32)  # job 1, of which STALE was the claim
    assert {job["jobstage"] for job in jobs(server, "mine").values()} == {0, 1, 2, 3}
    # the closed server has received its permitted wrong key of this minute
    assert ApiClient(limited.url, UNKNOWN)("/get/0").status_code == 403
    yield SimpleNamespace(open=server, closed=strict, limited=limited)
    for running in (server, strict, limited):
        running.kill()


BAD = "bad_request"
# refused before any query except that of the list
REFUSED_BEFORE_THE_DATABASE = [
    # cannot be parsed
    (400, BAD, "GET", "/init/x", None, {}),
    (400, BAD, "GET", "/init/0/-1", None, {}),
    (400, BAD, "GET", "/init/0/nan", None, {}),
    (400, BAD, "GET", "/init/0/1e99", None, {}),
    (400, BAD, "GET", "/init/0//10", None, {}),
    (400, BAD, "GET", "/init?name=", None, {}),
    (400, BAD, "GET", "/init?name=%00", None, {}),
    (400, BAD, "GET", f"/init?name={'n' * 101}", None, {}),
    (400, BAD, "GET", "/init?name=%20mine", None, {}),
    (400, BAD, "GET", "/get/1", None, {}),
    (400, BAD, "GET", "/get/x", None, {}),
    (400, BAD, "GET", "/get/0/2", None, {}),
    (400, BAD, "GET", "/get/4/1", None, {}),
    (400, BAD, "GET", "/get/0?n=x", None, {}),
    (400, BAD, "GET", "/get/0?wait=-1", None, {}),
    (400, BAD, "GET", "/get/0", None, {"claim": "short"}),
    (400, BAD, "GET", "/get/0", None, {"worker": "w" * 201}),
    (400, BAD, "GET", "/update_job/0/1", None, {"claim": HELD}),
    (400, BAD, "GET", "/update_job/x/2", None, {"claim": HELD}),
    (400, BAD, "GET", "/update_job/0/2?next=1", None, {"claim": HELD}),
    (400, BAD, "GET", "/update_job/0/2?next=0&n=2", None, {"claim": HELD}),
    (400, BAD, "GET", "/update_job/0/2?next=0", None, {"claim": HELD, "next-claim": "short"}),
    (400, BAD, "POST", "/update_job/0/2", {"file": "x"}, {"claim": HELD}),
    (400, BAD, "POST", "/update_job/0/2", {"filename": 7}, {"claim": HELD}),
    (400, BAD, "POST", "/update_job/0/2", {"filename": "\0"}, {"claim": HELD}),
    (400, BAD, "POST", "/update_job/0/2", {"filename": "x" * 5000}, {"claim": HELD}),
    (400, BAD, "POST", "/update_job/0/2", {"error": "done, and yet an error"}, {"claim": HELD}),
    (400, BAD, "POST", "/update_job/0/2", b'{"jobcmd": 01}', {"claim": HELD}),
    (400, BAD, "POST", "/update_job/0/2", b"[]", {"claim": HELD}),
    (400, BAD, "POST", "/update_jobs", b"{}", {}),
    (400, BAD, "POST", "/update_jobs", b'[{"jobid": 0, "jobstage": 2, "claim": "%s"}' % HELD.encode(), {}),
    (400, BAD, "POST", "/update_jobs", [REPORT, {"jobid": "1"}], {}),
    (400, BAD, "POST", "/update_jobs?next=x", [REPORT], {}),
    (400, BAD, "POST", "/update_jobs?next=0&n=0", [REPORT], {}),
    (400, BAD, "POST", "/heartbeat", [{"jobid": 0, "claim": HELD}, {"jobid": 1}], {}),
    (400, BAD, "POST", "/heartbeat", b"null x", {}),
    (400, BAD, "GET", "/check_stages/1/1", None, {}),
    (400, BAD, "GET", "/check_stages/0/2", None, {}),
    (400, BAD, "GET", "/lifetime/1/x", None, {}),
    (400, BAD, "GET", "/lifetime/1/5?requeue=1", None, {}),
    (400, BAD, "GET", "/lifetime/1/5?requeue=2", None, {}),
    (400, BAD, "GET", "/lifetime/1/5?max_attempts=-1", None, {}),
    (400, BAD, "GET", "/lifetime/1?requeue=0", None, {}),
    (400, BAD, "GET", "/lifetime/1000001/5", None, {}),
    (400, BAD, "GET", "/get/0", None, {"jobix": "x"}),
    # a parameter of another route
    (400, BAD, "GET", "/init/0/5?requeue=0", None, {}),
    (400, BAD, "GET", "/init?max_attempts=2", None, {}),
    (400, BAD, "POST", "/set?name=new", GOOD_SET, {}),
    (400, BAD, "GET", "/get/0?next=0", None, {}),
    (400, BAD, "GET", "/get/0/1?requeue=0", None, {}),
    (400, BAD, "GET", "/get?wait=5", None, {}),
    (400, BAD, "GET", "/update_job/0/2?wait=5", None, {"claim": HELD}),
    (400, BAD, "GET", "/update_job/0/2?n=1", None, {"claim": HELD}),
    (400, BAD, "POST", "/update_jobs?wait=5", [REPORT], {}),
    (400, BAD, "POST", "/heartbeat?lease_s=60", [{"jobid": 0, "claim": HELD}], {}),
    (400, BAD, "GET", "/check_stages/1/0?requeue=0", None, {}),
    (400, BAD, "GET", "/lifetime/1?max_attempts=2", None, {}),
    (400, BAD, "GET", "/lifetime/1/5?n=2", None, {}),
    (400, BAD, "GET", "/lifetime?requeue=0", None, {}),
    # not permitted
    (403, "jobix_missing", "POST", "/set", GOOD_SET, {"jobix": ""}),
    (403, "jobix_missing", "GET", "/get/0", None, {"jobix": ""}),
    (403, "jobix_missing", "GET", "/update_job/0/2", None, {"jobix": "", "claim": HELD}),
    (403, "jobix_missing", "GET", "/check_stages/1/0", None, {"jobix": ""}),
    (403, "jobix_unknown", "GET", "closed/init/0/10", None, {"jobix": UNKNOWN}),
    (403, "jobix_unknown", "POST", "closed/set", GOOD_SET, {"jobix": UNKNOWN}),
    (403, "jobix_unknown", "GET", "closed/get/0", None, {"jobix": UNKNOWN}),
    (403, "jobix_unknown", "GET", "closed/update_job/0/2", None, {"jobix": UNKNOWN, "claim": HELD}),
    (403, "jobix_unknown", "POST", "closed/update_jobs", [{"jobid": 0, "jobstage": 2}], {"jobix": UNKNOWN}),
    (403, "jobix_unknown", "POST", "closed/heartbeat", [{"jobid": 0, "claim": HELD}], {"jobix": UNKNOWN}),
    (403, "jobix_unknown", "GET", "closed/check_stages/1/0", None, {"jobix": UNKNOWN}),
    (403, "jobix_unknown", "GET", "closed/lifetime/1/1", None, {"jobix": UNKNOWN}),
    # too large, or too often
    (413, "too_large", "POST", "/set", TOO_LARGE, {}),
    (413, "too_large", "POST", "/set", BOMB, {}),
    (413, "too_large", "POST", "/update_job/0/2", TOO_LARGE, {"claim": HELD}),
    (413, "too_large", "POST", "/update_job/0/2", BOMB, {"claim": HELD}),
    (413, "too_large", "POST", "/update_jobs", BOMB, {}),
    (413, "too_large", "POST", "/heartbeat", BOMB, {}),
    (429, "too_many_wrong_secrets", "GET", "limited/get/0", None, {"jobix": UNKNOWN}),
    (429, "too_many_wrong_secrets", "POST", "limited/set", GOOD_SET, {"jobix": UNKNOWN}),
    (429, "too_many_wrong_secrets", "GET", "limited/update_job/0/2", None, {"jobix": UNKNOWN, "claim": HELD}),
]  # fmt: skip
# refused by the state of the database, or while a set is parsed
REFUSED_BY_THE_DATABASE = [
    (400, BAD, "POST", "/set", b"", {}),
    (400, BAD, "POST", "/set", b"{", {}),
    (400, BAD, "POST", "/set", b"[{}, []]", {}),
    (400, BAD, "POST", "/set", b'[{}, {"name": ""}]', {}),
    (400, BAD, "POST", "/set", b'[{"name": "a"}, {"jobid": "ngc1234"}]', {}),
    (400, BAD, "POST", "/set", b'"1"', {}),
    (400, BAD, "POST", "/set", b'{"100": {}} {"101": {}}', {}),
    (400, BAD, "POST", "/set", b'{"100": {}, "101": {"jobcmd": NaN}}', {}),
    (400, BAD, "POST", "/set", b'{"100": {}, "101": {"jobcmd": "\xff"}}', {}),
    (400, BAD, "POST", "/set", zlib.compress(b'{"100": {}}')[:-1], {}),
    (400, BAD, "POST", "/set", GOOD_SET | {"x": {}}, {}),
    (400, BAD, "POST", "/set", GOOD_SET | {"102": {"stage": 0}}, {}),
    (400, BAD, "POST", "/set", GOOD_SET | {"102": {"jobstage": 0.5}}, {}),
    (400, BAD, "POST", "/set", GOOD_SET | {"102": {"jobstage": 1_000_001}}, {}),
    (400, BAD, "POST", "/set", GOOD_SET | {"102": {"priority": True}}, {}),
    (400, BAD, "POST", "/set", {str(i): {} for i in range(100, 2700)} | {"2700": 0}, {}),
    # not found
    (404, "no_such_job", "GET", "/update_job/99/2", None, {}),
    (404, "no_such_job", "GET", "/update_job/99/2?next=0", None, {"next-claim": FRESH}),
    (404, "no_such_job", "GET", "/update_job/0/2", None, {"jobix": OTHER, "claim": HELD}),
    (404, "no_such_job", "GET", "/update_job/0/2", None, {"jobix": UNKNOWN, "claim": HELD}),
    (404, "not_found", "GET", "/update_job/0", None, {}),
    (404, "not_found", "GET", "/nowhere", None, {}),
    (405, "method_not_allowed", "GET", "/set", None, {}),
    (405, "method_not_allowed", "HEAD", "/get/0", None, {}),
    (405, "method_not_allowed", "PUT", "/update_job/0/2", None, {"claim": HELD}),
    # in another stage, or not held
    (409, "name_taken", "GET", "/init?name=taken", None, {}),
    (409, "name_taken", "GET", "/init/0/10?name=taken", None, {"jobix": UNKNOWN}),
    (409, "claim_spent", "GET", "/get/0", None, {"claim": SPENT}),
    (409, "claim_spent", "GET", "/get/0?n=5", None, {"claim": STALE}),
    (409, "claim_spent", "GET", "/update_job/0/2?next=0", None, {"claim": HELD, "next-claim": SPENT}),
    (409, "claim_spent", "POST", "/update_jobs?next=0", [REPORT], {"next-claim": SPENT}),
    (409, "wrong_stage", "GET", "/update_job/5/2", None, {}),
    (409, "wrong_stage", "GET", "/update_job/2/4", None, {}),
    (409, "wrong_stage", "GET", "/update_job/0/4", None, {"claim": HELD}),
    (409, "wrong_stage", "GET", "/update_job/50/6", None, {}),
    (409, "claim_lost", "POST", "/update_job/1/2", {"filename": "corrupt"}, {"claim": STALE}),
    (409, "claim_lost", "POST", "/update_job/2/0", {"filename": "corrupt"}, {"claim": SPENT}),
    (409, "claim_lost", "POST", "/update_job/3/2", {"filename": "corrupt"}, {"claim": "a" * 32}),
    (409, "claim_lost", "POST", "/update_job/5/2", {"filename": "corrupt"}, {"claim": HELD}),
    (409, "claim_lost", "GET", "/update_job/0/2", None, {}),
    (409, "claim_lost", "GET", "/update_job/0/0", None, {}),
    (409, "claim_lost", "GET", "/update_job/0/2?next=0", None, {"claim": "x" * 32, "next-claim": FRESH}),
    (409, "claim_lost", "GET", "closed/update_job/4/2", None, {}),
    (409, "claim_lost", "GET", "closed/update_job/50/4", None, {}),
]  # fmt: skip


def named(row):
    """The test id of a row: 400-GET-init-x."""
    return f"{row[0]}-{row[2]}-{row[3][:40]}".replace("/", "-")


def requests_of(rows):
    """One test for each row."""
    return pytest.mark.parametrize(("status", "code", "method", "path", "body", "headers"), rows, ids=map(named, rows))


@on_sqlite
@requests_of(REFUSED_BEFORE_THE_DATABASE)
def test_a_bad_request_changes_nothing(places, status, code, method, path, body, headers):
    check(places, status, code, method, path, body, headers)


@requests_of(REFUSED_BY_THE_DATABASE)
def test_a_refused_request_changes_nothing(places, status, code, method, path, body, headers):
    check(places, status, code, method, path, body, headers)


def check(places, status, code, method, path, body, headers):
    """Checks that a request is refused with an error and changes no row of any table."""
    host, slash, rest = path.partition("/")
    server = getattr(places, host or "open")
    sent = {"jobix": str(JOBIX)} | {name: str(value) for name, value in headers.items()}
    as_json = {"data": body} if isinstance(body, bytes) else {"json": body}
    with opened(server) as database:
        before = database.tables()
        response = requests.request(method, server.url + slash + rest, headers=sent, timeout=30, **as_json)
        assert response.status_code == status, response.text
        if method != "HEAD":
            assert response.json()["error"] == code
            assert len(response.json()["message"]) > 10
        assert response.headers["Cache-Control"] == "no-store"
        assert ("Retry-After" in response.headers) == (status == 429)
        assert database.tables() == before


def test_every_refused_entry_of_a_list_changed_nothing(places):
    reports = [
        {"jobid": 99, "jobstage": 2},
        {"jobid": 5, "jobstage": 2},
        {"jobid": 0, "jobstage": 2},
        REPORT | {"jobstage": 6},
        {"jobid": 1, "jobstage": 2, "claim": STALE, "jobcmd": "x"},
        REPORT | {"error": "done, and yet an error"},
    ]
    with opened(places.open) as database:
        before = database.tables()
        response = ApiClient(places.open.url, JOBIX)("/update_jobs", reports).json()
        assert [outcome["status"] for outcome in response["jobs"]] == [404, 409, 409, 409, 409, 400]
        assert database.tables() == before


def test_repeated_requests_change_nothing(places):
    api = ApiClient(places.open.url, JOBIX)
    with opened(places.open) as database:
        before = database.tables()
        assert api("/update_job/2/2", {"filename": "other"}, claim=SPENT).status_code == 200
        assert api("/update_job/3/0", {"error": "broken"}, claim="a" * 32).json()["failed"]
        assert api("/get/0?n=7", claim=HELD).json()[0]["jobid"] == 0
        assert api("/set", {"0": {"jobcmd": "x"}, "50": {"jobstage": 0}}).json()["known"] == 2
        assert api("/init/7/7/7").status_code == 200
        assert api("/get/6").json() == "nada"
        assert api("/check_stages").json()["flagged"] == 1
        assert database.tables() == before

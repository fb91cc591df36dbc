"""Input that cannot be parsed is refused with an error body, never a 500, and changes nothing."""

import json

import pytest

from tests.support.both_databases import on_sqlite
from tests.support.raw_requests import check_response, send, send_and_end, without_fault
from tests.support.snapshot import opened

# Values of a jobcmd in /set, and of a jobcmd or result in a report. tests/unit/test_parsing.py has more of them.
REFUSED = [b"NaN", b"\xff", b'"\\ud80"', b"[" * 100_000]
UNUSUAL = [b'{"a": 1, "a": 2}', b"1e999999999", b"1" * 4000, b'"\\u0000"']
DOUBTFUL = [b'"\\udc00\\ud800"', b'{"\\ud800": 1}']  # refused or stored, never an internal error

RAW = [
    b"GET /get/0 HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\nContent-Length: x\r\n\r\n",
    b"POST /set HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\nContent-Length: -5\r\n\r\n",
    b"POST /set HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
    b"POST /set HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n",
    b"POST /set HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
    b"POST /set HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\nContent-Length: 50\r\n\r\n{}",
    b"GET /get/%ff%00%0a HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\n\r\n",
    b"GET /get/0?n=%ff&wait=%00 HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\n\r\n",
    b"GET /get/0 HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\nworker: \xff\x80\x01\r\n\r\n",
    b"GET /get/0 HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\njobix: 2\r\n\r\n",
    b"GET //get//0 HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\n\r\n",
    b"GET /static/..%2f..%2fapp.py HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /get/" + b"9" * 7000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\n\r\n",
    b"GET /get/0 HTTP/1.1\r\nHost: \xff\r\njobix: 1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,  # TLS, to a server without it
]


@pytest.fixture(autouse=True)
def no_fault(shared):
    """Fails a test if a route of the server had an internal error."""
    log_start = shared.log.stat().st_size
    yield
    without_fault(shared, log_start)


@pytest.fixture
def working(api):
    """A list of three held jobs."""
    api("/set", {"1": {"jobstage": 1}, "2": {"jobstage": 1}, "3": {"jobstage": 1}})
    return api


def at_routes(value):
    """The places of a value: each route and its complete body."""
    return [
        ("/set", b'{"10": {}, "11": {"jobcmd": %s}}' % value),
        ("/update_job/1/2", b'{"jobcmd": %s}' % value),
        ("/update_job/2/2", b'{"result": %s, "filename": "x"}' % value),
        ("/update_jobs", b'[{"jobid": 3, "jobstage": 2, "jobcmd": %s}]' % value),
    ]


def test_a_value_that_is_not_json_is_refused_and_changes_nothing(shared, working):
    name = working("/get").json()["list"]
    for value in REFUSED:
        for path, body in at_routes(value):
            with opened(shared) as database:
                before = database.jobs(name)
                status, response = send(shared, "POST", path, {"jobix": working.jobix}, body)
                check_response(status, response)
                assert status == 400, (path, value[:40], response)
                assert database.jobs(name) == before, (path, value[:40])


@pytest.mark.parametrize("value", UNUSUAL, ids=[repr(value[:20]) for value in UNUSUAL])
def test_an_unusual_value_is_kept(shared, working, value):
    for path, body in at_routes(value):
        status, response = send(shared, "POST", path, {"jobix": working.jobix}, body)
        check_response(status, response)
        assert status == 200, (path, response)


@pytest.mark.parametrize("value", DOUBTFUL, ids=[repr(value[:20]) for value in DOUBTFUL])
def test_an_unusual_value_is_refused_or_returned_unchanged(shared, working, value):
    for path, body in at_routes(value):
        check_response(*send(shared, "POST", path, {"jobix": working.jobix}, body))
    for stage in (0, 2):
        status, response = send(shared, "GET", f"/get/{stage}?n=5", {"jobix": working.jobix})
        assert status == 200
        assert isinstance(json.loads(response.replace(value, b"0")), list)


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "é", "x" * 100_000, "", "%s", "' OR 1=1 --"])
def test_unusual_text_in_a_report_causes_no_internal_error(shared, api, text):
    api("/set", {"1": {"jobstage": 1}})
    for key in ("claim", "filename", "error", text, "jobcmd"):
        fields = f'"jobid": 1, "jobstage": 0, "{key}": "{text}"'
        check_response(*send(shared, "POST", "/update_jobs", {"jobix": api.jobix}, f"[{{{fields}}}]".encode()))
        check_response(
            *send(shared, "POST", "/update_job/1/0", {"jobix": api.jobix}, f'{{"{key}": "{text}"}}'.encode())
        )
        check_response(
            *send(shared, "POST", "/heartbeat", {"jobix": api.jobix}, f'[{{"jobid": 1, "{key}": "{text}"}}]'.encode())
        )
        check_response(*send(shared, "POST", "/set", {"jobix": api.jobix}, f'{{"2": {{"{key}": "{text}"}}}}'.encode()))
        api("/get/0")


@on_sqlite
@pytest.mark.parametrize("number", ["-1", str(2**31), str(2**63), str(2**64), "9" * 400, "1e3", "1.0", "true", '"1"'])
def test_a_number_out_of_range_causes_no_internal_error(shared, api, number):
    for key in ("jobid", "jobstage"):
        fields = {"jobid": "1", "jobstage": "2", key: number}
        entry = "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"
        check_response(*send(shared, "POST", "/update_jobs", {"jobix": api.jobix}, f"[{entry}]".encode()))
    check_response(
        *send(shared, "POST", "/heartbeat", {"jobix": api.jobix}, f'[{{"jobid": {number}, "claim": "x"}}]'.encode())
    )
    for key in ("jobstage", "priority"):
        check_response(*send(shared, "POST", "/set", {"jobix": api.jobix}, f'{{"2": {{"{key}": {number}}}}}'.encode()))
    for path in (
        *("/get/{}", "/get/0/{}", "/update_job/{}/2", "/update_job/1/{}", "/lifetime/{}", "/lifetime/1/{}", "/init/{}"),
        *("/check_stages/{}/0", "/get/0?n={}", "/lifetime/1/5?max_attempts={}", "/lifetime/1/5?requeue={}"),
    ):
        check_response(*send(shared, "GET", path.format(number.replace('"', "%22")), {"jobix": api.jobix}))


@on_sqlite
@pytest.mark.parametrize("raw", RAW, ids=[repr(raw[:40]) + str(number) for number, raw in enumerate(RAW)])
def test_a_malformed_request_is_refused(shared, raw):
    response = send_and_end(shared, raw)
    assert not response.startswith(b"HTTP/1.1 5"), response
    assert b"root:" not in response


@on_sqlite
@pytest.mark.parametrize("arrived", [b"", b'{"filename": "3.npy"', b'{"filename": "3.npy"}'])
@pytest.mark.parametrize("framing", [b"Content-Length: 60", b"Transfer-Encoding: chunked"])
def test_a_report_with_a_truncated_body_is_refused(shared, api, arrived, framing):
    api("/set", {"1": {"jobstage": 1}})
    sent = arrived if b"Length" in framing else b"3c\r\n" + arrived
    head = b"POST /update_job/1/2 HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: %d\r\n%s\r\n\r\n" % (api.jobix, framing)
    response = send_and_end(shared, head + sent)
    assert not response.startswith((b"HTTP/1.1 2", b"HTTP/1.1 5")), response
    assert api("/get").json()["working"] == 1


@pytest.mark.parametrize("digits", [5000, 100_000])
def test_an_integer_of_very_many_digits_does_not_stop_the_server(server, jobix, digits):
    number = b"1" * digits
    for path, body in at_routes(number):
        check_response(*send(server, "POST", path, {"jobix": jobix}, body))
    check_response(*send(server, "POST", "/set", {"jobix": jobix}, b'{"1": {"priority": %s}}' % number))
    check_response(*send(server, "POST", "/set", {"jobix": jobix}, b'{"%s": {}}' % number))
    assert server.process.poll() is None

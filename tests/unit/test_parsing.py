"""Parsers of requests: an invalid number, key or JSON value is a BadRequest, never another error."""

import io
from types import SimpleNamespace

import pytest

from jobserver.api.founding import reports
from jobserver.api.founding.submission import Submission
from jobserver.core.errors import BadRequest, JobixMissing
from jobserver.core.settings import Settings
from jobserver.web import parsing
from jobserver.web.request import Call

HIGHEST = 2**63 - 1
DEEP = b"[" * 100_000
NOT_JSON = [
    b"NaN", b"Infinity", b"-Infinity", b"01", b"1.", b"+1", b"'x'", b"True", b"", b"[", b"\xff", b'"\xed\xa0\x80"',
    b'"\xc0\x80"', b'"\x00"', b'"\n"', DEEP, b'{"a":' * 100_000, b'"\\x"', b'"\\ud80"', b"[1,]", b'{"a":1,}',
    b"/* */ 1", b"{1: 2}",
]  # fmt: skip
JSON = [b'{"a": 1, "a": 2}', b"1e999999999", b"-0", b"1" * 4000, b'"\\u0000"']
DOUBTFUL = [DEEP + b"]" * 100_000, b'"\\ud800"', b'"\\udc00\\ud800"', b'{"\\ud800": 1}', b"1" * 100_000]


def parse(value: bytes, body: str) -> None:
    """Parses a body that holds the value."""
    if body == "set":
        Submission(io.BytesIO(b'{"10": {}, "11": {"jobcmd": %s}}' % value)).close()
        return
    raw = {
        "jobcmd": b'{"jobcmd": %s}' % value,
        "result": b'{"result": %s, "filename": "x"}' % value,
        "reports": b'[{"jobid": 3, "jobstage": 2, "jobcmd": %s}]' % value,
    }[body]
    environ = {"wsgi.input": io.BytesIO(raw), "CONTENT_LENGTH": str(len(raw))}
    call = Call(environ, SimpleNamespace(settings=Settings()))
    kind = list[reports.ReportEntry] if body == "reports" else reports.ReportBody
    with reports.parsed_body(call, kind, 1_000_000):
        pass


bodies = pytest.mark.parametrize("body", ["set", "jobcmd", "result", "reports"])


@pytest.mark.parametrize("text", ["secret", "-1", "1.0", str(HIGHEST + 1), "1 2", "0x10", "1e3", "\xd9\xa1", "1" * 50])
def test_a_jobix_is_a_whole_number(text: str) -> None:
    with pytest.raises(BadRequest):
        parsing.jobix(text)


@pytest.mark.parametrize("text", [None, "", " "])
def test_a_missing_jobix_has_its_own_error(text: str | None) -> None:
    with pytest.raises(JobixMissing):
        parsing.jobix(text)


@pytest.mark.parametrize(("text", "number"), [("0", 0), (str(HIGHEST), HIGHEST), (" 7 ", 7)])
def test_a_jobix_is_parsed(text: str, number: int) -> None:
    assert parsing.jobix(text) == number


@pytest.mark.parametrize("text", ["x", "-1", "1.0", "", " 1", "+1", str(HIGHEST + 1), "\u0661", "1" * 5000])
def test_a_whole_number_has_digits_only(text: str) -> None:
    with pytest.raises(BadRequest):
        parsing.whole_number(text, "jobid")


@bodies
def test_a_value_that_is_not_json_is_a_bad_request(body: str) -> None:
    for value in NOT_JSON:
        with pytest.raises(BadRequest):
            parse(value, body)


@bodies
def test_unusual_json_is_accepted(body: str) -> None:
    for value in JSON:
        parse(value, body)


@bodies
def test_doubtful_json_is_accepted_or_a_bad_request(body: str) -> None:
    for value in DOUBTFUL:
        try:
            parse(value, body)
        except BadRequest:
            continue


@pytest.mark.parametrize("key", ["x", "-1", "1.0", "", " 1", "01", "+1", str(HIGHEST + 1), "\u0661", "1" * 5000])
def test_a_job_id_in_a_set_is_a_whole_number(key: str) -> None:
    with pytest.raises(BadRequest):
        Submission(io.BytesIO(b'{"1": {}, "%s": {}}' % key.encode()))

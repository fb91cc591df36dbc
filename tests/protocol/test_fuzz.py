"""Random, nearly valid requests by hypothesis cause no internal error on any route."""

import json
import os
import urllib.parse
import zlib

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.raw_requests import check_response, send, without_fault

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))  # 0: a few fixed examples; else this number of random ones
FUZZ = settings(
    max_examples=EXAMPLES or 250,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
HELD = "h" * 32

NUMBERS = st.one_of(st.integers(0, 4).map(str), st.integers().map(str), st.floats().map(str))
WORDS = st.one_of(NUMBERS, st.text(max_size=12), st.binary(max_size=8))
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=70)
TOKENS = st.one_of(st.just(HELD), st.from_regex(r"[0-9A-Za-z]{14,66}", fullmatch=True), HEADER)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["jobid", "jobstage", "claim", "filename", "jobcmd", "result", "error", "priority"])
ENTRY = st.dictionaries(KEYS | st.text(max_size=4), st.integers(0, 4) | TOKENS | VALUE, max_size=5)
JSON = st.one_of(ENTRY, st.lists(ENTRY | VALUE, max_size=4), st.dictionaries(NUMBERS, ENTRY | VALUE, max_size=4), VALUE)
TEXTS = st.one_of(JSON.map(json.dumps), JSON.map(lambda value: json.dumps(value, ensure_ascii=False)))
PLAIN = TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=60)
BODIES = st.one_of(
    st.none(),
    PLAIN,
    PLAIN.map(zlib.compress),
    st.tuples(PLAIN.map(zlib.compress), st.integers(0, 40)).map(lambda cut: cut[0][: cut[1]]),
    st.tuples(PLAIN.map(zlib.compress), st.binary(max_size=9)).map(b"".join),
)
ROUTES = st.sampled_from([
    "/", "/init", "/init/{}", "/init/{}/{}", "/init/{}/{}/{}", "/set", "/get", "/get/{}", "/get/{}/{}", "/update_jobs",
    "/update_job/{}/{}", "/heartbeat", "/check_stages", "/check_stages/{}/{}", "/lifetime", "/lifetime/{}",
    "/lifetime/{}/{}", "/{}", "/static/{}",
])  # fmt: skip
QUERY = st.dictionaries(
    st.sampled_from(["n", "next", "requeue", "max_attempts", "name", "list"]) | st.text(max_size=5), WORDS, max_size=3
)


def quoted(word):
    """Quotes a word for a URL."""
    return urllib.parse.quote(word.encode("utf-8", "surrogatepass") if isinstance(word, str) else word, safe="")


@FUZZ
@given(
    method=st.sampled_from(["GET", "GET", "POST", "POST", "PUT", "HEAD", "OPTIONS", "DELETE"]),
    route=ROUTES,
    words=st.lists(WORDS, min_size=3, max_size=3),
    query=QUERY,
    wait=st.sampled_from([None, "0", "0.01", "-1", "nan", "x"]),
    headers=st.fixed_dictionaries(
        {"jobix": st.just("4711") | NUMBERS | HEADER},
        optional={"claim": TOKENS, "next-claim": TOKENS, "worker": HEADER, "Content-Encoding": HEADER},
    ),
    body=BODIES,
)
@example("POST", "/heartbeat", ["0"] * 3, {}, None, {"jobix": "4711"}, b'[{"jobid": 1, "claim": "\\u0000"}]')
def test_random_requests_cause_no_internal_error(shared, method, route, words, query, wait, headers, body):
    query_values = query | ({} if wait is None else {"wait": wait})
    path = route.format(*map(quoted, words)) + "?"
    path += "&".join(f"{quoted(name)}={quoted(value)}" for name, value in query_values.items())
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    log_start = shared.log.stat().st_size
    check_response(*send(shared, method, path, sent, body), method)
    without_fault(shared, log_start)

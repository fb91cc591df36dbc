"""Reads requests: numbers, tokens, names and bodies. What can't be read is a BadRequest that says so."""

import math
import re
from contextlib import suppress
from typing import Annotated, TypeVar

import msgspec

from jobserver.core.bounds import HIGHEST_NUMBER
from jobserver.core.claims import Report, Wish
from jobserver.core.errors import BadRequest
from jobserver.core.stages import require_available, require_target, working_stage
from jobserver.web import bodies
from jobserver.web.parsing import stage, whole
from jobserver.web.request import Call

T = TypeVar("T")

MAX_TOGETHER = 1000
MAX_WAIT_S = 60
MAX_NAME = 100
MAX_WORKER = 200
MAX_FILENAME = 4096
MAX_ERROR = 10_000
_TOKEN = re.compile(r"[0-9A-Za-z]{16,64}", re.ASCII)

Id = Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_NUMBER)]
Said = msgspec.Raw | msgspec.UnsetType


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """The body of /update_job."""

    filename: str | None = None
    jobcmd: Said = msgspec.UNSET
    result: Said = msgspec.UNSET
    error: str | None = None


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """One of the list that /update_jobs is sent."""

    jobid: Id
    jobstage: int
    claim: str | None = None
    filename: str | None = None
    jobcmd: Said = msgspec.UNSET
    result: Said = msgspec.UNSET
    error: str | None = None


class Held(msgspec.Struct, forbid_unknown_fields=True):
    """One of the list that /heartbeat is sent."""

    jobid: Id
    claim: str


def token(call: Call, header: str) -> str | None:
    """A token that the worker chose, from that header."""
    text = call.header(header)
    if text is not None and not _TOKEN.fullmatch(text):
        raise BadRequest(f"The header {header} is 16 to 64 letters and digits, a UUID's hex digits for example.")
    return text


def worker(call: Call) -> str | None:
    """The worker's name for itself."""
    text = call.header("worker")
    if text is None:
        return None
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")  # how WSGI hands over a header, and how clients send one
    if len(text) > MAX_WORKER or not text.isprintable():
        raise BadRequest(f"The header worker is at most {MAX_WORKER} printable characters, host:pid for example.")
    return text


def wish(call: Call, stage_text: str, work_text: str | None, claim: str | None) -> Wish:
    """What is to be claimed."""
    from_stage = require_available(stage(stage_text))
    work = working_stage(from_stage, None if work_text is None else stage(work_text))
    return Wish(from_stage, work, together(call) or 1, claim, worker(call))


def following(call: Call) -> Wish | None:
    """What `?next=` asks to claim, if it does."""
    text = call.args.get("next")
    return None if text is None else wish(call, text, None, token(call, "next-claim"))


def together(call: Call) -> int | None:
    """`?n=`, if it is given."""
    text = call.args.get("n")
    if text is None:
        return None
    n = whole(text, "n", MAX_TOGETHER)
    if n == 0:
        raise BadRequest(f"n is a whole number from 1 to {MAX_TOGETHER}, not 0.")
    return n


def wait_s(call: Call) -> float:
    """`?wait=`, in seconds."""
    text = call.args.get("wait", "0")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= MAX_WAIT_S:
        raise BadRequest(f"wait is a number of seconds from 0 to {MAX_WAIT_S}, not {text[:40]!r}.")
    return value


def name(call: Call) -> str | None:
    """`?name=`, a list's public name."""
    text = call.args.get("name")
    if text is not None and not (0 < len(text) <= MAX_NAME and text.isprintable() and text == text.strip()):
        raise BadRequest(f"name is 1 to {MAX_NAME} printable characters, without spaces at its ends.")
    return text


def body(call: Call, kind: type[T]) -> T | None:
    """The body as that type; None if there is none."""
    if not call.has_body:
        return None
    raw = bodies.read(call.stream, call.max_bytes)
    if not raw.strip():
        return None
    try:
        raw.decode("utf-8")
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The body is not as it should be: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise BadRequest("The body is nested too deep.") from error


def reports(entries: list[Entry]) -> list[Report | BadRequest]:
    """Workers' reports, each checked alone: the report, or what is wrong with it."""

    def checked(entry: Entry) -> Report | BadRequest:
        try:
            if entry.claim is not None and not _TOKEN.fullmatch(entry.claim):
                raise BadRequest("claim is the token that came with the job: 16 to 64 letters and digits.")
            return report(entry, entry.jobid, entry.jobstage, entry.claim)
        except BadRequest as error:
            return error

    return [checked(entry) for entry in entries]


def held(call: Call) -> list[tuple[int, str]]:
    """The claims that a heartbeat names. What is no token at all holds nothing."""
    found = body(call, list[Held]) or []
    return [(one.jobid, one.claim if _TOKEN.fullmatch(one.claim) else "") for one in found]


def report(said: Body | Entry, jobid: int, target: int, claim: str | None) -> Report:
    """A worker's report, checked."""
    for what, text in (("filename", said.filename), ("error", said.error)):
        if text is not None and "\x00" in text:
            raise BadRequest(f"{what} holds a NUL character; leave it out.")
    if said.filename is not None and len(said.filename) > MAX_FILENAME:
        raise BadRequest(f"filename is longer than {MAX_FILENAME} characters.")
    return Report(
        jobid,
        require_target(target),
        claim,
        said.filename,
        _text(said.jobcmd),
        _text(said.result),
        None if said.error is None else said.error[:MAX_ERROR],
    )


def _text(said: Said) -> str | None:
    return None if said is msgspec.UNSET else bytes(said).decode()

"""The rules of a working stage: the check of a result, and the agreement of results from several hosts. Pure.

Workers run the check and compare results by a command; the server decides which result it accepts.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from jobserver.core.errors import BadRequest

MIN_RESULTS, MAX_RESULTS = 2, 10
TRUSTED_AFTER = 10  # agreeing results in a row, as in BOINC
LEAST_SPOT_CHECKS = 0.01  # of the results of a trusted host
_EXACT = 2**53  # floats below it express every whole number

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
Words = Annotated[list[Word], msgspec.Meta(min_length=1, max_length=100)]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class OutputRule(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What the output files of a job must fulfil. Sizes in bytes."""

    non_empty: bool = False
    min_bytes: Bytes | None = None
    max_bytes: Bytes | None = None


class Check(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The check of a result: a command that ends with exit code 0, a JSON schema, rules for output files; all of those
    that are given must pass."""

    command: Word | Words | None = None
    schema: dict[str, Any] | None = None
    outputs: OutputRule | None = None


class Replication(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A job needs `results` agreeing results from different hosts. `compare`: how results agree; words: a command.
    `adaptive`: a single result of a trusted host is enough, except for spot checks."""

    results: Annotated[int, msgspec.Meta(ge=MIN_RESULTS, le=MAX_RESULTS)]
    compare: Literal["json", "sha256"] | Words = "json"
    adaptive: bool = True

    @property
    def has_command(self) -> bool:
        """Whether a worker compares the results."""
        return not isinstance(self.compare, str)


class Rules(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The rules of one working stage. `set_aside`: hosts whose jobs fail get no jobs (core/host_health.py)."""

    check: Check | None = None
    replication: Replication | None = None
    set_aside: bool = False

    def __bool__(self) -> bool:
        return self.check is not None or self.replication is not None or self.set_aside


class RulesChange(msgspec.Struct, forbid_unknown_fields=True):
    """A change of the rules of a stage: an absent key changes nothing, null or false removes the rule."""

    check: Check | msgspec.UnsetType | None = msgspec.UNSET
    replication: Replication | msgspec.UnsetType | None = msgspec.UNSET
    set_aside: bool | msgspec.UnsetType = msgspec.UNSET


class Replica(NamedTuple):
    """The result of one host for a job. Results with the same `same_as` agree."""

    number: int
    host: str
    same_as: str


class Agreement(NamedTuple):
    """The decision about the results of a job. `winner`: the earliest of the agreeing results."""

    winner: Replica
    agreed: list[str]  # hosts
    disagreed: list[str]


def changed(rules: Rules, change: RulesChange) -> Rules:
    """Returns the rules after a change; BadRequest if a check or a rule for outputs is empty, or contradicts itself."""
    check = rules.check if change.check is msgspec.UNSET else change.check
    replication = rules.replication if change.replication is msgspec.UNSET else change.replication
    if check == Check():
        raise BadRequest("check needs at least one of command, schema and outputs; null removes the check.")
    if check is not None and check.outputs is not None:
        _require_consistent(check.outputs)
    return Rules(check, replication, rules.set_aside if change.set_aside is msgspec.UNSET else change.set_aside)


def _require_consistent(rule: OutputRule) -> None:
    if rule == OutputRule():
        raise BadRequest("check.outputs needs at least one of non_empty, min_bytes and max_bytes.")
    least = max(rule.min_bytes or 0, int(rule.non_empty))
    if rule.max_bytes is not None and rule.max_bytes < least:
        raise BadRequest(f"check.outputs allows no file: max_bytes {rule.max_bytes} is below {least}.")


def describe(rules: Rules) -> str:
    """Describes the rules for the history of a list."""
    parts = [] if rules.check is None else ["check"]
    if rules.replication is not None:
        parts.append(f"{rules.replication.results} agreeing results")
    if rules.set_aside:
        parts.append("sets hosts aside")
    return ", ".join(parts) or "no rules"


def encode(rules: Rules) -> str | None:
    """Returns the rules as JSON text; None without rules."""
    return msgspec.json.encode(rules).decode() if rules else None


def decode(text: str | None) -> Rules:
    """Parses stored rules."""
    return msgspec.json.decode(text, type=Rules) if text else Rules()


def host_of(worker: str | None) -> str | None:
    """Returns the host of a worker: its name up to the last colon (`node3` of `node3:812`), or the whole name without a
    colon. None if that is empty."""
    return (worker or "").rsplit(":", 1)[0].strip() or None


def json_key(result: str | None, jobcmd: str | None) -> str:
    """Returns a key that is the same for equal JSON values: the order of keys, spaces, and 1.0 for 1 do not matter. A
    missing value equals null. `jobcmd`: for the next stage."""
    try:
        value = json.loads(f"[{result or 'null'},{jobcmd or 'null'}]", parse_float=_number)
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except RecursionError as error:
        raise BadRequest("The result is nested too deeply to be compared.") from error
    return hashlib.sha256(canonical.encode()).hexdigest()


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


def outputs_key(outputs: str | None) -> str:
    """Returns a key that is the same for output files with the same content, in the same order. BadRequest without
    outputs."""
    files = json.loads(outputs or "[]")
    if not files:
        raise BadRequest(
            "This stage compares the sha256 of output files: a report to the next stage needs the key outputs."
        )
    return hashlib.sha256("\n".join(file["sha256"] for file in files).encode()).hexdigest()


def agreement(replicas: Iterable[Replica], results: int) -> Agreement | None:
    """Returns the decision if that many results agree. `replicas`: of different hosts, earliest first."""
    several = list(replicas)
    groups: dict[str, list[Replica]] = defaultdict(list)
    for replica in several:
        groups[replica.same_as].append(replica)
    for group in groups.values():
        if len(group) >= results:
            agreed = [replica.host for replica in group]
            return Agreement(group[0], agreed, [one.host for one in several if one.same_as != group[0].same_as])
    return None


def evidence(replicas: Sequence[Replica], results: int) -> str:
    """Describes results that do not agree, for a person."""
    groups: dict[str, list[str]] = defaultdict(list)
    for replica in replicas:
        groups[replica.same_as].append(replica.host)
    lines = [f"result {number}: {', '.join(hosts)}" for number, hosts in enumerate(groups.values(), start=1)]
    return f"{len(replicas)} results, and no {results} of them agree.\n" + "\n".join(lines)


def spot_check_share(agreed: int) -> float:
    """Returns the share of a trusted host's results that another host repeats: 1 / agreed, at least 1 %."""
    return max(1 / agreed, LEAST_SPOT_CHECKS)


def is_enough(replication: Replication, agreed: int, draw: float) -> bool:
    """Returns whether a first result of a host is accepted without another one. `agreed`: its agreeing results in a
    row. `draw`: a random number from 0 to 1."""
    return replication.adaptive and agreed >= TRUSTED_AFTER and draw >= spot_check_share(agreed)

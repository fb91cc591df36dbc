"""The command about the rules of a stage: its check, its replication, and hosts that are set aside."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import shtab

from ..api.responses import Rules
from ..api.types import UNSET
from ..errors import BadSource
from ..worker.checking import make_validator
from .context import connect, require_list
from .output import JSON, OK, print_json, say
from .values import whole

if TYPE_CHECKING:  # a copy of this folder alone must work
    from job_manager_wire import shapes

Add = Callable[..., argparse.ArgumentParser]


def add_stage(add: Add) -> None:
    """Adds `stage`."""
    command = add("stage", "show the rules of a stage, such as its check; with options set them", stage, json=JSON)
    command.add_argument("stage", type=whole, help="the odd stage in which jobs are worked on")
    check = command.add_argument_group("check, which each result must pass")
    check.add_argument(
        "--check", metavar="COMMAND", help="exit code 0 passes; in quotes: 'validate {output}', 'validate {result}'"
    )
    schema = check.add_argument("--schema", metavar="FILE", help="a JSON schema for the result")
    schema.complete = shtab.FILE  # type: ignore[attr-defined]
    check.add_argument("--outputs-non-empty", action="store_true", help="no output file is empty")
    check.add_argument("--outputs-min-bytes", type=whole, metavar="N", help="the least size of each output file")
    check.add_argument("--outputs-max-bytes", type=whole, metavar="N", help="the largest size of each output file")
    replication = command.add_argument_group("replication on several hosts")
    replication.add_argument("--replicate", type=whole, metavar="N", help="how many hosts must agree, 2 to 10")
    replication.add_argument(
        "--compare",
        metavar="HOW",
        help="json (default): the results; sha256: the output files; "
        "or a command in quotes: 'near {mine} {other}', 'cmp {mine_file} {other_file}'",
    )
    replication.add_argument("--no-trust", action="store_true", help="compare each result, also of trusted hosts")
    command.add_argument(
        "--set-aside", choices=["on", "off"], help="give no jobs to hosts whose jobs fail or end suspiciously fast"
    )
    command.add_argument("--no-rules", action="store_true", help="remove all rules that are not given")


def stage(arguments: argparse.Namespace) -> int:
    """Shows or sets the rules of a stage."""
    check, replication = _check(arguments), _replication(arguments)
    client = connect(arguments)
    require_list(client)
    nothing = None if arguments.no_rules else UNSET
    set_aside = False if arguments.no_rules else None
    if arguments.set_aside is not None:
        set_aside = arguments.set_aside == "on"
    rules = client.rules(
        arguments.stage, check=check or nothing, replication=replication or nothing, set_aside=set_aside
    )
    if arguments.json:
        print_json(asdict(rules))
    else:
        for line in _describe(rules):
            say(line)
    return OK


def _check(arguments: argparse.Namespace) -> shapes.Check | None:
    check: shapes.Check = {}
    outputs: shapes.OutputRule = {}
    if arguments.check is not None:
        check["command"] = arguments.check
    if arguments.schema is not None:
        check["schema"] = _schema(arguments.schema)
    if arguments.outputs_non_empty:
        outputs["non_empty"] = True
    if arguments.outputs_min_bytes is not None:
        outputs["min_bytes"] = arguments.outputs_min_bytes
    if arguments.outputs_max_bytes is not None:
        outputs["max_bytes"] = arguments.outputs_max_bytes
    if outputs:
        check["outputs"] = outputs
    return check or None


def _schema(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            schema = json.load(file)
    except (OSError, ValueError, RecursionError) as problem:
        raise BadSource(f"{path} cannot be read as JSON: {problem}") from problem
    if not isinstance(schema, dict):
        raise BadSource(f"{path} must contain a JSON schema, which is an object")
    make_validator(schema)
    return schema


def _replication(arguments: argparse.Namespace) -> shapes.Replication | None:
    if arguments.replicate is None:
        if arguments.compare is not None or arguments.no_trust:
            raise BadSource("--compare and --no-trust need --replicate N")
        return None
    rule: shapes.Replication = {"results": arguments.replicate}
    if arguments.compare is not None:
        how = arguments.compare
        rule["compare"] = how if how in ("json", "sha256") else shlex.split(how)
    if arguments.no_trust:
        rule["adaptive"] = False
    return rule


def _describe(rules: Rules) -> list[str]:
    lines = []
    check, replication = rules.check or {}, rules.replication
    if "command" in check:
        command = check["command"]
        lines.append(f"check: {command if isinstance(command, str) else shlex.join(command)}")
    if "schema" in check:
        lines.append(f"schema of the result: {json.dumps(check['schema'])}")
    if "outputs" in check:
        lines.append("output files: " + ", ".join(f"{name} {value}" for name, value in check["outputs"].items()))
    if replication is not None:
        how = replication.get("compare", "json")
        trust = "a trusted host is enough" if replication.get("adaptive", True) else "trusts no host"
        shown = how if isinstance(how, str) else shlex.join(how)
        lines.append(f"replication: {replication['results']} hosts must agree, compared by {shown}; {trust}")
    if rules.set_aside:
        lines.append("sets hosts aside whose jobs fail or end suspiciously fast")
    return [f"stage {rules.stage}: {line}" for line in lines] or [f"stage {rules.stage} has no rules"]

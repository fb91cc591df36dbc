"""The command line's words: each command and option of `python -m client`."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from .version import version

DEFAULT_URL = "http://127.0.0.1:5000"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"not JSON ({problem}); text goes in double quotes: '\"text\"'") from problem


def _stage_or_none(text: str) -> int | None:
    if text == "none":
        return None
    try:
        return int(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a stage nor none") from problem


class _Command(argparse.ArgumentParser):
    """The parser of a command. Options may stand between its positionals, which argparse doesn't allow by itself."""

    _intermixed = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse calls it below a command; the way of mixing them that it has comes back here."""
        if self._intermixed:
            return super().parse_known_args(args, namespace)
        self._intermixed = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixed = False


def _common() -> _Command:
    """What every command takes. No defaults here: the subparser's would win over what stands before the command."""
    common = _Command(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--url", help=f"the server, else JOBSERVER_URL, else {DEFAULT_URL}")
    secret = common.add_mutually_exclusive_group()
    secret.add_argument("--jobix-file", metavar="FILE", help="file with the job list's secret number")
    secret.add_argument("--jobix", metavar="N", help="the secret itself (ps shows it!), else JOBSERVER_JOBIX")
    common.add_argument("--ca-file", metavar="FILE", help="PEM of the authority that signed the server's certificate")
    common.add_argument(
        "--retry-for-s", type=float, metavar="S", help="how long to try again when the server is away (default 300)"
    )
    return common


def default_url() -> str:
    """The server where no --url is given."""
    return os.environ.get("JOBSERVER_URL", DEFAULT_URL)


def parser() -> argparse.ArgumentParser:
    """The whole command line, but for the command that `work` runs (all after --)."""
    common = _common()
    top = argparse.ArgumentParser(prog="python -m client", description="Talk to a job server.", parents=[common])
    top.add_argument("--version", action="version", version=f"job_manager {version()}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Command)

    def command(name: str, says: str, usage: str | None = None) -> argparse.ArgumentParser:
        """The parser of one command."""
        return commands.add_parser(name, help=says, description=says, parents=[common], usage=usage)

    def with_json(one: argparse.ArgumentParser) -> None:
        """Adds --json."""
        one.add_argument("--json", action="store_true", help="print the answer as one line of JSON")

    init = command("init", "create a job list; a --jobix-file that isn't there is made")
    init.add_argument("minutes", nargs="*", type=float, help="lifetime of stage 0, 1, …; 0 is for ever")
    init.add_argument("--name", help="the list's public name")
    init.add_argument(
        "--requeue", action="store_true", help="jobs that expire in an odd stage go back to the even one below"
    )

    add = command("set", "add jobs to the list; ids that it knows are left alone")
    add.add_argument("source", nargs="?", help="a .json, .jsonl, .ndjson or .csv file")
    add.add_argument("--files", metavar="PATTERN", help="a job a file, in quotes: 'data/*.fits'")

    get = command("get", "claim a job and print it")
    get.add_argument("stage", type=int, help="the even stage to take it from")
    get.add_argument("working_stage", type=int, nargs="?", help="the odd stage to move it to (default: stage + 1)")
    get.add_argument("--wait-s", type=float, default=0.0, metavar="S", help="wait for a job, up to 60 s")
    with_json(get)

    update = command("update", "end a claim: move a job to an even stage")
    update.add_argument("jobid", type=int)
    update.add_argument("next_stage", type=int)
    update.add_argument("--claim", metavar="TOKEN", help="the claim that get printed")
    update.add_argument("--filename", help="path of the output")
    update.add_argument("--result", type=_json, metavar="JSON", default=argparse.SUPPRESS, help="kept with the job")
    update.add_argument("--jobcmd", type=_json, metavar="JSON", default=argparse.SUPPRESS, help="for the next stage")
    update.add_argument("--error", metavar="TEXT", help="why the attempt failed; with a lower stage")
    with_json(update)

    work = command(
        "work",
        "work on jobs: python -m client work 0 -- fit {jobcmd[file]} --out {jobid}.npy",
        usage="%(prog)s [options] stage [working_stage] -- COMMAND …",
    )
    work.add_argument("stage", type=int, help="the even stage to take jobs from")
    work.add_argument("working_stage", type=int, nargs="?", help="the odd stage to work in (default: stage + 1)")
    work.add_argument("--wait-s", type=float, default=0.0, metavar="S", help="wait up to 60 s for a job, then end")
    work.add_argument("--forever", action="store_true", help="go on waiting when there is no job")
    work.add_argument("--filename", metavar="TEMPLATE", help="path of the output, with the same fields")

    check = command("check", "flag overdue jobs; with OLD and NEW move the flagged ones back")
    check.add_argument("old", type=int, nargs="?", help="the stage to take flagged jobs from")
    check.add_argument("new", type=int, nargs="?", help="the lower even stage to move them to")
    with_json(check)

    lifetime = command("lifetime", "show a stage's lifetime; with MINUTES or an option set it")
    lifetime.add_argument("stage", type=int)
    lifetime.add_argument("minutes", type=float, nargs="?", help="0 is for ever")
    lifetime.add_argument(
        "--requeue",
        type=_stage_or_none,
        metavar="STAGE",
        default=argparse.SUPPRESS,
        help="even stage that expired jobs go back to; none: they are flagged",
    )
    lifetime.add_argument("--max-attempts", type=int, metavar="N", help="then a job has failed (0: no bound)")
    with_json(lifetime)

    command("watch", "show the list's progress until all is done")
    return top


def parse(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The arguments, and the command line after the first `--`, which argparse must not touch."""
    cut = words.index("--") if "--" in words else len(words)
    top = parser()
    arguments = argparse.Namespace(url=default_url(), jobix=None, jobix_file=None)
    arguments.ca_file, arguments.retry_for_s = None, 300.0
    top.parse_args(words[:cut], arguments)
    if (arguments.command == "work") != (cut < len(words) - 1):
        top.error("the command to run stands at the end of `work`, after --: work 0 -- fit {jobcmd[file]}")
    if arguments.command == "set" and (arguments.source is None) == (arguments.files is None):
        top.error("set takes a file, or --files PATTERN in quotes")
    if arguments.command == "check" and (arguments.old is None) != (arguments.new is None):
        top.error("check takes both OLD and NEW, or neither")
    return arguments, words[cut + 1 :]

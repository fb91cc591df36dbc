"""Commands about the program itself: login, logout, context, completion."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from typing import Any

import shtab

from ..api.job_client import JobClient
from ..http.transport import without_password
from . import context, output

Add = Callable[..., argparse.ArgumentParser]

SHELLS = ("bash", "zsh", "fish")


def add_login(add: Add) -> None:
    """Adds `login`."""
    command = add("login", "save URL and secret key of a list, so that other commands need no options", login)
    command.add_argument("server", metavar="URL", help="URL of the server")


def add_logout(add: Add) -> None:
    """Adds `logout`."""
    add("logout", "delete what login saved", logout)


def add_context(add: Add) -> None:
    """Adds `context`."""
    add("context", "show which server and secret key are used, and where they come from", show, json="print JSON")


def add_completion(add: Add) -> None:
    """Adds `completion`."""
    command = add("completion", 'print the completion script of a shell: eval "$(jm completion bash)"', completion)
    command.add_argument("shell", choices=SHELLS, help="the shell")


def login(arguments: argparse.Namespace) -> int:
    """Checks that the server has a list with the key, then saves both."""
    if arguments.jobix is not None or arguments.jobix_file is not None:
        jobix = context.find_context(arguments).jobix
    else:
        jobix = context.parse_jobix(_read_key())
    assert jobix is not None
    url, ca_file = arguments.server, arguments.ca_file and os.path.abspath(arguments.ca_file)
    retry_for_s = context.BRIEF_RETRY_S if arguments.retry_for_s is None else arguments.retry_for_s
    progress = context.require_list(JobClient(url, jobix, ca_file=ca_file, retry_for_s=retry_for_s))
    path = context.save(context.Saved(url, jobix, ca_file))
    output.say(f"saved in {path}: list {progress.name} at {without_password(url)}")
    return 0


def _read_key() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("secret key (jobix): ")
    return sys.stdin.readline(100)


def logout(_arguments: argparse.Namespace) -> int:
    """Deletes the saved context."""
    deleted = context.delete()
    output.say(f"deleted {context.context_path()}" if deleted else "nothing was saved")
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Prints what other commands would use; never the key itself."""
    used = context.find_context(arguments)
    fields: dict[str, Any] = {
        "url": without_password(used.url),
        "url_source": used.url_source,
        "jobix_given": used.jobix is not None,
        "jobix_source": used.jobix_source or None,
        "ca_file": used.ca_file,
        "context_file": context.context_path(),
    }
    if arguments.json:
        output.print_json(fields)
        return 0
    output.say(f"server:     {fields['url']} ({_origin(used.url_source)})")
    key = (
        _origin(used.jobix_source)
        if used.jobix is not None
        else f"none {used.jobix_source and f'({used.jobix_source})'}"
    )
    output.say(f"secret key: {key}".rstrip())
    if used.ca_file:
        output.say(f"CA file:    {used.ca_file} ({_origin(used.ca_source)})")
    return 0


def _origin(source: str) -> str:
    return {"default": "the default", "jm login": "saved by jm login"}.get(source, f"from {source}")


def completion(arguments: argparse.Namespace) -> int:
    """Prints the script."""
    print(shtab.complete(arguments.parser, shell=arguments.shell))
    return 0

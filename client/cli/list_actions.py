"""Commands on a whole list: archive, restore and delete it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from .context import connect, require_list
from .output import NEGATIVE, OK, say

Add = Callable[..., argparse.ArgumentParser]


def add_archive(add: Add) -> None:
    """Adds `archive`."""
    command = add("archive", "make the list read-only and hide it; no worker gets its jobs until `jm restore`", archive)
    command.add_argument("--force", action="store_true", help="also while workers hold jobs, which may finish")


def add_restore(add: Add) -> None:
    """Adds `restore`."""
    add("restore", "restore the archived list", restore)


def add_delete_list(add: Add) -> None:
    """Adds `delete-list`."""
    command = add("delete-list", "delete the list, its jobs and their history; this cannot be undone", delete_list)
    command.add_argument("name", metavar="LIST", nargs="?", help="the name of the list, as a confirmation")
    command.add_argument("--yes", action="store_true", help="do not ask for confirmation; needs LIST")
    command.add_argument("--force", action="store_true", help="also while workers hold jobs, which they lose")


def archive(arguments: argparse.Namespace) -> int:
    """Archives the list."""
    client = connect(arguments)
    name = require_list(client).name
    client.archive_list(force=arguments.force)
    say(f"list {name} is archived")
    return OK


def restore(arguments: argparse.Namespace) -> int:
    """Restores the list."""
    client = connect(arguments)
    name = require_list(client).name
    client.restore_list()
    say(f"list {name} is restored")
    return OK


def delete_list(arguments: argparse.Namespace) -> int:
    """Deletes the list after a confirmation by its name."""
    client = connect(arguments)
    progress = require_list(client)
    name = progress.name
    if arguments.name not in (None, name):
        raise ValueError(f"the list of this jobix is named {name}, not {arguments.name}. Nothing was deleted")
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise ValueError("`jm delete-list` asks for confirmation in a terminal; elsewhere it needs LIST --yes")
        say(f"Delete list {name} with {progress.jobs} jobs and their history? Type its name to confirm:", sys.stderr)
        if sys.stdin.readline().rstrip("\n") != name:
            say("nothing was deleted", sys.stderr)
            return NEGATIVE
    elif arguments.name is None:
        raise ValueError(f"--yes needs the name of the list: jm delete-list {name} --yes")
    client.delete_list(name, force=arguments.force)
    say(f"list {name} is deleted")
    return OK

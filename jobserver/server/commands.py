"""The commands and their output: tables for people, JSON for programs."""

import argparse
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from flask import Flask
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobserver.core.bounds import HIGHEST_NUMBER
from jobserver.core.errors import CannotStart, NoSuchList
from jobserver.core.lifetimes import Lifetime, minutes, timestamp
from jobserver.core.lists import JobList
from jobserver.core.operations import Target
from jobserver.core.settings import Settings
from jobserver.jobs.clock import now_ms
from jobserver.server.settings import key_file, secret_key
from jobserver.store import backup, schema
from jobserver.store.database_file import create_file, make_file
from jobserver.store.location import exists, refuse_missing, refuse_unfit, sqlite_file
from jobserver.store.queries import listing, lists, statistics
from jobserver.store.queries.checking import problems
from jobserver.web.services import NAME, Services

MAX_FLAGGED = 20


def run(options: argparse.Namespace, settings: Settings, create_app: Callable[[Settings], Flask]) -> int:
    """Runs a command; returns its exit code."""
    if options.command == "db" and options.action == "upgrade":
        return _upgrade(options, settings)
    if options.command == "db" and options.action == "create":
        return _create(options, settings)
    if options.command in ("backup", "restore"):
        return _back_up(options, settings) if options.command == "backup" else _restore(options, settings)
    refuse_missing(settings)
    services: Services = create_app(settings).extensions[NAME]
    command: Callable[[argparse.Namespace, Services], int] = {
        "db": _check, "lists": _lists, "status": _status, "sweep": _sweep, "cancel": _cancel,
    }[options.command]  # fmt: skip
    try:
        return command(options, services)
    finally:
        services.commit_queue.close()
        services.database.close()


def _upgrade(options: argparse.Namespace, settings: Settings) -> int:
    refuse_missing(settings)
    refuse_unfit(settings)
    make_file(settings, key_file(settings))
    before, head = schema.revision(settings)
    schema.prepare(settings, secret_key(settings), upgrade=True)
    message = "The tables are up to date" if before == head else "The tables were upgraded"
    _print(options, {"before": before, "now": head}, f"{message} ({head}).")
    return 0


def _create(options: argparse.Namespace, settings: Settings) -> int:
    refuse_unfit(settings)
    file = sqlite_file(settings)
    if file is not None:
        if exists(file):
            raise CannotStart(f"There is a database at {file} already. Nothing was changed.")
        create_file(file)
    elif schema.revision(settings)[0] is not None:
        raise CannotStart("The database of JOBSERVER_DATABASE_URI has the tables already. Nothing was changed.")
    schema.prepare(settings, secret_key(settings))
    _print(options, {"created": True}, "An empty database was created.")
    return 0


def _back_up(options: argparse.Namespace, settings: Settings) -> int:
    backup.back_up(settings, Path(options.file))
    message = f"The database was copied to {options.file}."
    if not settings.secret_key:
        message += f" Keep {key_file(settings)} with it: without that key no list can be found."
    _print(options, {"backup": options.file}, message)
    return 0


def _restore(options: argparse.Namespace, settings: Settings) -> int:
    if sqlite_file(settings) and not settings.secret_key and not exists(key_file(settings)):
        raise CannotStart(
            f"There is no secret key at {key_file(settings)}. Put the key of the backed-up server there, or name it in"
            " JOBSERVER_SECRET_KEY, then restore. Nothing was changed."
        )
    key = "" if sqlite_file(settings) is None else secret_key(settings)
    old_file = backup.restore(settings, Path(options.file), key)
    message = f"The database was restored from {options.file}." + (
        f" The old database is {old_file}." if old_file else ""
    )
    _print(options, {"restored": options.file, "old": str(old_file) if old_file else None}, message)
    return 0


def _check(options: argparse.Namespace, services: Services) -> int:
    lines = services.database.look(problems)
    _print(
        options, {"ok": not lines, "problems": lines}, "\n".join(lines) or "No problems: counters, orphans, indexes."
    )
    return 1 if lines else 0


def _lists(options: argparse.Namespace, services: Services) -> int:
    all_progress = [
        statistics.progress(services.database, job_list)
        for job_list in lists.all_lists(services.database.read)
        if options.archived or not job_list.archived
    ]
    cancelled = ["cancelled"] if any(progress.cancelled for progress in all_progress) else []
    rows = [
        [
            f"{progress.name} (archived)" if progress.archived else progress.name,
            f"{progress.percent:g} %",
            progress.jobs,
            progress.available,
            progress.working,
            progress.done,
            progress.flagged - progress.ended,
            progress.failed,
            *([progress.cancelled] if cancelled else []),
        ]
        for progress in all_progress
    ]
    columns = ["list", "progress", "jobs", "available", "working", "done", "expired", "failed", *cancelled]
    _print(
        options,
        [progress.as_response() for progress in all_progress],
        _table(columns, rows) if rows else "No lists yet.",
    )
    return 0


def _status(options: argparse.Namespace, services: Services) -> int:
    job_list, database, now = _named(options.list, services), services.database, now_ms()
    progress = statistics.progress(database, job_list)
    stored = lists.lifetimes(database.read, job_list.id)
    flagged = database.look(lambda connection: listing.flagged(connection.all, job_list.id, MAX_FLAGGED))
    if options.json:
        late = [job._asdict() | {"since": timestamp(job.since), "deadline": timestamp(job.deadline)} for job in flagged]
        lifetimes = {str(stage): lifetime.as_response() for stage, lifetime in stored.items()}
        _print(options, progress.as_response() | {"lifetimes": lifetimes, "expired_jobs": late}, "")
        return 0
    _print(options, None, f"{progress.name}: {progress.percent:g} % done, {progress.done:,} of {progress.jobs:,} jobs")
    cancelled = ["cancelled"] if progress.cancelled else []
    rows = []
    for stage, count in progress.stages.items():
        meaning = "working" if stage % 2 else "done" if stage >= progress.last_stage else "waiting"
        lifetime = minutes(stored.get(stage, Lifetime(stage)).lifetime_ms) or "no limit"
        of_stage = [count.cancelled] if cancelled else []
        rows.append([stage, meaning, count.jobs, count.expired, count.failed, *of_stage, lifetime])
    _print(options, None, _table(["stage", "", "jobs", "expired", "failed", *cancelled, "lifetime (min)"], rows))
    if flagged:
        late_rows = [
            [
                job.jobid,
                job.stage,
                job.outcome if job.failed else "expired",
                _age(now - job.since),
                job.worker,
                job.error,
            ]
            for job in flagged
        ]
        _print(options, None, _table(["job", "stage", "", "age", "worker", "last error"], late_rows))
    return 0


def _sweep(options: argparse.Namespace, services: Services) -> int:
    swept = services.expiry.sweep()
    _print(options, {"swept": swept}, f"{swept} overdue jobs were flagged, failed or requeued.")
    return 0


def _cancel(options: argparse.Namespace, services: Services) -> int:
    job_list, jobid = _named(options.list, services), options.jobid
    changes = services.operator.cancel(job_list, [Target(min(max(jobid, -1), HIGHEST_NUMBER))], "operator")
    message = "The job was cancelled." if changes.jobs else "Its worker stops it at the next heartbeat."
    if changes.refused:
        message = f"{changes.refused[0].error} Nothing was changed."
    _print(options, {"cancelled": not changes.refused}, message)
    return 1 if changes.refused else 0


def _age(ms: int) -> str:
    """Formats the time since a change of stage as H:MM:SS, with days if needed."""
    return str(timedelta(seconds=max(0, ms) // 1000))


def _named(name: str, services: Services) -> JobList:
    job_list = lists.by_name(services.database.read, name)
    if job_list is None:
        names = ", ".join(job_list.name for job_list in lists.all_lists(services.database.read)) or "none yet"
        raise NoSuchList(f"No list is named {name!r}. Lists: {names}.")
    return job_list


class _Terminal(Console):
    """A console that leaves a broken pipe to cli.py; Rich's would exit."""

    def on_broken_pipe(self) -> None:
        """Raises BrokenPipeError."""
        raise BrokenPipeError


def _print(options: argparse.Namespace, for_programs: Any, for_people: Any) -> None:
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(for_programs)).decode())
    else:
        terminal = _Terminal(highlight=False, emoji=False)
        keep_lines = isinstance(for_people, str) and not terminal.is_terminal  # a pipe or a file has no width
        terminal.print(for_people, markup=False, soft_wrap=keep_lines)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    return table


def _plain(cell: object) -> Text:
    """Converts a cell to plain text: without markup and without control characters of the terminal."""
    text = f"{cell:,}" if isinstance(cell, int) else "" if cell is None else str(cell)
    return Text("".join(char if char.isprintable() else " " for char in text))

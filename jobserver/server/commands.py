"""What the commands do, and how they show it: tables for people, JSON for programs."""

import argparse
from collections.abc import Callable, Sequence
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
from jobserver.core.settings import Settings
from jobserver.jobs.clock import now_ms
from jobserver.server import backup
from jobserver.server.secret_key import key_file, secret_key
from jobserver.store import schema
from jobserver.store.database_file import create_file
from jobserver.store.filesystems import refuse_missing, refuse_unfit
from jobserver.store.location import sqlite_file
from jobserver.store.queries import listing, lists, reports
from jobserver.store.queries.checking import problems
from jobserver.web.services import NAME, Services

SHOWN = 20


def run(chosen: argparse.Namespace, settings: Settings, create_app: Callable[[Settings], Flask]) -> int:
    """Runs the command; its exit code."""
    if chosen.command == "db" and chosen.action == "upgrade":
        return _upgrade(chosen, settings)
    if chosen.command == "db" and chosen.action == "create":
        return _create(chosen, settings)
    if chosen.command in ("backup", "restore"):
        return _back_up(chosen, settings) if chosen.command == "backup" else _restore(chosen, settings)
    refuse_missing(settings)
    services: Services = create_app(settings).extensions[NAME]
    command: Callable[[argparse.Namespace, Services], int] = {
        "db": _check, "lists": _lists, "status": _status, "sweep": _sweep, "cancel": _cancel,
    }[chosen.command]  # fmt: skip
    try:
        return command(chosen, services)
    finally:
        services.commit_queue.close()
        services.database.close()


def _upgrade(chosen: argparse.Namespace, settings: Settings) -> int:
    refuse_unfit(settings)
    before, head = schema.revision(settings)
    schema.prepare(settings, secret_key(settings), upgrade=True)
    said = "The tables are up to date" if before == head else "The tables were brought up to date"
    _say(chosen, {"before": before, "now": head}, f"{said} ({head}).")
    return 0


def _create(chosen: argparse.Namespace, settings: Settings) -> int:
    refuse_unfit(settings)
    file = sqlite_file(settings)
    if file is not None:
        if file.exists():
            raise CannotStart(f"There is a database at {file} already; nothing was changed.")
        create_file(file)
    schema.prepare(settings, secret_key(settings))
    _say(chosen, {"created": True}, "An empty database was created.")
    return 0


def _back_up(chosen: argparse.Namespace, settings: Settings) -> int:
    backup.back_up(settings, Path(chosen.file))
    said = f"The database was copied to {chosen.file}."
    if not settings.secret_key:
        said += f" Keep {key_file(settings)} with it: without that key no list is found."
    _say(chosen, {"backup": chosen.file}, said)
    return 0


def _restore(chosen: argparse.Namespace, settings: Settings) -> int:
    kept = backup.restore(settings, Path(chosen.file))
    said = f"The database was restored from {chosen.file}." + (f" The old one is {kept}." if kept else "")
    _say(chosen, {"restored": chosen.file, "old": str(kept) if kept else None}, said)
    return 0


def _check(chosen: argparse.Namespace, services: Services) -> int:
    found = services.database.look(problems)
    _say(chosen, {"ok": not found, "problems": found}, "\n".join(found) or "Counters, orphans, indexes: all is well.")
    return 1 if found else 0


def _lists(chosen: argparse.Namespace, services: Services) -> int:
    found = [reports.progress(services.database, one) for one in lists.all_lists(services.database.read)]
    rows = [
        [
            one.name,
            f"{one.percent:g} %",
            one.jobs,
            one.available,
            one.working,
            one.done,
            one.flagged - one.failed,
            one.failed,
        ]
        for one in found
    ]
    columns = ["list", "done", "jobs", "available", "working", "done jobs", "expired", "failed"]
    _say(chosen, [one.as_answer() for one in found], _table(columns, rows) if rows else "No list yet.")
    return 0


def _status(chosen: argparse.Namespace, services: Services) -> int:
    job_list, database, now = _named(chosen.list, services), services.database, now_ms()
    found = reports.progress(database, job_list)
    kept = lists.lifetimes(database.read, job_list.id)
    flagged = database.look(lambda connection: listing.flagged(connection.all, job_list.id, SHOWN))
    if chosen.json:
        late = [job._asdict() | {"since": timestamp(job.since), "deadline": timestamp(job.deadline)} for job in flagged]
        lifetimes = {str(stage): lifetime.as_answer() for stage, lifetime in kept.items()}
        _say(chosen, found.as_answer() | {"lifetimes": lifetimes, "expired_jobs": late}, "")
        return 0
    _say(chosen, None, f"{found.name}: {found.percent:g} % done, {found.done:,} of {found.jobs:,} jobs")
    rows = []
    for stage, count in found.stages.items():
        meaning = "working" if stage % 2 else "done" if stage >= found.last_stage else "waiting"
        lifetime = minutes(kept.get(stage, Lifetime(stage)).lifetime_ms) or "for ever"
        rows.append([stage, meaning, count.jobs, count.flagged - count.failed, count.failed, lifetime])
    _say(chosen, None, _table(["stage", "", "jobs", "expired", "failed", "lifetime, minutes"], rows))
    if flagged:
        late_rows = [
            [
                job.jobid,
                job.stage,
                "failed" if job.failed else "expired",
                (now - job.since) // 1000,
                job.worker,
                job.error,
            ]
            for job in flagged
        ]
        _say(chosen, None, _table(["job", "stage", "", "seconds there", "worker", "last error"], late_rows))
    return 0


def _sweep(chosen: argparse.Namespace, services: Services) -> int:
    swept = services.expiry.sweep()
    _say(chosen, {"swept": swept}, f"{swept} overdue jobs were flagged, failed or requeued.")
    return 0


def _cancel(chosen: argparse.Namespace, services: Services) -> int:
    job_list, jobid = _named(chosen.list, services), chosen.jobid
    held = 0 <= jobid <= HIGHEST_NUMBER and services.claims.request_cancel(job_list, jobid)
    said = "Its worker will be told at its next heartbeat." if held else "Nobody holds that job; nothing was changed."
    _say(chosen, {"cancelled": held}, said)
    return 0 if held else 1


def _named(name: str, services: Services) -> JobList:
    found = lists.by_name(services.database.read, name)
    if found is None:
        known = ", ".join(one.name for one in lists.all_lists(services.database.read)) or "none yet"
        raise NoSuchList(f"No list is named {name!r}. Lists: {known}.")
    return found


class _Terminal(Console):
    """Rich's, without its own end of the program."""

    def on_broken_pipe(self) -> None:
        """Left to cli.py."""
        raise BrokenPipeError


def _say(chosen: argparse.Namespace, for_programs: Any, for_people: Any) -> None:
    if chosen.json:
        print(msgspec.json.format(msgspec.json.encode(for_programs)).decode())
    else:
        _Terminal(highlight=False, emoji=False).print(for_people, markup=False)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    return table


def _plain(cell: object) -> Text:
    """A cell as text, whatever is in it: no markup, and nothing that would steer the terminal."""
    text = f"{cell:,}" if isinstance(cell, int) else "" if cell is None else str(cell)
    return Text("".join(char if char.isprintable() else " " for char in text))

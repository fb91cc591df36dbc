"""Renders the tables of docs/performance.md from the measured figures."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version

from bench import commits, heartbeats, job_manager, request_rates, waiting
from bench.databases import versions
from bench.rounds import Rounds
from bench.servers import ROOT
from bench.system import MORE_WORKERS, WORKERS, System
from bench.tables import machine, table, write_section

PAGE = ROOT / "docs/performance.md"
TEN_TIMES = ("RQ", "Celery", "Dramatiq", "Procrastinate", "dask.distributed", "HyperQueue")
UNKNOWN = "—"
Row = tuple[str, ...]


def number(value: float | None) -> str:
    """Formats a number with at least three digits."""
    return UNKNOWN if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """Formats the minimum and the maximum."""
    return f"{number(min(values))} to {number(max(values))}" if values else UNKNOWN


def times(ratio: float | None) -> str:
    """Formats a ratio."""
    return UNKNOWN if ratio is None else f"{ratio:.2f}"


def table_of_measured(header: Row, rows: Sequence[Row]) -> str:
    """A table without the rows that were not measured. The table of drains states the reasons."""
    return table(header, [row for row in rows if not row[1].startswith(UNKNOWN)])


def drains(rounds: Rounds, systems: Sequence[System], missing: dict[str, str]) -> str:
    """The table of all systems, the fastest first; then those that are missing."""
    measured = sorted(systems, key=lambda system: -(rounds.median(system.name) or 0))
    rows: list[Row] = []
    for system in measured:
        if rounds.values(system.name):
            rows.append(
                (
                    system.versioned,
                    system.storage,
                    system.durable,
                    number(rounds.median(system.name)),
                    spread(rounds.values(system.name)),
                    times(rounds.ratio(job_manager.SQLITE, system.name)),
                    times(rounds.ratio(job_manager.POSTGRESQL, system.name)),
                )
            )
    rows += [(name, "", "", "missing", reason[:120].replace("|", "/"), "", "") for name, reason in missing.items()]
    header = (
        "system",
        "storage",
        "durable",
        "jobs/s",
        "minimum to maximum",
        "job_manager, SQLite: ×",
        "PostgreSQL: ×",
    )
    return table(header, rows)


def limits(rounds: Rounds) -> str:
    """The table of upper limits: the parts measured alone."""
    named: dict[str, str] = {}
    for rates in request_rates.RATES:
        named[f'bare Flask "hello" under {rates.async_mode}, responses/s'] = rates.hello
        named[f'{WORKERS} founding workers that request "hello" under {rates.async_mode} twice a "job", jobs/s'] = (
            rates.founding_hello
        )
    named |= {"SQLite, commits/s": commits.SQLITE, "PostgreSQL, commits/s": commits.POSTGRESQL}
    return table_of_measured(
        ("limit", "median", "minimum to maximum"),
        [(label, number(rounds.median(figure)), spread(rounds.values(figure))) for label, figure in named.items()],
    )


def minimum(ratios: Iterable[float | None]) -> float | None:
    """The smallest known ratio."""
    return min((ratio for ratio in ratios if ratio is not None), default=None)


def goals(rounds: Rounds, systems: Sequence[System], claims_us: dict[int, tuple[float, float]]) -> str:
    """The table of goals and measured figures."""
    peers = [system for system in systems if system.module != job_manager.__name__]
    durable = minimum(rounds.ratio(job_manager.SQLITE, peer.name) for peer in peers if peer.durable == "yes")
    heavy = minimum(rounds.ratio(job_manager.SQLITE, peer.name) for peer in peers if peer.name in TEN_TIMES)
    threads = rounds.ratio(job_manager.SQLITE, MORE_WORKERS)
    on_postgresql = rounds.ratio(job_manager.POSTGRESQL, "Procrastinate")
    cpu, heartbeat_cpu = rounds.median(waiting.CPU), rounds.median(heartbeats.CPU)
    rows = [
        (
            f"drain, {WORKERS} workers, SQLite",
            f"{number(rounds.median(job_manager.SQLITE))} jobs/s",
            "26,750: 0.9 × 29,725, measured when the project had its own HTTP server",
        ),
        ("… × the fastest durable peer", times(durable), "4"),
        (f"… × the fastest of {', '.join(TEN_TIMES)}", times(heavy), "10"),
        (f"… × {MORE_WORKERS} where the others have {WORKERS} workers", times(threads), "10"),
        (
            f"drain, {WORKERS} workers, PostgreSQL",
            f"{number(rounds.median(job_manager.POSTGRESQL))} jobs/s",
            "14,600: 0.9 × 16,235",
        ),
        ("… × Procrastinate", times(on_postgresql), "10"),
    ]
    for rates in request_rates.RATES:
        rows += [
            (f"one job a request, {rates.async_mode}", f"{number(rounds.median(rates.one_job))} jobs/s", ""),
            ('… as a share of bare Flask "hello"', times(rounds.ratio(rates.one_job, rates.hello)), "0.9"),
            (
                f"{WORKERS} founding workers, {rates.async_mode}",
                f"{number(rounds.median(rates.founding))} jobs/s",
                "",
            ),
            ('… as a share of bare Flask "hello"', times(rounds.ratio(rates.founding, rates.hello)), "0.2"),
        ]
    rows += [
        (
            f"{WORKERS} founding workers, among {request_rates.MANY_JOBS:,} jobs",
            f"{number(rounds.median(request_rates.FOUNDING_MANY))} jobs/s",
            "",
        ),
        (f"{request_rates.MANY_JOBS:,} jobs by one `/set`", f"{number(rounds.median(request_rates.SET_S))} s", "15"),
        ("… growth of the server's memory", f"{number(rounds.median(request_rates.SET_MB))} MB", "200"),
        (
            f"{waiting.WAITING} waiting workers, CPU of the server",
            UNKNOWN if cpu is None else f"{cpu:.1%} of a core",
            "less than 2 %",
        ),
        (
            "… time from `/set` of one job until a worker has it",
            f"{number(rounds.median(waiting.WOKEN_MS))} ms",
            "less than 20",
        ),
        (
            f"{waiting.WAITING} waiting heartbeats, CPU of the server",
            UNKNOWN if heartbeat_cpu is None else f"{heartbeat_cpu:.1%} of a core",
            "less than 2 %",
        ),
        ("… growth of the server's memory", f"{number(rounds.median(heartbeats.MEMORY_MB))} MB", ""),
        ("… time from a cancel until its worker knows", f"{number(rounds.median(heartbeats.CANCELLED_MS))} ms", ""),
        (
            "… server's CPU for a job of other workers, relative to no heartbeats",
            f"{times(rounds.median(heartbeats.COST))} ×",
            "",
        ),
    ]
    sizes = list(claims_us)
    rows += [
        (
            f"a claim among {size:,} jobs",
            f"{claims_us[size][0]:.1f} µs, {claims_us[size][0] / claims_us[sizes[0]][0]:.2f} ×",
            "" if size == sizes[0] else "as fast",
        )
        for size in sizes
    ]
    return table_of_measured(("job_manager", "measured", "goal"), rows)


def page(
    rounds: Rounds,
    systems: Sequence[System],
    missing: dict[str, str],
    claims_us: dict[int, tuple[float, float]],
    minutes: float,
    load: float,
) -> str:
    """Renders the generated section of the page. load: the load average of the machine before the run."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("flask", "eventlet", "gevent", "psycopg"))
    return "\n\n".join(
        (
            "### Goals",
            goals(rounds, systems, claims_us),
            "### Drains",
            drains(rounds, systems, missing),
            "### Limits",
            limits(rounds),
            f"Medians of {len(rounds.rounds)} interleaved rounds; ratios are computed in each round. Measured in"
            f" {minutes:.0f} minutes, by `make bench`, with a load average of {load:.1f} before the run:"
            f" {machine()}, {versions()}, {packages}.",
        )
    )


def write(text: str) -> None:
    """Writes the generated section of the page."""
    write_section(PAGE, "bench", text)

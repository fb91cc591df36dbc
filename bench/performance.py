"""The tables of docs/performance.md, from what was measured."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version

from bench import commits, ours, request_rates, waiting
from bench.databases import versions
from bench.rounds import Rounds
from bench.started import ROOT
from bench.system import MORE_WORKERS, WORKERS, System
from bench.tables import machine, put, table

PAGE = ROOT / "docs/performance.md"
TEN_TIMES = ("RQ", "Celery", "Dramatiq", "Procrastinate", "dask.distributed", "HyperQueue")
UNKNOWN = "—"
Row = tuple[str, ...]


def number(value: float | None) -> str:
    """As a person reads it: three figures at least."""
    return UNKNOWN if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """From the least to the most."""
    return f"{number(min(values))} to {number(max(values))}" if values else UNKNOWN


def times(ratio: float | None) -> str:
    """A ratio, as a cell."""
    return UNKNOWN if ratio is None else f"{ratio:.2f}"


def of_those_measured(heads: Row, rows: Sequence[Row]) -> str:
    """A table without the rows that were not measured; the table of drains says why."""
    return table(heads, [row for row in rows if not row[1].startswith(UNKNOWN)])


def drains(rounds: Rounds, systems: Sequence[System], missing: dict[str, str]) -> str:
    """All systems, the quickest first; then those that are missing."""
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
                    times(rounds.ratio(ours.SQLITE, system.name)),
                    times(rounds.ratio(ours.POSTGRESQL, system.name)),
                )
            )
    rows += [(name, "", "", "missing", why[:120].replace("|", "/"), "", "") for name, why in missing.items()]
    heads = (
        "system",
        "keeps jobs in",
        "durable",
        "jobs/s",
        "least to most",
        "job_manager, SQLite: ×",
        "PostgreSQL: ×",
    )
    return table(heads, rows)


def limits(rounds: Rounds) -> str:
    """What the parts do by themselves."""
    named: dict[str, str] = {}
    for rates in request_rates.RATES:
        named[f'bare Flask "hello" under {rates.async_mode}, responses/s'] = rates.hello
        named[f'{WORKERS} founding workers that request "hello" under {rates.async_mode} twice a "job", jobs/s'] = (
            rates.founding_hello
        )
    named |= {"SQLite, commits/s": commits.SQLITE, "PostgreSQL, commits/s": commits.POSTGRESQL}
    return of_those_measured(
        ("limit", "median", "least to most"),
        [(what, number(rounds.median(figure)), spread(rounds.values(figure))) for what, figure in named.items()],
    )


def least(ratios: Iterable[float | None]) -> float | None:
    """The least of those that are known."""
    return min((ratio for ratio in ratios if ratio is not None), default=None)


def goals(rounds: Rounds, systems: Sequence[System], claims_us: dict[int, tuple[float, float]]) -> str:
    """Each goal, and what was measured."""
    peers = [system for system in systems if system.module != ours.__name__]
    durable = least(rounds.ratio(ours.SQLITE, peer.name) for peer in peers if peer.durable == "yes")
    heavy = least(rounds.ratio(ours.SQLITE, peer.name) for peer in peers if peer.name in TEN_TIMES)
    threads = rounds.ratio(ours.SQLITE, MORE_WORKERS)
    on_postgresql = rounds.ratio(ours.POSTGRESQL, "Procrastinate")
    cpu = rounds.median(waiting.CPU)
    rows = [
        (
            f"drain, {WORKERS} workers, SQLite",
            f"{number(rounds.median(ours.SQLITE))} jobs/s",
            "26,750: 0.9 × 29,725, measured when the project had its own HTTP server",
        ),
        ("… × the quickest durable peer", times(durable), "4"),
        (f"… × the quickest of {', '.join(TEN_TIMES)}", times(heavy), "10"),
        (f"… × {MORE_WORKERS} where the others have {WORKERS} workers", times(threads), "10"),
        (
            f"drain, {WORKERS} workers, PostgreSQL",
            f"{number(rounds.median(ours.POSTGRESQL))} jobs/s",
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
        ("… the server's memory grows by", f"{number(rounds.median(request_rates.SET_MB))} MB", "200"),
        (
            f"{waiting.WAITING} workers waiting, CPU",
            UNKNOWN if cpu is None else f"{cpu:.1%} of a core",
            "less than 2 %",
        ),
        ("… one job set, until one has it", f"{number(rounds.median(waiting.WOKEN_MS))} ms", "less than 20"),
    ]
    sizes = list(claims_us)
    rows += [
        (
            f"a claim among {size:,} jobs",
            f"{claims_us[size][0]:.1f} µs, {claims_us[size][0] / claims_us[sizes[0]][0]:.2f} ×",
            "" if size == sizes[0] else "as quick",
        )
        for size in sizes
    ]
    return of_those_measured(("job_manager", "measured", "goal"), rows)


def page(
    rounds: Rounds,
    systems: Sequence[System],
    missing: dict[str, str],
    claims_us: dict[int, tuple[float, float]],
    minutes: float,
    load: float,
) -> str:
    """All of it. load: the machine's, before."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("flask", "eventlet", "gevent", "psycopg"))
    return "\n\n".join(
        (
            "### Goals",
            goals(rounds, systems, claims_us),
            "### Drains",
            drains(rounds, systems, missing),
            "### Limits",
            limits(rounds),
            f"Medians of {len(rounds.rounds)} rounds in turns, ratios as medians of each round's; in"
            f" {minutes:.0f} minutes, by `make bench`, beside a load of {load:.1f} that the machine had before (an idle"
            f" one has 0): {machine()}, {versions()}, {packages}.",
        )
    )


def write(told: str) -> None:
    """Puts it into the page."""
    put(PAGE, "bench", told)

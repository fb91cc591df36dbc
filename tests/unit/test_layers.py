"""Imports point down: the table of the house's layers, held against the code."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Each layer may import those below it, and what stands beside it in its own row only where the row says so.
LAYERS: list[set[str]] = [
    {"jobserver.__main__"},
    {"jobserver.cli"},
    {"jobserver.serving", "jobserver.commands"},
    {"jobserver.servers"},
    {"jobserver.eventlet_server"},
    {"jobserver.quick", "jobserver.greenlets", "jobserver.plain_socket"},
    {"jobserver.incoming"},
    {"jobserver"},  # create_app()
    {"jobserver.routes"},
    {"jobserver.services"},
    {"jobserver.sweeper", "jobserver.live"},
    {"jobserver.overview", "jobserver.live_rooms"},
    {
        "jobserver.claims",
        "jobserver.submitting",
        "jobserver.expiring",
        "jobserver.tidying",
        "jobserver.steering",
        "jobserver.progress",
        "jobserver.submission",
    },
    {"jobserver.ends"},
    {"jobserver.refusals", "jobserver.events", "jobserver.jobix", "jobserver.holds"},
    {"jobserver.writer", "jobserver.long_polls", "jobserver.duty", "jobserver.channel"},
    {"jobserver.transactor"},
    {"jobserver.storage"},
    {"jobserver.durations"},
    {"jobserver.schema"},
    {"jobserver.models", "jobserver.database", "jobserver.secret_key", "jobserver.filesystems"},
    {"jobserver.connection"},
    {"jobserver.extensions", "jobserver.lifetimes", "jobserver.bodies", "jobserver.concurrency", "jobserver.hosting"},
    {"jobserver.logs"},
    {"jobserver.stages", "jobserver.config", "jobserver.clock", "jobserver.rates"},
    {"jobserver.errors"},
]
ROWS = {name: number for number, row in enumerate(LAYERS) for name in row}
LEAVES = {"jobserver.concurrency", "jobserver.hosting", "jobserver.extensions", "jobserver.clock", "jobserver.errors"}
LOOPS = {"eventlet", "gevent", "geventwebsocket"}
MAY_KNOW = {"jobserver.concurrency", "jobserver.servers"} | {
    f"jobserver.{name}" for name in ("eventlet_server", "quick", "greenlets", "plain_socket")
}
VERSION = "jobserver"  # `from jobserver import __version__` is no look upwards


def modules(package: str) -> list[Path]:
    """Every file of a package."""
    return sorted((ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    """A file's module; a subpackage counts as one room."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts[:2] if part != "__init__")


def imports(path: Path) -> set[str]:
    """What a file imports, by full names of modules."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join([*package, *filter(None, [node.module])])
            for alias in node.names:
                if (module, alias.name) == (VERSION, "__version__"):
                    continue
                below = ROOT / module.replace(".", "/") / alias.name
                found.add(f"{module}.{alias.name}" if below.with_suffix(".py").exists() or below.is_dir() else module)
    return found


@pytest.mark.parametrize("path", modules("jobserver"), ids=str)
def test_imports_point_down(path: Path) -> None:
    own = name_of(path)
    for imported in imports(path):
        if imported.split(".")[0] != "jobserver":
            continue
        room = ".".join(imported.split(".")[:2])
        if room != own:
            assert ROWS[room] > ROWS[own], f"{own} imports {room}, which is not below it"


@pytest.mark.parametrize("path", modules("jobserver"), ids=str)
def test_leaves_import_nothing_of_ours_and_few_files_know_green_threads(path: Path) -> None:
    tops = {name.split(".")[0] for name in imports(path)}
    assert name_of(path) not in LEAVES or "jobserver" not in tops
    assert name_of(path) in MAY_KNOW or not tops & LOOPS
    assert "client" not in tops


def test_every_room_has_its_place_in_the_layers() -> None:
    assert {name_of(path) for path in modules("jobserver")} == set(ROWS)


@pytest.mark.parametrize("path", modules("client"), ids=str)
def test_the_client_imports_nothing_of_the_server(path: Path) -> None:
    assert "jobserver" not in {name.split(".")[0] for name in imports(path)}


def test_the_client_has_no_import_circles() -> None:
    graph = {name_of(path): {i for i in imports(path) if i.startswith("client.")} for path in modules("client")}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"a circle: {' -> '.join([*above, name])}"
        if name not in done:
            for imported in graph.get(name, set()):
                visit(imported, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_only_the_verbs_end_transactions() -> None:
    verbs = {
        "jobserver.claims",
        "jobserver.submitting",
        "jobserver.expiring",
        "jobserver.tidying",
        "jobserver.steering",
    }
    for path in modules("jobserver"):
        tree = ast.parse(path.read_text())
        runs = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr == "run" and ast.unparse(node.value).endswith("_writer")
        ]
        assert not runs or name_of(path) in verbs, f"{path} ends a transaction"


def test_importing_the_package_patches_and_starts_nothing() -> None:
    code = (
        "import socket, threading; before = socket.socket, threading.active_count();"
        "import jobserver, jobserver.cli, jobserver.claims;"
        "assert before == (socket.socket, threading.active_count());"
        "import sys; assert not {'eventlet', 'gevent'} & set(sys.modules), 'a green library was imported'"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)

"""Every route, setting, command, error code and library is documented."""

import argparse
import ast
import re
import subprocess
import sys
import typing
from pathlib import Path

import msgspec
import pytest

from client.cli import parser as client_parser
from jobserver import create_app
from jobserver.core import errors
from jobserver.core.settings import Settings
from jobserver.server import cli
from jobserver.web.errors import STATUS
from tests.support.paths import ROOT
from tests.support.server import ApiClient, Server

PROTOCOL = (ROOT / "docs/protocol.md").read_text()
PAGES = (ROOT / "docs/pages.md").read_text()
SETTINGS = (ROOT / "docs/settings.md").read_text()
SERVER = (ROOT / "docs/server.md").read_text()
CLIENT = (ROOT / "docs/client.md").read_text()
README = (ROOT / "README.md").read_text()
FLASK_ENDPOINTS = {"static"}
PAGES_OF_DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FILES_OF_USERS = {"settings.py"}


def routes(folder: Path) -> list[tuple[str, str, set[str]]]:
    """Every route of a real application, as the docs write it, with its methods."""
    app = create_app(Settings(instance=str(folder)))
    rules = [
        rule for rule in app.url_map.iter_rules() if rule.endpoint not in FLASK_ENDPOINTS and rule.rule != "/init/"
    ]
    return [(rule.rule, rule.endpoint, set(rule.methods or ()) - {"HEAD", "OPTIONS"}) for rule in rules]


def test_every_route_is_documented(tmp_path: Path) -> None:
    for rule, endpoint, methods in routes(tmp_path):
        route_text = "/init/<m0>/<m1>/…" if rule == "/init/<path:values>" else rule
        places = {"docs/protocol.md": PROTOCOL, "README.md": README}
        if endpoint.startswith(("operating.", "list_actions.")):
            places = {"docs/protocol.md": PROTOCOL}
        elif not endpoint.startswith("worker.") and rule not in ("/", "/get", "/lifetime"):
            places = {"docs/pages.md": PAGES}
        for place, text in places.items():
            written = f"`POST {route_text}`" if methods == {"POST"} else f"`{route_text}`"
            assert re.search(rf"^\|[^|]*{re.escape(written)}", text, re.MULTILINE), f"{written} is not in {place}"


def test_every_route_in_the_docs_exists(tmp_path: Path) -> None:
    exist = {"/init/<m0>/<m1>/…" if rule == "/init/<path:values>" else rule for rule, _, _ in routes(tmp_path)}
    for text in (PROTOCOL, PAGES, README):
        for row in re.findall(r"^\| (`(?:POST )?/.*?) \|", text, re.MULTILINE):
            assert set(re.findall(r"`(?:POST )?(/[^`]*)`", row)) <= exist, f"{row} is documented but does not exist"


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_every_setting_is_documented_as_in_the_code(field: msgspec.structs.FieldInfo) -> None:
    hint = typing.get_type_hints(Settings, include_extras=True)[field.name]
    meaning = next(meta.description for meta in hint.__metadata__ if meta.description)
    row = re.search(rf"^\| `{field.name.upper()}` \| (.*) \| (.*) \|$", SETTINGS, re.MULTILINE)
    assert row, f"{field.name} is not in docs/settings.md"
    assert row[2] == meaning
    if field.name != "instance":
        assert row[1].strip("`") == _default_text(field.default)


def _default_text(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def commands(parser: argparse.ArgumentParser, above: str = "") -> list[tuple[str, argparse.ArgumentParser]]:
    """Every command of a parser that has commands, with its own parser."""
    subs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    pairs = [pair for sub in subs for name, below in sub.choices.items() for pair in commands(below, f"{above}{name} ")]
    return pairs or [(above.strip(), parser)]


def positionals(parser: argparse.ArgumentParser) -> list[str]:
    """The names of a command's arguments, as its help shows them."""
    return [str(action.metavar) for action in parser._get_positional_actions()]


def test_every_command_of_the_server_is_documented() -> None:
    for name, parser in commands(cli._parser("jobserver")):
        written = " ".join([name, *positionals(parser)])
        assert f"| `{written}` |" in SERVER, f"{written} is not in docs/server.md"


def test_every_command_and_option_of_the_client_is_documented() -> None:
    for name, parser in commands(client_parser.build_parser()):
        assert re.search(rf"^\| `{name}[ `]", CLIENT, re.MULTILINE), f"{name} is not in the tables of docs/client.md"
        options = [option for action in parser._actions for option in action.option_strings if option.startswith("--")]
        for option in options:
            assert re.search(rf"{option}\b", CLIENT), f"{option} of {name} is not in docs/client.md"


def known_errors(kind: type[errors.JobServerError] = errors.JobServerError) -> set[type[errors.JobServerError]]:
    """Every named error below one."""
    return {kind}.union(*(known_errors(below) for below in kind.__subclasses__()))


def test_every_error_code_has_a_status_and_a_line_in_the_protocol() -> None:
    for kind in known_errors() - {errors.JobServerError, errors.CannotStart}:
        status = next(STATUS[above] for above in kind.__mro__ if above in STATUS)
        if "code" in vars(kind):
            assert re.search(rf"^\| (\d+ / )*{status}\b.*`{kind.code}`", PROTOCOL, re.MULTILINE), kind.code


def test_the_tree_of_errors_is_complete() -> None:
    for kind in known_errors():
        assert re.search(rf"\b{kind.__name__}\b", errors.__doc__ or ""), kind.__name__


def test_every_dependency_is_explained() -> None:
    explained = (ROOT / "docs/dependencies.md").read_text()
    for file in ("requirements.txt", "tests/requirements.txt", "bench/requirements.txt"):
        for line in (ROOT / file).read_text().splitlines():
            name = re.match(r"[a-z][a-z0-9-]*", line)
            if name and not line.startswith("types-"):
                written = rf"(?<![\w-]){name[0]}(?![\w-])"
                assert re.search(written, explained), f"{name[0]} is not in docs/dependencies.md"


@pytest.mark.parametrize("page", PAGES_OF_DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_in_the_docs_lead_to_files_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        name, _, heading = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), f"{page.name} links to {target}, which does not exist"
        assert not heading or heading in headings(linked), f"{page.name} links to {target}: there is no such heading"


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as common renderers form them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES_OF_DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_folders_named_in_the_docs_exist(page: Path) -> None:
    if page.parent.name == "adr" or page.name == "CHANGELOG.md":
        return  # records of the past
    names = re.findall(r"`([a-z_./]+/[\w./]*|[a-z_]+\.py)`", page.read_text())
    for name in names:
        if not name.startswith(("/", "instance/", "some/")) and name not in FILES_OF_USERS:
            exists = any(
                (folder / f"{name}{end}").exists() for folder in (ROOT, ROOT / "jobserver") for end in ("", ".py")
            )
            assert exists or ("/" not in name and list(ROOT.glob(f"[a-z]*/**/{name}"))), f"{page.name} names {name}"


def test_the_index_of_decisions_is_complete_and_each_has_the_four_parts() -> None:
    folder = ROOT / "docs/adr"
    index = (folder / "README.md").read_text()
    for number, page in enumerate(sorted(folder.glob("[0-9]*.md")), 1):
        assert page.name.startswith(f"{number:04}-"), f"{page.name} breaks the numbering"
        assert f"| [{number:04}]({page.name}) |" in index, f"{page.name} is not in docs/adr/README.md"
        parts = re.findall(r"^## (.*)$", page.read_text(), re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences", "Alternatives refused"], page.name


def test_the_glossary_has_each_term_once_in_alphabetical_order() -> None:
    terms = re.findall(r"^\| ([^|]+) \| [^-]", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)[1:]
    assert len(terms) > 20
    assert terms == sorted(set(terms), key=str.lower)


def public(body: list[ast.stmt]) -> list[ast.FunctionDef | ast.ClassDef]:
    """The public functions and classes of a module or class, and those in them."""
    nodes = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            nodes += [node, *(public(node.body) if isinstance(node, ast.ClassDef) else [])]
    return nodes


def test_public_functions_have_docstrings() -> None:
    for path in [file for name in ("jobserver", "client", "job_manager_wire") for file in (ROOT / name).rglob("*.py")]:
        for node in public(ast.parse(path.read_text()).body):
            assert ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"


def test_the_worker_of_the_readme_works_as_it_stands(server: Server, jobix: int) -> None:
    api = ApiClient(server.url, jobix)
    api("/set", {"1": {"jobcmd": "a.fits"}, "2": {"jobcmd": "b.fits"}})
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    assert len(code.splitlines()) <= 10
    code = code.replace("http://127.0.0.1:5000", server.url).replace("4711", str(jobix))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "working on 1 a.fits\nworking on 2 b.fits\n"
    assert api("/get").json()["done"] == 2

"""The house style checker finds its phrases in text, and only there."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools import prose


@pytest.mark.parametrize(
    ("text", "line", "phrase"),
    [
        ("A lifetime of 0\nlasts for\n    ever.", 2, "for ever"),
        ("# The page is\n# told what changed.", 1, "is told"),
        ("def let_go(token): ...", 1, "let_go"),
        ("Who waits keeps a thread.", 1, "Who waits"),
        ("The job was sent back.", 1, "sent back"),
        ("x is no setting", 1, "is no setting"),
    ],
)
def test_a_listed_phrase_is_found_with_its_line(text: str, line: int, phrase: str) -> None:
    (finding,) = prose.findings(text)
    assert (finding.line, finding.phrase.replace("# ", "")) == (line, phrase)


@pytest.mark.parametrize(
    "text", ["A list of the jobs.", "A user who reads this.", "Untold.", "forever", "Let Google test it."]
)
def test_standard_english_has_no_findings(text: str) -> None:
    assert list(prose.findings(text)) == []


def test_code_in_markdown_is_ignored_and_lines_still_count() -> None:
    text = "Call `let_go`.\n\n```python\nlet_go()  # for ever\n```\n\n    indented for ever\n\nHere for ever.\n"
    assert [finding.line for finding in prose.findings(text, markdown=True)] == [9]


def test_the_command_prints_file_line_and_replacement(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Fine.\n\nThe server is told.\n")
    done = run(str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == f'{page}:3: "is told": write is sent, is notified, is reported\n'
    page.write_text("Fine.\n")
    assert run(str(page)).returncode == 0


def test_a_path_that_does_not_exist_is_refused() -> None:
    done = run("no-such-folder")
    assert (done.returncode, done.stderr) == (2, "prose: no-such-folder does not exist. Name files or folders.\n")


def run(*paths: str) -> subprocess.CompletedProcess[str]:
    """The command, run on these paths."""
    return subprocess.run([sys.executable, prose.__file__, *paths], capture_output=True, text=True, timeout=60)

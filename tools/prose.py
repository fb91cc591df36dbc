"""House style: reports phrases that readers found hard to understand, in documentation, code and templates.

Usage: python tools/prose.py [PATH ...]     (default: every text file that git tracks)
Exit code: 0 no phrase found, 1 at least one, 2 a path does not exist.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SUFFIXES = {".conf", ".css", ".html", ".js", ".md", ".py", ".service", ".sh", ".toml", ".txt", ".wsgi", ".yaml"}
NAMES = {"Makefile", "run"}
OWN_FILES = {"prose.py", "test_prose.py"}  # they quote the phrases
SKIPPED_FOLDERS = {"node_modules", ".venv", "__pycache__"}

# Phrase (a regular expression without groups; a space matches any white space, also a line break) and its replacement.
PHRASES = {
    r"for ever": "no limit (of a duration), or: permanently",
    r"for good": "permanently",
    r"no bound": "no limit, or: unlimited",
    r"whoever": "the user, the operator, the client: name the person or program",
    r"(?<![a-z]\s)who (?:waits|asks|reaches|reads|lost|was|knows|comes|signs|went|hears)": "name the subject",
    r"(?:is|are|was|were|be|been|being) told": "is sent, is notified, is reported",
    r"told (?:of|by|that|what|how|apart)": "notified of, reported by",
    r"tells (?:of|what|how|open|others|the others)": "reports, notifies, shows",
    r"lets? (?:it |them |one )?go\b(?! (?:test|build))": "release",
    r"let_go": "release",
    r"mend(?:s|ed|ing)?": "fix, repair",
    r"(?:go|goes|went|going) on": "continue",
    r"(?:send|sends|sent|sending) back": "retry, requeue, return",
    r"(?:is|was|are|were|it|they) asked(?: of)?\b": "name the request: requested, called, queried",
    r"what (?:isn't|comes|came|stands|lies|goes(?! wrong)|was asked|is asked)": "name the noun that `what` stands for",
    r"(?:as it|as they) most often (?:is|are)": "common, uncommon",
    r"hears? (?:of|that|whether|no|nothing|so)": "receives, learns, is notified of",
    r"in vain": "without success",
    r"out of reach": "unreachable",
    r"see to": "check, handle",
    r"its host bears": "automatic",
    r"can't be had": "is not available, is not installed",
    r"(?:lie|lies|lay|lying) (?:in|on|beside|under)": "is in, is on",
    r"(?:comes|come|came) about": "happens",
    r"anew": "again",
    r"(?<!there\s)is no (?:part|error|setting|number|whole|list|job|harm|reset)": "is not a",
}
ONE_PATTERN = re.compile(
    "|".join(rf"(?P<p{n}>\b(?:{phrase})\b)" for n, phrase in enumerate(PHRASES)).replace(" ", r"[\s#/*]+"),
    re.IGNORECASE,
)
ALLOWED = {("0003_explicit_state.py", "sent back")}  # a value in databases of earlier versions
MARKDOWN_CODE = re.compile(r"```.*?```|`[^`\n]*`|^ {4,}\S[^\n]*$", re.DOTALL | re.MULTILINE)


class Finding(NamedTuple):
    """One phrase of the house style's list, in a text."""

    line: int
    phrase: str
    better: str


def findings(text: str, *, markdown: bool = False) -> Iterator[Finding]:
    """Yields each listed phrase of a text, in order. Code in Markdown is ignored."""
    if markdown:
        text = MARKDOWN_CODE.sub(lambda code: re.sub(r"[^\n]", "`", code[0]), text)
    better = list(PHRASES.values())
    for match in ONE_PATTERN.finditer(text):
        number = int(str(match.lastgroup).removeprefix("p"))
        yield Finding(text.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), better[number])


def checked_files(paths: list[str]) -> list[Path]:
    """The text files below these paths, or all tracked ones; FileNotFoundError for a path that does not exist."""
    if paths:
        for path in paths:
            Path(path).lstat()
        files = [file for path in map(Path, paths) for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    else:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
        files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [
        file
        for file in files
        if file.is_file()
        and (file.suffix in SUFFIXES or file.name in NAMES)
        and not SKIPPED_FOLDERS.intersection(file.parts)
        and file.name not in OWN_FILES
    ]


def main(paths: list[str]) -> int:
    """Prints the findings, one a line, as FILE:LINE."""
    try:
        files = checked_files(paths)
    except FileNotFoundError as problem:
        print(f"prose: {problem.filename} does not exist. Name files or folders.", file=sys.stderr)
        return 2
    found = 0
    for file in files:
        for finding in findings(file.read_text(encoding="utf-8"), markdown=file.suffix == ".md"):
            if (file.name, finding.phrase) in ALLOWED:
                continue
            name = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
            print(f'{name}:{finding.line}: "{finding.phrase}": write {finding.better}')
            found += 1
    if found:
        print(f"prose: {found} phrases to replace. The rules are in CONTRIBUTING.md.", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

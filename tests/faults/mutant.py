"""The parts of a planted fault: the change of the code, and what must find it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tests.faults.history.run import Options
from tests.support.paths import ROOT

PLANTING = Path(__file__).with_name("planting")
STORE = "jobserver.store"
QUERIES = "jobserver.store.queries"
SECONDS = 30
SQLITE = ("-k", "not postgresql")


@dataclass(frozen=True)
class Edit:
    """A change of the text of a function or of a constant, made when its module is imported."""

    module: str
    name: str
    changes: dict[str, str]


@dataclass(frozen=True)
class Suite:
    """Tests of the suite, as arguments of pytest; one of them must fail."""

    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Checker:
    """A run of the history checker, which must report one of these sentences."""

    options: Options
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Mutant:
    """One fault."""

    name: str
    edits: tuple[Edit, ...]
    found_by: Suite | Checker

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that plant the fault into every Python process."""
        edits = json.dumps([[edit.module, edit.name, edit.changes] for edit in self.edits])
        path = os.pathsep.join([str(PLANTING), str(ROOT)])
        return {"PLANTED_FAULT": edits, "PYTHONPATH": path}


def by_tests(*arguments: str) -> Suite:
    return Suite(arguments)


def by_checker(seed: int, *sentences: str, **options: object) -> Checker:
    return Checker(Options(seed, SECONDS, **options), sentences)

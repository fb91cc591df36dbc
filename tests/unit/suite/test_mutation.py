"""The mutation check reports a fault that nothing finds, and a fault that it cannot plant."""

from pathlib import Path

import pytest

from tests.faults.mutant import Edit, Mutant, Suite
from tests.faults.mutants import MUTANTS
from tests.faults.mutation import FOUND, planting_error, verdict


def mutant(name: str, old: str, new: str, *arguments: str) -> Mutant:
    """A fault in the module of the stages."""
    return Mutant("fault", (Edit("jobserver.core.stages", name, {old: new}),), Suite(arguments))


@pytest.fixture(scope="module")
def tests(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with a test of `is_available`."""
    file = tmp_path_factory.mktemp("tests") / "test_stages.py"
    file.write_text("from jobserver.core.stages import is_available\ndef test_even(): assert is_available(2)\n")
    return str(file)


def test_a_fault_in_a_function_is_found(tests: str) -> None:
    assert verdict(mutant("is_available", "== 0", "== 1", tests)).startswith(f"{FOUND} by ")


def test_a_fault_that_no_test_finds_survives(tests: str) -> None:
    harmless = mutant("is_available", "== 0", "== 0 or stage == 1", tests)
    assert verdict(harmless).startswith("SURVIVED")


def test_a_test_that_always_fails_proves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "test_broken.py"
    file.write_text("def test_broken(): assert False\n")
    assert verdict(mutant("is_available", "== 0", "== 1", str(file))).startswith("NOT PROVED")


def test_a_fault_whose_tests_do_not_exist_survives(tests: str) -> None:
    assert verdict(mutant("is_available", "== 0", "== 1", tests, "-k", "nothing")).startswith("SURVIVED")
    assert verdict(mutant("is_available", "== 0", "== 1", f"{tests}.moved")).startswith("SURVIVED")


@pytest.mark.parametrize(("name", "text"), [("renamed", "== 0"), ("is_available", "no such text"), ("A.b", "")])
def test_a_missing_anchor_is_named(name: str, text: str, tests: str) -> None:
    assert verdict(mutant(name, text, "", tests)).startswith(
        "CANNOT BE PLANTED: sitecustomize.AnchorMissing: jobserver"
    )


def test_every_fault_can_be_planted() -> None:
    errors = {mutant.name: planting_error(mutant) for mutant in MUTANTS}
    assert errors == dict.fromkeys(errors, "")
    assert len(errors) >= 15

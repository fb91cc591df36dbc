"""What the demo prints about its results."""

import pytest

from examples.demo.display import Display


def test_without_duplicates_no_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    Display({}).longest([])
    assert capsys.readouterr().out == "\nNo duplicates found\n"

"""Where an exception came from: the innermost line that is the user's own."""

from __future__ import annotations

import importlib.util

import pytest

from client.worker.attempt import find_origin


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_what_is_installed_is_a_library_wherever_it_lies(tmp_path, folder):
    (tmp_path / folder).mkdir()
    path = tmp_path / folder / "library.py"
    path.write_text("def fails():\n    raise ValueError\n")
    spec = importlib.util.spec_from_file_location("library", path)
    library = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)
    with pytest.raises(ValueError, match=r"^$") as caught:
        library.fails()
    assert find_origin(caught.value).startswith("test_where.py, line ")


def test_an_exception_that_no_line_of_the_user_raised_has_no_place():
    assert find_origin(ValueError()) == ""

"""The origin of an exception: the innermost line of the user's own code."""

from __future__ import annotations

import importlib.util

import pytest

from client.worker.attempt import find_origin


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_installed_packages_count_as_libraries_in_any_folder(tmp_path, folder):
    (tmp_path / folder).mkdir()
    path = tmp_path / folder / "library.py"
    path.write_text("def fails():\n    raise ValueError\n")
    spec = importlib.util.spec_from_file_location("library", path)
    library = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)
    with pytest.raises(ValueError, match=r"^$") as caught:
        library.fails()
    assert find_origin(caught.value).startswith("test_error_origin.py, line ")


def test_an_exception_without_a_line_of_the_user_has_no_origin():
    assert find_origin(ValueError()) == ""

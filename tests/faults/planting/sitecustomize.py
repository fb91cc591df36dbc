"""Plants a fault into a Python process at its start: Python imports `sitecustomize` from PYTHONPATH.

The environment variable PLANTED_FAULT holds the edits as JSON: [[module, name, {old text: new text, …}], …]. Each is
made right after the module is imported, before another module can copy the name. Standard library only.
"""

import __future__

import functools
import importlib.abc
import importlib.machinery
import json
import os
import sys
import textwrap
from collections.abc import Sequence
from types import FunctionType, ModuleType
from typing import Any

Changes = dict[str, str]


class AnchorMissing(Exception):
    """The code has no such name, or its text does not contain the text to replace."""


def plant(module: ModuleType, name: str, changes: Changes) -> None:
    """Replaces text in a function, a string, or the strings of a container. `name` may be dotted: Class.method."""
    *path, last = name.split(".")
    try:
        owner: Any = functools.reduce(getattr, path, module)
        value = vars(owner)[last]
    except (AttributeError, KeyError):
        raise AnchorMissing(f"{module.__name__} has no {name}") from None
    for old in changes:
        if old not in _text(value):
            raise AnchorMissing(f"{module.__name__}.{name} does not contain: {old}")
    setattr(owner, last, _changed(value, changes))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(map(_text, value.values()))
    if isinstance(value, (tuple, list)):
        return "\n".join(map(_text, value))
    return value if isinstance(value, str) else _source(value)


def _source(function: Any) -> str:
    import inspect  # late: few processes plant anything

    return textwrap.dedent(inspect.getsource(getattr(function, "__func__", function)))


def _changed(value: Any, changes: Changes) -> Any:
    if isinstance(value, dict):
        return {key: _changed(one, changes) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        make = getattr(value, "_make", type(value))  # a named tuple takes its values one by one
        return make(_changed(one, changes) for one in value)
    text = value if isinstance(value, str) else _source(value)
    for old, new in changes.items():
        text = text.replace(old, new)
    if isinstance(value, str):
        return text
    function: FunctionType = getattr(value, "__func__", value)
    made: dict[str, Any] = {}
    # Annotations stay text: a module may import their names for type checkers only.
    code = compile(text, function.__code__.co_filename, "exec", __future__.annotations.compiler_flag)
    exec(code, function.__globals__, made)
    return made[function.__name__]


class Planter(importlib.abc.MetaPathFinder):
    """Edits modules as they are imported."""

    def __init__(self, edits: Sequence[tuple[str, str, Changes]]) -> None:
        self._edits = edits

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """Returns the module's spec, whose loader plants the edits."""
        if not any(module == fullname for module, _name, _changes in self._edits):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                for where, name, changes in self._edits:
                    if where == fullname:
                        plant(module, name, changes)

            spec.loader.exec_module = exec_module
        return spec


if "PLANTED_FAULT" in os.environ:
    sys.meta_path.insert(0, Planter(json.loads(os.environ["PLANTED_FAULT"])))

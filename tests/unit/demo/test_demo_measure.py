"""Stage 0 to 2 of the demo: functions and their complexity, counted by hand here."""

import sys

import pytest

from examples.demo.measure import DoesNotParse, Function, measure


def test_a_straight_function_has_complexity_one() -> None:
    assert measure(b"def f():\n    return 1\n").functions == (Function("f", 1, 1),)


def test_every_branch_adds_one_to_the_complexity() -> None:
    source = b"""
def f(rows):
    for row in rows:                    # 2
        if row and row[0] or row[1]:    # 3, and `and`, `or`: 5
            continue
        elif row is None:               # 6
            try:
                pass
            except ValueError:          # 7
                pass
        while row:                      # 8
            row = row[1:] if row else 0 # 9
    match rows:
        case 1: pass                    # 10
        case 2: pass                    # 11
        case _: pass
"""
    assert measure(source).functions == (Function("f", 2, 11),)


def test_nested_functions_are_found_with_qualified_names() -> None:
    source = b"""
class A:
    def method(self):
        class Inner:
            async def deep(self): pass
        def closure():
            if 1: pass
        return closure
if 1:
    def conditional(): pass
try:
    pass
except* OSError:
    def handler(): pass
match 1:
    case 1:
        def matched(): pass
"""
    if sys.version_info < (3, 11):
        source = source.replace(b"except*", b"except")
    assert [(function.name, function.complexity) for function in measure(source).functions] == [
        ("A.method", 1),  # the branches of a closure count for the closure only
        ("A.method.Inner.deep", 1),
        ("A.method.closure", 2),
        ("conditional", 1),
        ("handler", 1),
        ("matched", 1),
    ]


def test_a_property_and_its_setter_are_two_functions() -> None:
    source = b"class A:\n @property\n def x(self): return 1 if self else 2\n @x.setter\n def x(self, value): pass\n"
    assert [function.complexity for function in measure(source).functions] == [2, 1]


def test_lines_are_physical_lines_and_an_empty_file_has_none() -> None:
    assert measure(b"# one\n\nx = 1").lines == 3
    assert measure(b"").lines == 0
    assert measure(b"").functions == ()


def test_the_declared_encoding_is_used() -> None:
    assert measure("# coding: latin-1\ndef é(): pass\n".encode("latin-1")).functions[0].name == "é"


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (b"x = 1\nprint 'two'\n", "line 2"),
        (b"# coding: no-such-thing\n", "no-such-thing"),
        (b"x = 1\0\n", "null byte"),
        (b"x = '\xf6'\n", "utf-8"),
        (b"x = " + b"-" * 100_000 + b"1\n", ""),
        (b"x = " + b"(" * 100_000 + b"\n", ""),
    ],
)
def test_the_error_of_invalid_python_has_the_reason(source: bytes, what: str) -> None:
    with pytest.raises(DoesNotParse) as caught:
        measure(source)
    assert str(caught.value)
    assert what in str(caught.value)


def test_an_old_escape_prints_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    measure(b"pattern = '\\d'\n")
    assert not list(recwarn)

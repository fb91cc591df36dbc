"""The last stage of the demo finds a planted copy with its exact lines, and nothing else."""

import random

from examples.demo.duplicates import LEAST_TOKENS, Duplicate, find_duplicates
from examples.demo.fingerprint import fingerprint

PLANTED = """\
def merge(left, right):
    result = []
    while left and right:
        if left[0] <= right[0]:
            result.append(left.pop(0))
        else:
            result.append(right.pop(0))
    for rest in (left, right):
        try:
            result.extend(rest)
        except TypeError as error:
            raise ValueError(f"no list: {rest!r}") from error
    return [item for item in result if item is not None]
"""


def _filler(lines: int, seed: int) -> str:
    """Long code without repetitions. A shape does not distinguish names, so the operators differ."""
    rng = random.Random(seed)
    operators = ["+", "-", "*", "/", "//", "%", "<<", ">>", "&", "|", "^", "==", "<", ">=", "is", "in", "and", "or"]
    return "".join("x = " + " ".join(f"a {rng.choice(operators)}" for _ in range(8)) + " b\n" for _ in range(lines))


def _find(**sources: str) -> list[Duplicate]:
    return find_duplicates({name: fingerprint(source.encode()) for name, source in sources.items()})


def _lines(duplicate: Duplicate) -> list[tuple[str, int, int]]:
    return [(place.path, place.first_line, place.last_line) for place in duplicate.places]


def test_a_copy_with_other_names_in_another_file_is_found_to_the_line() -> None:
    renamed = PLANTED.replace("left", "a").replace("right", "bb").replace("merge", "zip_up")
    [found_duplicate] = _find(
        one=_filler(10, 1) + PLANTED + "del x\n" + _filler(5, 2),
        two=_filler(33, 3) + "# a comment\n" + renamed + "assert x\n" + _filler(7, 4),
    )
    # The line before each ends in the same tokens, so that may be shared too.
    assert [(path, last) for path, _, last in _lines(found_duplicate)] == [("one", 23), ("two", 47)]
    assert found_duplicate.places[0].first_line in (10, 11)
    assert found_duplicate.places[1].first_line in (33, 35)
    assert found_duplicate.tokens >= len(fingerprint(PLANTED.encode()).shape)


def test_a_copy_in_the_same_file_is_found() -> None:
    [found_duplicate] = _find(
        one="del x\n" + PLANTED + "del x, y\n" + _filler(20, 1) + "assert x\n" + PLANTED + "pass\n"
    )
    assert _lines(found_duplicate) == [("one", 1, 14), ("one", 36, 49)] or _lines(found_duplicate) == [
        ("one", 2, 14),
        ("one", 37, 49),
    ]


def test_three_copies_are_one_duplicate_with_three_places() -> None:
    [found_duplicate] = _find(
        one=_filler(9, 1) + "del x\n" + PLANTED + "del y\n" + _filler(3, 2),
        two="assert x\n" + PLANTED + "pass\n" + _filler(3, 3),
        three=_filler(30, 4) + "pass\n" + PLANTED + "assert y\n",
    )
    assert {place.path for place in found_duplicate.places} == {"one", "two", "three"}


def test_duplicates_are_sorted_by_length_without_overlap() -> None:
    operators = ("<", ">", "==", "!=", "is", "in", "<=", ">=", "+", "-")
    short = "def f(a):\n" + "".join(f"    if a {op} 1:\n        a[0].b(c)\n" for op in operators)
    duplicates = _find(
        one=PLANTED + "pass\n" + _filler(8, 1) + "del x\n" + short + "pass\n",
        two=short + "assert x\n" + _filler(8, 2) + "pass\n" + PLANTED + "del x\n",
    )
    assert [duplicate.tokens for duplicate in duplicates] == sorted(
        (duplicate.tokens for duplicate in duplicates), reverse=True
    )
    assert len(duplicates) == 2


def test_unique_code_is_not_a_duplicate() -> None:
    assert _find(one=_filler(200, 1), two=_filler(200, 2) + PLANTED) == []


def test_short_copies_are_not_reported() -> None:
    short = "".join(PLANTED.splitlines(keepends=True)[:7])
    sources = {"one": _filler(9, 1) + short + _filler(9, 2), "two": _filler(9, 3) + short + _filler(9, 4)}
    marks, other_marks = ({mark for mark, _ in fingerprint(source.encode()).marks} for source in sources.values())
    assert marks & other_marks
    assert len(fingerprint(short.encode()).shape) < LEAST_TOKENS
    assert _find(**sources) == []


def test_overlapping_repetitions_are_not_counted_twice() -> None:
    twice_two, *others = _find(one=PLANTED * 4, two=_filler(5, 1))
    assert _lines(twice_two) == [("one", 1, 26), ("one", 27, 52)]
    for duplicate in others:
        first, second = duplicate.places[:2]
        assert first.end <= second.start


def test_no_line_is_reported_twice_in_overlapping_copies() -> None:
    lines = _filler(60, 7).splitlines(keepends=True)
    one, two, three = lines[:40], lines[20:], lines[10:30]
    duplicates = _find(
        a="".join(lines) + "pass\n" + PLANTED * 3,
        b="".join(one) + "del x\n" + PLANTED * 5,
        c="pass\n" + "".join(two) + "assert x\n" + "".join(three),
        d="".join(three) + "del y\n" + "".join(two) + "(a, b, (PLANTED,\n" + "  c))\n",
    )
    lines_of_all = [
        (path, line)
        for duplicate in duplicates
        for path, first, last in _lines(duplicate)
        for line in range(first, last + 1)
    ]
    assert len(lines_of_all) == len(set(lines_of_all))
    assert {("c", line) for line in range(2, 42)} < set(lines_of_all)  # no line of a copy is lost
    assert [duplicate.tokens for duplicate in duplicates] == sorted(
        (duplicate.tokens for duplicate in duplicates), reverse=True
    )


def _items(count: int, seed: int) -> list[str]:
    """Items of a list, each with a different operator."""
    return _filler(count, seed).replace("x = ", "").splitlines()


def test_a_repetition_inside_a_line_reports_the_line_once() -> None:
    items = [f"({item})," for item in _items(10, 7) * 2]
    lines = [" ".join(items[number : number + 4]) for number in range(0, 20, 4)]
    [found_duplicate] = _find(a="x = [\n" + "\n".join(lines) + "\n]\n")
    first, second = found_duplicate.places
    assert first.last_line < second.first_line


def test_a_line_shared_by_two_copies_is_reported_once() -> None:
    one, two = ("".join(f"({item})," for item in _items(6, seed)) for seed in (1, 2))
    duplicates = _find(a=f"[{one}{two}]", b=f"pass\ndel {one} a\n", c=f"pass\nassert {two} a\n")
    assert [place for duplicate in duplicates for place in _lines(duplicate) if place[0] == "a"] == [("a", 1, 1)]


def test_a_partial_copy_is_another_place_of_the_duplicate() -> None:
    whole, other = _filler(60, 7), _filler(30, 8)
    part = "".join(whole.splitlines(keepends=True)[20:40])
    duplicates = _find(a=whole, b=whole, c=part + "pass\n", d=other + "del x\n", e=other + "assert x\n")
    assert [_lines(duplicate) for duplicate in duplicates] == [
        [("a", 1, 60), ("b", 1, 60), ("c", 1, 20)],
        [("d", 1, 30), ("e", 1, 30)],
    ]


def test_a_line_of_endless_repetition_is_not_a_duplicate() -> None:
    assert _find(one="call(a, b)\n" * 400, two="call(a, b)\n" * 400) == []


def test_a_copied_file_is_found_completely() -> None:
    source = _filler(50, 1) + PLANTED + _filler(50, 2)
    [found_duplicate] = _find(one=source, two=source)
    lines = source.count("\n")
    assert _lines(found_duplicate) == [("one", 1, lines), ("two", 1, lines)]
    assert found_duplicate.lines == lines

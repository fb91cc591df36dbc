"""Stages 2 to 4 of the demo: the shape of a file, and the guarantees of winnowing."""

import random

import pytest

from examples.demo.fingerprint import RUN_TOKENS, WINDOW, DoesNotTokenize, fingerprint


def test_names_numbers_strings_layout_and_comments_make_no_difference() -> None:
    one = fingerprint(b"def f(a, b):\n    # sums\n    return a + b * 2 + 'x'\n").shape
    two = fingerprint(b"def other(x,\n      y):\n\n        return x + y * 31 + '''long\nstring'''\n").shape
    assert one == two


def test_keywords_operators_and_blocks_make_a_difference() -> None:
    shapes = [
        fingerprint(source).shape
        for source in (b"if a:\n    b\nc\n", b"if a:\n    b\n    c\n", b"while a:\n    b\nc\n", b"if -a:\n    b\nc\n")
    ]
    assert len(set(shapes)) == 4


def test_an_f_string_is_one_token_on_every_python() -> None:
    assert fingerprint(b'x = f"a{b!r:>{c}} {d[0]}"\ny = 1\n').shape == fingerprint(b'x = "a"\ny = 1\n').shape


def test_a_long_table_of_literals_has_a_short_shape() -> None:
    table = b"x = [%s]\ny = z\n"
    long = fingerprint(table % b", ".join(b"(%d, 'a')" % number for number in range(500)))
    assert len(long.shape) < 60
    assert long.shape.endswith(fingerprint(b"y = z\n").shape)
    assert long.rows == (1, 2)


def test_a_block_ends_on_its_own_last_line() -> None:
    file = fingerprint(b"if a:\n    b\n\n\n\nc\n")
    assert file.rows == (1, 2, 6)
    assert len(file.shape) - file.starts[2] == 2  # `c` and its line end: the block's end is not on line 6


def test_a_file_shorter_than_a_run_has_no_fingerprint() -> None:
    assert fingerprint(b"").marks == ()
    assert fingerprint(b"x = 1\n").marks == ()


def _statements(number: int, rng: random.Random) -> bytes:
    kinds = (b"a = b + c", b"a(b, c)", b"if a: b = c", b"a[b] -= 1", b"assert a < b", b"del a", b"a.b(c).d = {}")
    return b"\n".join(rng.choice(kinds) for _ in range(number)) + b"\n"


@pytest.mark.parametrize("seed", range(20))
def test_runs_of_the_guaranteed_length_share_a_fingerprint(seed: int) -> None:
    rng = random.Random(seed)
    common = _statements(40, rng)
    one = fingerprint(_statements(rng.randrange(1, 30), rng) + common + _statements(9, rng))
    two = fingerprint(_statements(rng.randrange(1, 30), rng) + common + _statements(9, rng))
    shape = fingerprint(common).shape
    start, other_start = one.shape.index(shape), two.shape.index(shape)
    inside = {(mark, index - start) for mark, index in one.marks}
    other_inside = {(mark, index - other_start) for mark, index in two.marks}
    for window in range(len(shape) - RUN_TOKENS - WINDOW + 2):
        assert any(window <= index < window + WINDOW for _, index in inside & other_inside)


def test_fingerprints_are_a_small_part_of_all_runs() -> None:
    file = fingerprint(_statements(5000, random.Random(1)))
    assert len(file.marks) < 3 * len(file.shape) / WINDOW


def test_the_error_of_an_untokenizable_file_has_the_reason() -> None:
    with pytest.raises(DoesNotTokenize, match="no-such-thing"):
        fingerprint(b"# coding: no-such-thing\n")
    with pytest.raises(DoesNotTokenize):
        fingerprint(b"if a:\n        b\n    c\n")

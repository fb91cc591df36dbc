"""Records which lines of each file already belong to a duplicate."""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

NO_MORE = 1 << 62


def line_start(starts: Sequence[int], index: int) -> int:
    """The first token of the line that a token is on. starts: the first token of each line."""
    return starts[bisect_right(starts, index) - 1]


class Territory:
    """Complete lines with the number of their duplicate. starts: for each file, the first token of each line."""

    def __init__(self, starts: Mapping[str, Sequence[int]]) -> None:
        self._starts = starts
        self._taken: dict[str, list[tuple[int, int, int]]] = defaultdict(list)  # (start, end, number), by start

    def take(self, start: tuple[str, int], tokens: int, number: int) -> None:
        """Assigns all free lines with one of these tokens to a duplicate."""
        path, first = start
        starts, taken = self._starts[path], self._taken[path]
        begin = line_start(starts, first)
        line_after = bisect_left(starts, first + tokens)
        end = starts[line_after] if line_after < len(starts) else NO_MORE
        insort(taken, (begin, end, number))

    def by(self, start: tuple[str, int]) -> int | None:
        """The number of the duplicate that has this token; None if there is none."""
        path, index = start
        taken = self._taken[path]
        place = bisect_right(taken, index, key=lambda one: one[0]) - 1
        return taken[place][2] if place >= 0 and index < taken[place][1] else None

    def cut(self, one: tuple[str, int], other: tuple[str, int], tokens: int) -> list[tuple[int, int]]:
        """Two runs of tokens, in parts that each belong to one duplicate, or to none, in either: (from, how many)."""
        cuts = {0, tokens}
        for path, first in (one, other):
            taken = self._taken[path]
            place = max(0, bisect_right(taken, first, key=lambda known: known[0]) - 1)
            while place < len(taken) and taken[place][0] < first + tokens:
                cuts |= {at - first for at in taken[place][:2] if 0 < at - first < tokens}
                place += 1
        ordered = sorted(cuts)
        return [(at, after - at) for at, after in pairwise(ordered)]

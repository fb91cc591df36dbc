"""Records which lines of each file already belong to a duplicate."""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

NO_MORE = 1 << 62


def line_start(starts: Sequence[int], index: int) -> int:
    """The first token of the line that a token is on. starts: the first token of each line."""
    return starts[bisect_right(starts, index) - 1]


class AssignedLines:
    """Complete lines with the number of their duplicate. starts: for each file, the first token of each line."""

    def __init__(self, starts: Mapping[str, Sequence[int]]) -> None:
        self._starts = starts
        self._assigned: dict[str, list[tuple[int, int, int]]] = defaultdict(list)  # (start, end, number), by start

    def assign(self, start: tuple[str, int], tokens: int, number: int) -> None:
        """Assigns all free lines with one of these tokens to a duplicate."""
        path, first = start
        starts, assigned = self._starts[path], self._assigned[path]
        begin = line_start(starts, first)
        line_after = bisect_left(starts, first + tokens)
        end = starts[line_after] if line_after < len(starts) else NO_MORE
        insort(assigned, (begin, end, number))

    def owner(self, start: tuple[str, int]) -> int | None:
        """The number of the duplicate that has this token; None if there is none."""
        path, index = start
        assigned = self._assigned[path]
        place = bisect_right(assigned, index, key=lambda one: one[0]) - 1
        return assigned[place][2] if place >= 0 and index < assigned[place][1] else None

    def split(self, one: tuple[str, int], other: tuple[str, int], tokens: int) -> list[tuple[int, int]]:
        """Two runs of tokens, in parts that each belong to one duplicate, or to none, in either: (from, how many)."""
        boundaries = {0, tokens}
        for path, first in (one, other):
            assigned = self._assigned[path]
            place = max(0, bisect_right(assigned, first, key=lambda known: known[0]) - 1)
            while place < len(assigned) and assigned[place][0] < first + tokens:
                boundaries |= {at - first for at in assigned[place][:2] if 0 < at - first < tokens}
                place += 1
        ordered = sorted(boundaries)
        return [(at, after - at) for at, after in pairwise(ordered)]

"""After stage 4: joins the fingerprints of all files and finds duplicated code.

Two equal fingerprints are a seed. A seed is extended to both sides while the two shapes are equal, so that a
duplicate's ends are exact to the token. The longest match takes its lines first; a shorter one keeps its remaining
lines. Therefore no line belongs to two duplicates, or to two places of one.
"""

import heapq
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from examples.demo.assigned_lines import AssignedLines, line_start
from examples.demo.fingerprint import RUN_TOKENS, WINDOW, Fingerprints

LEAST_TOKENS = RUN_TOKENS + WINDOW - 1  # winnowing always finds this length; shorter matches are found by chance
MOST_PLACES = 20  # a run in more places than this is a common idiom, not a copy

Start = tuple[str, int]  # (path, index of the first token)


@dataclass(frozen=True)
class Place:
    """A run of tokens [start, end) in one file, and the physical lines (first to last, from 1) that it covers."""

    path: str
    start: int
    end: int
    first_line: int
    last_line: int


@dataclass(frozen=True)
class Duplicate:
    """Code in two or more places. tokens: shared by the first two places; other places have a part of them."""

    tokens: int
    places: tuple[Place, ...]

    @property
    def lines(self) -> int:
        """Physical lines of the first place."""
        return self.places[0].last_line - self.places[0].first_line + 1


def find_duplicates(files: Mapping[str, Fingerprints]) -> list[Duplicate]:
    """All duplicated code of at least LEAST_TOKENS in these files (by path), longest first."""
    left = [(-tokens, one, other) for tokens, one, other in _pairs(files)]
    heapq.heapify(left)
    assigned = AssignedLines({path: file.starts for path, file in files.items()})
    found: list[tuple[int, list[Place]]] = []
    while left:
        minus_tokens, one, other = heapq.heappop(left)
        parts = assigned.split(one, other, -minus_tokens)
        if len(parts) > 1:
            for at, tokens in parts:
                if tokens >= LEAST_TOKENS:
                    heapq.heappush(left, (-tokens, (one[0], one[1] + at), (other[0], other[1] + at)))
            continue
        owners = {assigned.owner(start) for start in (one, other)}
        if owners == {None}:
            number = len(found)
            found.append((-minus_tokens, []))
        elif None in owners:  # another place of a known duplicate
            number = next(owner for owner in owners if owner is not None)
        for path, start in (one, other):
            if assigned.owner((path, start)) is None:
                place = _place(files, path, start, -minus_tokens)
                found[number][1].append(place)
                assigned.assign((path, start), -minus_tokens, number)
    return [Duplicate(tokens, tuple(places)) for tokens, places in found]


def _pairs(files: Mapping[str, Fingerprints]) -> Iterator[tuple[int, Start, Start]]:
    """Each longest run that two places share: its tokens, and (path, index of its first token) of both."""
    places: dict[int, list[Start]] = defaultdict(list)
    for path, file in sorted(files.items()):
        for mark, index in file.marks:
            places[mark].append((path, index))
    grown_to: dict[tuple[str, str, int], int] = {}  # (path, other path, distance) -> the end of the last run there
    seeds = (
        (path, index, other_path, other_index)
        for standing in places.values()
        if 2 <= len(standing) <= MOST_PLACES
        for number, (path, index) in enumerate(standing)
        for other_path, other_index in standing[number + 1 :]
    )
    for path, index, other_path, other_index in sorted(seeds):
        diagonal = (path, other_path, other_index - index)
        if grown_to.get(diagonal, 0) > index:
            continue
        shape, other_shape = files[path].shape, files[other_path].shape
        back = _equal_before(shape, index, other_shape, other_index)
        tokens = back + _equal_after(shape, index, other_shape, other_index)
        start, other_start = index - back, other_index - back
        grown_to[diagonal] = start + tokens
        if path == other_path:  # a run that repeats itself: only up to the line where it starts again
            tokens = min(tokens, line_start(files[path].starts, other_start) - start)
        if tokens >= LEAST_TOKENS:
            yield tokens, (path, start), (other_path, other_start)


def _equal_after(shape: str, index: int, other: str, other_index: int) -> int:
    """The number of equal tokens from these two indices on."""
    low, step = 0, RUN_TOKENS
    most = min(len(shape) - index, len(other) - other_index)
    while step:
        high = min(low + step, most)
        if shape[index + low : index + high] == other[other_index + low : other_index + high]:
            low = high
            step = 2 * step if high < most else 0
        else:
            most = high - 1
            step = (high - low) // 2
    return low


def _equal_before(shape: str, index: int, other: str, other_index: int) -> int:
    """The number of equal tokens before these two indices."""
    count, most = 0, min(index, other_index)
    while count < most and shape[index - count - 1] == other[other_index - count - 1]:
        count += 1
    return count


def _place(files: Mapping[str, Fingerprints], path: str, start: int, tokens: int) -> Place:
    file = files[path]
    first = file.rows[bisect_right(file.starts, start) - 1]
    last = file.rows[bisect_right(file.starts, start + tokens - 1) - 1]
    return Place(path, start, start + tokens, first, last)

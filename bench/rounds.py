"""Rounds of measurements: each round runs all of them, so that other load on the machine affects all alike."""

import statistics
import time
from collections.abc import Callable, Mapping

from rich.console import Console

Measure = Callable[[], dict[str, float]]


class Rounds:
    """The figures of each round, and the reasons of failed measurements."""

    def __init__(self) -> None:
        self.rounds: list[dict[str, float]] = []
        self.missing: dict[str, str] = {}

    def run(self, measures: Mapping[str, Measure], rounds: int, console: Console) -> None:
        """Runs the measurements and prints their progress. A failed one is reported and not repeated."""
        for number in range(1, rounds + 1):
            figures: dict[str, float] = {}
            self.rounds.append(figures)
            for place, (name, measure) in enumerate(measures.items(), 1):
                if name in self.missing:
                    continue
                started = time.perf_counter()
                position = f"round {number} of {rounds}, {place} of {len(measures)}"
                try:
                    with console.status(f"{position}: {name} …"):
                        measured = measure()
                except Exception as error:
                    self.missing[name] = " ".join(str(error).split()) or type(error).__name__
                    console.print(f"[red]{position}: {name}: {self.missing[name]}", highlight=False)
                    continue
                figures |= measured
                summary = ", ".join(f"{figure} {value:,.4g}" for figure, value in measured.items())
                console.print(f"{position}: {summary} ({time.perf_counter() - started:.0f} s)", highlight=False)

    def values(self, figure: str) -> list[float]:
        """One figure, round by round."""
        return [figures[figure] for figures in self.rounds if figure in figures]

    def median(self, figure: str) -> float | None:
        """The median of one figure; None if it was not measured."""
        values = self.values(figure)
        return statistics.median(values) if values else None

    def ratio(self, figure: str, to: str) -> float | None:
        """The median of each round's ratio of two figures."""
        ratios = [figures[figure] / figures[to] for figures in self.rounds if figure in figures and to in figures]
        return statistics.median(ratios) if ratios else None

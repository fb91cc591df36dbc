"""Rounds of measurements: all in turn, then all again, so that a noisy machine is noisy for all."""

import statistics
import time
from collections.abc import Callable, Mapping

from rich.console import Console

Measure = Callable[[], dict[str, float]]


class Rounds:
    """What was measured, round by round; and why something was not."""

    def __init__(self) -> None:
        self.rounds: list[dict[str, float]] = []
        self.missing: dict[str, str] = {}

    def run(self, measures: Mapping[str, Measure], rounds: int, console: Console) -> None:
        """Measures, saying how far it is. What fails is named, and is not tried again."""
        for number in range(1, rounds + 1):
            found: dict[str, float] = {}
            self.rounds.append(found)
            for place, (name, measure) in enumerate(measures.items(), 1):
                if name in self.missing:
                    continue
                begun = time.perf_counter()
                where = f"round {number} of {rounds}, {place} of {len(measures)}"
                try:
                    with console.status(f"{where}: {name} …"):
                        measured = measure()
                except Exception as error:
                    self.missing[name] = " ".join(str(error).split()) or type(error).__name__
                    console.print(f"[red]{where}: {name}: {self.missing[name]}", highlight=False)
                    continue
                found |= measured
                figures = ", ".join(f"{figure} {value:,.4g}" for figure, value in measured.items())
                console.print(f"{where}: {figures} ({time.perf_counter() - begun:.0f} s)", highlight=False)

    def values(self, figure: str) -> list[float]:
        """One figure, round by round."""
        return [found[figure] for found in self.rounds if figure in found]

    def median(self, figure: str) -> float | None:
        """Its median; None where it was not measured."""
        values = self.values(figure)
        return statistics.median(values) if values else None

    def ratio(self, figure: str, to: str) -> float | None:
        """The median of each round's ratio."""
        ratios = [found[figure] / found[to] for found in self.rounds if figure in found and to in found]
        return statistics.median(ratios) if ratios else None

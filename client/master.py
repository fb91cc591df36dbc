"""Master: what is asked about a whole list, one method a route of the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import wire
from .answers import Lifetime, Progress, SetAnswer, StagesAnswer
from .batches import batches
from .connection import Connection
from .job import UNSET, Unset


class Master(Connection):
    """Makes a list, fills it and watches it."""

    def init(
        self, lifetimes_minutes: Sequence[float] = (), *, name: str | None = None, requeue: bool = False
    ) -> dict[int, float]:
        """Creates the list with a lifetime for each stage; those already set stay. Answers minutes by stage.

        requeue: jobs that expire in an odd stage go back by themselves to the even one below. Where the stage has
        another one to go to already, that stays too.
        """
        path = "/init" + "".join(f"/{wire.path_number(minutes)}" for minutes in lifetimes_minutes)
        answer = self._transport.ask("POST", path, params={} if name is None else {"name": name})
        lifetimes = answer.told(lambda value, _: {int(stage): float(minutes) for stage, minutes in value.items()})
        if requeue:
            for stage, minutes in lifetimes.items():
                if stage % 2 and minutes and self.lifetime(stage).requeue is None:
                    self.lifetime(stage, minutes, requeue=stage - 1)
        return lifetimes

    def set(self, jobs: Mapping[int, Mapping[str, Any]] | Iterable[tuple[int, Mapping[str, Any]]]) -> SetAnswer:
        """Adds jobs: jobid -> {"jobcmd", "jobstage", "priority"}, each key optional. Known ids are left alone.

        An iterable is sent as it comes, 10,000 jobs or 1 MiB a request, so memory stays constant. A refused request
        leaves those before it accepted; the whole may be sent again. A batch whose answer was lost counts as known.
        """
        new = known = 0
        for one in self.set_batches(jobs):
            new, known = new + one.new, known + one.known
        return SetAnswer(new, known)

    def set_batches(
        self, jobs: Mapping[int, Mapping[str, Any]] | Iterable[tuple[int, Mapping[str, Any]]]
    ) -> Iterator[SetAnswer]:
        """`set`, an answer a request: for who wants to know how far it came."""
        for body in batches(jobs.items() if isinstance(jobs, Mapping) else jobs):
            answer = self._transport.ask("POST", "/set", body=body, headers={"Content-Encoding": "gzip"})
            yield answer.told(lambda value, _: SetAnswer(int(value["new"]), int(value["known"])))

    def check_stages(self, old: int | None = None, new: int | None = None) -> StagesAnswer:
        """Flags what is overdue; with `old` and `new` moves what is flagged in `old` to the lower even stage `new`."""
        if (old is None) != (new is None):
            raise ValueError("check_stages takes both old and new, or neither")
        path = "/check_stages" if old is None else f"/check_stages/{old}/{new}"
        return self._transport.ask("POST", path).told(lambda value, _: wire.stages(value))

    def lifetime(
        self,
        stage: int,
        minutes: float | None = None,
        *,
        requeue: int | Unset | None = UNSET,
        max_attempts: int | None = None,
    ) -> Lifetime:
        """That stage's lifetime; or sets `minutes` (0: for ever), where expired jobs go, and how often one is tried.

        What isn't given stays as it is. requeue None: expired jobs are flagged and stay.
        """
        asked: dict[str, str | int] = {}
        if requeue is not UNSET:
            asked["requeue"] = "" if requeue is None else requeue
        if max_attempts is not None:
            asked["max_attempts"] = max_attempts
        if minutes is None and asked:
            minutes = self.lifetime(stage).minutes
        path = f"/lifetime/{stage}" if minutes is None else f"/lifetime/{stage}/{wire.path_number(minutes)}"
        answer = self._transport.ask("GET" if minutes is None else "POST", path, params=asked)
        return answer.told(lambda value, _: wire.a_lifetime(value))

    def progress(self) -> Progress:
        """The whole list, counted. Its name is empty where an open server has no list with this jobix (yet)."""
        return self._transport.ask("GET", "/get").told(lambda value, _: wire.a_progress(value))

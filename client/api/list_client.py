"""ListClient: the connection to one server, and the routes that concern a whole list."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from ..http.transport import Transport, identity
from . import codec
from .responses import CheckResponse, Lifetime, Progress, Rules, SetResponse
from .submission import ListedJob, NumberedJob, encode_set
from .types import UNSET, Requeue, Unset, as_json

if TYPE_CHECKING:  # a copy of this folder alone must work
    from job_manager_wire import shapes

T = TypeVar("T", bound="ListClient")


class ListClient:
    """Creates a list, fills it and watches it. JobClient documents the arguments."""

    def __init__(
        self,
        url: str,
        jobix: int,
        *,
        worker: str | None = None,
        ca_file: str | None = None,
        timeout_s: float = 30.0,
        retry_for_s: float = 300.0,
    ) -> None:
        self.worker = f"{socket.gethostname()}:{os.getpid()}" if worker is None else worker
        self._transport = Transport(url, identity(jobix, self.worker), ca_file, timeout_s, retry_for_s)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.shown_url!r}, worker={self.worker!r})"

    def with_options(self: T, *, timeout_s: float | None = None, retry_for_s: float | None = None) -> T:
        """Returns a copy with separate connections and these options changed."""
        copy = object.__new__(type(self))
        copy.worker = self.worker
        copy._transport = self._transport.with_options(
            timeout_s=self._transport.timeout_s if timeout_s is None else timeout_s,
            retry_for_s=self.retry_for_s if retry_for_s is None else retry_for_s,
        )
        return copy

    def page_url(self, name: str) -> str:
        """The address of the page of the list with this name."""
        return f"{self._transport.shown_url.rstrip('/')}/get?list={quote(name)}"

    @property
    def list_key(self) -> str:
        """A name for the list on this server, for files about it: the same for each client, without the secret key."""
        return self._transport.list_key

    @property
    def retry_for_s(self) -> float:
        """How long a request is retried after its first failure."""
        return self._transport.retry_for_s

    @retry_for_s.setter
    def retry_for_s(self, seconds: float) -> None:
        """Applies to the next request."""
        self._transport.retry_for_s = seconds

    def without_secret(self, text: str) -> str:
        """`text` without the jobix in it: for text from elsewhere that is about to be shown or sent."""
        return self._transport.without_secret(text)

    def init(
        self,
        lifetimes_minutes: Sequence[float] = (),
        *,
        name: str | None = None,
        requeue: Requeue = "below",
        backoff_s: float = 0.0,
    ) -> dict[int, float]:
        """Creates the list with a lifetime for each stage; stages that were set before stay. Returns minutes by stage.

        requeue: the even stage to which jobs return when their lifetime ends, in every odd stage given; "below" is the
        even stage below; None: these jobs are flagged and stay. backoff_s: the pause after the first failure of a job,
        for the same stages; see `lifetime`.
        """
        targets = codec.requeue_targets(len(lifetimes_minutes), requeue)
        working = set(range(1, len(lifetimes_minutes), 2)) if targets or backoff_s else set()
        before = self._stages_with_lifetimes() if working else set()
        path = "/init" + "".join(f"/{codec.encode_number(minutes)}" for minutes in lifetimes_minutes)
        response = self._transport.request("POST", path, params={} if name is None else {"name": name})
        lifetimes = response.into(lambda value, _: codec.decode_lifetimes(value))
        for stage in sorted(working - before):
            self.lifetime(stage, lifetimes[stage], requeue=targets.get(stage), backoff_s=backoff_s)
        return lifetimes

    def _stages_with_lifetimes(self) -> set[int]:
        """Asks for lifetimes only if there is a list: the server logs keys that it does not know."""
        if not self.progress().name:
            return set()
        return self._transport.request("GET", "/lifetime").into(lambda value, _: {int(stage) for stage in value})

    def set(self, jobs: Mapping[int, Mapping[str, Any]] | Iterable[NumberedJob | ListedJob]) -> SetResponse:
        """Adds jobs. Known jobs, whose id or name the list has already, are not changed.

        jobs: jobid -> {"jobcmd", "jobstage", "priority", "name"}, each key optional, or pairs of these; or such objects
        without ids, which the server then chooses. An object without a name gets one made from its jobcmd, so it is
        safe to send all again, also with more jobs; of equal jobcmds each is a job.

        An iterable is sent as it comes, 10,000 jobs or 1 MiB per request. If a request is refused, the jobs before it
        stay accepted. The jobs of a request whose response was lost count as known.
        """
        return sum(self.set_batches(jobs), SetResponse(0, 0))

    def set_batches(
        self, jobs: Mapping[int, Mapping[str, Any]] | Iterable[NumberedJob | ListedJob]
    ) -> Iterator[SetResponse]:
        """`set` as an iterator, with a response for each request."""
        for body in encode_set(jobs.items() if isinstance(jobs, Mapping) else jobs):
            response = self._transport.request("POST", "/set", body=body, headers={"Content-Encoding": "gzip"})
            yield response.into(lambda value, _: codec.decode_set(value))

    def check_stages(self, old: int | None = None, new: int | None = None) -> CheckResponse:
        """Flags overdue jobs; with `old` and `new` moves those of `old` to the lower even stage `new`."""
        if (old is None) != (new is None):
            raise ValueError("check_stages takes both old and new, or neither")
        path = "/check_stages" if old is None else f"/check_stages/{old}/{new}"
        return self._transport.request("POST", path).into(lambda value, _: codec.decode_check(value))

    def lifetime(
        self,
        stage: int,
        minutes: float | None = None,
        *,
        requeue: Requeue | Unset = UNSET,
        max_attempts: int | None = None,
        backoff_s: float | None = None,
        retry_for_s: float | None = None,
    ) -> Lifetime:
        """Returns the lifetime of that stage. Other arguments change it first; an omitted one changes nothing.

        minutes: 0 is no limit. requeue: the even stage to which jobs return when their lifetime ends; "below" is the
        even stage below; None: these jobs are flagged and stay.
        backoff_s: the pause before the next attempt after the first failure of a job; it doubles with each failure; 0:
        none. retry_for_s: the time since the first failure after which the next failure is final; 0: no limit.
        """
        params: dict[str, str | int] = {}
        if requeue is not UNSET:
            target = codec.requeue_target(stage, requeue)
            params["requeue"] = "" if target is None else target
        if max_attempts is not None:
            params["max_attempts"] = max_attempts
        if backoff_s is not None:
            params["backoff_s"] = codec.encode_number(backoff_s)
        if retry_for_s is not None:
            params["retry_for_s"] = codec.encode_number(retry_for_s)
        if minutes is None and params:
            minutes = self.lifetime(stage).minutes
        path = f"/lifetime/{stage}" if minutes is None else f"/lifetime/{stage}/{codec.encode_number(minutes)}"
        response = self._transport.request("GET" if minutes is None else "POST", path, params=params)
        return response.into(lambda value, _: codec.decode_lifetime(value))

    def rules(
        self,
        stage: int,
        *,
        check: shapes.Check | Unset | None = UNSET,
        replication: shapes.Replication | Unset | None = UNSET,
        set_aside: bool | None = None,
    ) -> Rules:
        """Returns the rules of that working stage. Arguments change them first; a check or replication of None removes
        it, and an omitted argument changes nothing. set_aside: hosts whose jobs fail get no jobs."""
        given = {"check": check, "replication": replication, "set_aside": UNSET if set_aside is None else set_aside}
        body = {name: rule for name, rule in given.items() if rule is not UNSET}
        response = self._transport.request(
            "POST" if body else "GET", f"/rules/{stage}", body=as_json(body) if body else None
        )
        return response.into(lambda value, _: codec.decode_rules(value))

    def progress(self) -> Progress:
        """The counts of the whole list. The name is empty if an open server has no list with this jobix (yet)."""
        return self._transport.request("GET", "/get").into(lambda value, _: codec.decode_progress(value))

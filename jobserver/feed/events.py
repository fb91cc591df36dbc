"""Publishes the events of a commit: a line in the log, and a wake-up for the long polls of the same stage and for
the heartbeats of the same jobs."""

import logging
from collections.abc import Iterable

from jobserver.core.states import Event, EventKind
from jobserver.feed.heartbeat_waits import HeartbeatWaits
from jobserver.feed.long_poll import EVERYONE, LongPolls

NAMED = 5  # jobs that a log line names
MAKES_AVAILABLE = {
    EventKind.SUBMITTED,
    EventKind.COMPLETED,
    EventKind.RELEASED,
    EventKind.REQUEUED,
    EventKind.PAUSE_ENDED,
}
ABOUT_A_HOST = {EventKind.SET_ASIDE, EventKind.NOT_SET_ASIDE, EventKind.READMITTED}
CHANGES_ACCESS = (EventKind.RESTORED, EventKind.LIST_DELETED)
log = logging.getLogger("jobserver")


class Publisher:
    """Publishes committed events."""

    def __init__(self, long_polls: LongPolls, heartbeat_waits: HeartbeatWaits) -> None:
        self._long_polls = long_polls
        self._heartbeat_waits = heartbeat_waits

    def publish(self, events: Iterable[Event]) -> None:
        """Publishes each event."""
        for event in events:
            if log.isEnabledFor(logging.INFO):
                log.info(log_line(event))
            if event.list_id in self._heartbeat_waits.by_list:
                self._heartbeat_waits.wake(event)
            if event.kind is EventKind.INCONCLUSIVE and event.to_stage is not None:
                self._long_polls.wake(event.list_id, event.to_stage, EVERYONE)  # some hosts may not have these jobs
            elif event.kind in MAKES_AVAILABLE and event.to_stage is not None:
                if event.to_stage % 2 == 0:
                    self._long_polls.wake(event.list_id, event.to_stage, event.jobs)
            elif event.kind is EventKind.CREATED:
                self._long_polls.wake_for_new_list()
            elif event.kind in (EventKind.RESUMED, EventKind.RULES, EventKind.READMITTED, *CHANGES_ACCESS):
                self._long_polls.wake_list(event.list_id)


def log_line(event: Event) -> str:
    """Describes an event: `list 1: job 17 completed, stage 1 to 2, by node3:812`."""
    parts = [f"list {event.list_id}:"]
    if event.jobs:
        named = ", ".join(map(str, event.jobids[:NAMED])) + (", …" if len(event.jobids) > NAMED else "")
        if event.jobs == 1 and named:
            parts.append(f"job {named}")
        else:
            parts.append(f"{event.jobs} job{'s' * (event.jobs != 1)}" + f" ({named})" * bool(named))
    if event.kind in ABOUT_A_HOST:
        parts.append(f"host {event.worker}")
    parts.append(event.kind.value.replace("_", " "))
    line = " ".join(parts)
    if event.to_stage is not None:
        same = event.from_stage is None or event.from_stage == event.to_stage
        line += f", stage {event.to_stage}" if same else f", stage {event.from_stage} to {event.to_stage}"
    if event.message:
        line += f" ({event.message})"
    by = event.actor or (None if event.kind in ABOUT_A_HOST else event.worker)
    return f"{line}, by {by}" if by else line

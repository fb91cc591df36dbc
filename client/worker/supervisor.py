"""The supervisor process of a worker: ends the worker's command if the worker is killed.

`supervision` starts it, and sends a line to its stdin for each command: the process group when the command starts, and
0 when it has ended. The line `end` lets it exit. If stdin closes without that line, the worker is dead. Then the
supervisor ends that process group and, on Linux, all processes whose environment contains the worker's marker; a
command may have started these in other groups and sessions.

Imports nothing of this package: `supervision` sends this source to a bare interpreter.
"""

from __future__ import annotations

import os
import signal
import sys
import time

END = b"end"
SEARCH_S = 0.5  # a process that is just starting has not got its marker yet
KILL_AFTER_S = 2.0
GIVE_UP_AFTER_S = 3.0  # after SIGKILL: a process in uninterruptible sleep cannot be killed
POLL_S = 0.05


def main(marker: bytes) -> None:
    """Reads the lines of the worker until it ends. marker: `NAME=value`, as in an environment."""
    group = 0
    for line in sys.stdin.buffer:
        if line.strip() == END:
            return
        if line.endswith(b"\n"):
            group = int(line)
    end_processes(group, marker)


def end_processes(group: int, marker: bytes, kill_after_s: float = KILL_AFTER_S) -> None:
    """SIGTERM to the group and to all marked processes, SIGKILL to those left after kill_after_s."""
    began = time.monotonic()
    _send(_find(group, marker), signal.SIGTERM)  # once: a process that was terminated may start others to clean up
    while (elapsed_s := time.monotonic() - began) < kill_after_s + GIVE_UP_AFTER_S:
        members = _find(group, marker)
        if not members and elapsed_s > SEARCH_S:
            return
        if elapsed_s > kill_after_s:
            _send(members, signal.SIGKILL)
        time.sleep(POLL_S)


def _find(group: int, marker: bytes) -> set[int]:
    """The group as a negative number, if it has members, and the marked processes outside of it."""
    found = set()
    if group and _send({-group}, 0):
        found.add(-group)
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if marker in file.read().split(b"\0") and os.getpgid(int(name)) != group:
                        found.add(int(name))
            except OSError:  # it has ended, or belongs to another user
                continue
    return found


def _send(members: set[int], signum: int) -> bool:
    """Sends a signal to processes, and to groups as negative numbers. False if there is none left."""
    is_sent = False
    for member in members:
        try:
            os.kill(member, signum)
            is_sent = True
        except (ProcessLookupError, PermissionError):  # macOS raises PermissionError for a group of zombies
            continue
    return is_sent


if __name__ == "__main__":
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)  # Slurm, for example, signals all processes of its job
    main(sys.argv[1].encode())

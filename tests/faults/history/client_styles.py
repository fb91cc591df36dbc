"""The styles of workers that run the client's own Worker."""

from dataclasses import dataclass

CLIENT = "client"  # how their names begin
DELIVERING = "client delivering"  # delivers the remaining reports of the outbox, and ends
DRAINING_CLIENT = "client draining"
OUTPUTS, OUTBOX = "outputs", "outbox"  # their folders beside the journal


@dataclass(frozen=True)
class ClientStyle:
    """How a worker works. `runs_commands`: else a function does its jobs. `work_s`: shortest and longest time of a job.
    `lease_s`: it renews each claim after a third of that time."""

    lease_s: float
    work_s: tuple[float, float]
    runs_commands: bool = False


CLIENT_STYLES = {
    "client functions": ClientStyle(0.6, (0, 0.1)),
    "client slow functions": ClientStyle(0.5, (0.3, 1)),
    "client commands": ClientStyle(0.8, (0, 0.2), runs_commands=True),
    "client slow commands": ClientStyle(0.6, (0.3, 1), runs_commands=True),
}

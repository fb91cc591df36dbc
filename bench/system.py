"""The systems to compare: job_manager and its peers, all drained in the same way."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

WORKERS = 4
MORE_WORKERS = "Dramatiq, 32 threads"  # in four processes, its default
MODULES = (
    "bench.job_manager",
    "bench.peers.with_huey",
    "bench.peers.with_rq",
    "bench.peers.with_celery",
    "bench.peers.with_dramatiq",
    "bench.peers.with_procrastinate",
    "bench.peers.with_dask",
    "bench.peers.with_hyperqueue",
)


@dataclass(frozen=True)
class System:
    """One system on one storage.

    module: where it is defined. package: the distribution; empty for this project. durable: whether an acknowledged job
    survives kill -9 and loss of power, or why not. jobs: the number for the first drain. drain: enqueues this many jobs
    with data in the folder, drains them, and returns the seconds of the drain alone.
    """

    module: str
    name: str
    package: str
    storage: str
    durable: str
    jobs: int
    drain: Callable[[Path, int], float]

    @property
    def versioned(self) -> str:
        """The name with the installed version."""
        short = self.name.partition(",")[0]
        return f"{short} {version(self.package)}" if self.package else short


def load_systems(modules: Sequence[str] = MODULES) -> tuple[list[System], dict[str, str]]:
    """The systems that can be imported, and the errors of the others by name."""
    systems: list[System] = []
    missing: dict[str, str] = {}
    for module in modules:
        try:
            systems += importlib.import_module(module).SYSTEMS
        except ImportError as error:
            missing[module.rpartition("with_")[2]] = str(error)
    return systems, missing

"""What keeps jobs and hands them to workers: this server and its peers, all drained in the same way."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

WORKERS = 4
MORE_WORKERS = "Dramatiq, 32 threads"  # in four processes, as it comes
MODULES = (
    "bench.ours",
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
    """One of them, on one storage.

    module: where it is defined. package: the distribution, if it is not this project. durable: whether an acknowledged
    job survives kill -9 and loss of power, and why not. jobs: for a first drain of some seconds. drain: enqueues so
    many jobs into the folder, and drains them; the seconds of the drain alone.
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
        """The name with the version that is installed."""
        short = self.name.partition(",")[0]
        return f"{short} {version(self.package)}" if self.package else short


def found(modules: Sequence[str] = MODULES) -> tuple[list[System], dict[str, str]]:
    """The systems that can be had, and by name why others can't."""
    systems: list[System] = []
    missing: dict[str, str] = {}
    for module in modules:
        try:
            systems += importlib.import_module(module).SYSTEMS
        except ImportError as error:
            missing[module.rpartition("with_")[2]] = str(error)
    return systems, missing

"""A preloaded library that moves a server's clock and breaks its flushes, and the file that controls it."""

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("preload.c")
NUMBERS = ("clock_ms", "slow_ms", "fails")


def compile_library(folder: Path) -> Path | None:
    """Compiles the library. Returns None without a working C compiler."""
    compiler, library = shutil.which("cc"), folder / "preload.so"
    if compiler is None:
        return None
    compiled = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"], capture_output=True
    )
    return library if compiled.returncode == 0 else None


class ControlFile:
    """The control file of one server: numbers that can change at any time."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self._numbers = dict.fromkeys(NUMBERS, 0)
        self.environment = {"LD_PRELOAD": str(library), "HISTORY_FAULTS": str(file)}
        file.write_bytes(struct.pack("3q", 0, 0, 0))

    def set(self, **numbers: int) -> None:
        """Changes some numbers in place, because the server has the file mapped."""
        self._numbers |= numbers
        with self._file.open("r+b") as file:
            file.write(struct.pack("3q", *self._numbers.values()))

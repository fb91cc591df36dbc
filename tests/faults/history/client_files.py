"""The files that the client's own workers left: published outputs, undelivered reports, and refused results."""

import json
from pathlib import Path

from tests.faults.history.client_styles import OUTBOX, OUTPUTS
from tests.faults.history.final import Final


def read_clients(folder: Path, final: Final) -> None:
    """Adds these files to the final state."""
    for file in (folder / OUTPUTS).glob("[0-9]*-[0-9]*"):
        job, _, stage = file.name.partition("-")
        final.outputs[int(job), int(stage)] = file.read_text()
    for file in (folder / OUTBOX).glob("*/*.jsonl"):
        if lines := file.read_text().count("\n"):
            final.undelivered[file.name] = lines
    for file in (folder / OUTBOX).glob("*/set-aside/*.json"):
        report = json.loads(file.read_text())["report"]
        final.set_aside.add((report["jobid"], report["claim"]))

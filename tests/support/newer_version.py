"""A newer version of the server: a copy of its code with one more migration."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.server import Server

PARTS = ("app.py", "jobserver", "job_manager_wire", "migrations", "templates", "static")
ADDS_A_TABLE = """op.create_table("extra", sa.Column("id", sa.Integer(), primary_key=True))"""
MIGRATION = '''"""What tomorrow adds."""

import os
import signal

import sqlalchemy as sa
from alembic import op

revision = "tomorrow"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    {upgrade}
'''


class NewerVersion:
    """The newer version in a separate folder."""

    def __init__(self, folder: Path, head: str, upgrade: str = ADDS_A_TABLE) -> None:
        self.folder = folder
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / part, folder / part)
        (folder / "migrations" / "versions" / "tomorrow.py").write_text(MIGRATION.format(head=head, upgrade=upgrade))

    def run(self, server: Server, *command: str) -> "subprocess.CompletedProcess[str]":
        """Runs a command of the newer version on a server's database."""
        environment = server.environment | {"PYTHONPATH": str(self.folder)}
        return subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=os.environ | environment, capture_output=True, text=True,
            timeout=60,
        )  # fmt: skip

"""Builds jm.pyz: the client and its libraries in one file, which any Python 3.10 or newer runs without pip.

python deploy/build_jm_pyz.py WHEEL OUTPUT
"""

import shutil
import subprocess
import sys
import tempfile
import zipapp
from pathlib import Path

OLDEST = "3.10"
# In the syntax of every Python since 2.7: an older one, too, must be able to report that it is too old.
MAIN = """import sys

if sys.version_info < (3, 10):
    version = ".".join(str(number) for number in sys.version_info[:3])
    sys.stderr.write("error: jm needs Python 3.10 or newer; this is %s. Try: python3.11 jm.pyz\\n" % version)
    sys.exit(2)

from job_manager_client.__main__ import main

sys.exit(main())
"""
PURE_PYTHON = (  # a compiled library runs on one version of Python and one kind of machine only
    "--only-binary=:all:", "--implementation=py", "--abi=none", "--platform=any", f"--python-version={OLDEST}",
)  # fmt: skip
NOT_NEEDED = ("bin", "jobserver", "*.dist-info/licenses", "*.dist-info/RECORD", "*.dist-info/direct_url.json")


def main(wheel: Path, output: Path) -> None:
    """Installs the wheel with the client's libraries into a folder, and packs the folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        subprocess.run([*pip, f"--target={folder}", *PURE_PYTHON, str(wheel)], check=True)
        for pattern in NOT_NEEDED:
            for path in folder.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        (folder / "__main__.py").write_text(MAIN)
        zipapp.create_archive(folder, output, interpreter="/usr/bin/env python3", compressed=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""The requests by curl in docs/protocol.md, on a real server."""

import re
import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.support.paths import ROOT
from tests.support.server import Server


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed (on Debian, apt install curl)")
def test_the_examples_of_the_protocol_work(new_server: Callable[..., Server]) -> None:
    server = new_server().start()
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/protocol.md").read_text(), re.DOTALL)
    script = "".join(blocks).replace("http://127.0.0.1:5000", server.url).replace("curl ", "curl --fail-with-body -sS ")
    done = subprocess.run(["bash", "-e", "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert '"new":2' in done.stdout
    assert '"percent":50.0' in done.stdout

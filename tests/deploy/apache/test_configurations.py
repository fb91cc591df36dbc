"""Apache's configuration files, and the application as Apache loads it."""

import os
import subprocess
import sys

from tests.support.paths import ROOT
from tests.support.racing_team import Team
from tests.support.server import ApiClient


def test_the_configuration_of_the_founding_document_works(start, jobix):
    """With only the lines of the founding document, the first request loads the application."""
    text = ROOT.joinpath("deploy/apache/plain.conf").read_text()
    ours = text[text.index("    WSGIDaemonProcess") : text.index("    # Chunked bodies")]
    founding = """
    WSGIDaemonProcess job_man_app user=job_man_user group=job_man_group threads=5 python-home=/srv/job_manager/.venv
    WSGIScriptAlias / /srv/job_manager/job_manager_app.wsgi

    <Directory /srv/job_manager>
        WSGIProcessGroup job_man_app
        WSGIApplicationGroup %{GLOBAL}
        Require all granted
    </Directory>
    """
    with start("plain", {ours: founding}) as apache, Team(jobix, [("founding", apache.url)]) as team:
        ApiClient(apache.url, jobix)("/set", {str(jobid): {} for jobid in range(20)})
        team.start()
        assert sorted(team.finish(30)[0]["done"]) == list(range(20))


def test_full_is_plain_plus_the_proxy_of_the_live_feed():
    plain, full = (
        [*ROOT.joinpath(f"deploy/apache/{name}.conf").read_text().splitlines()] for name in ("plain", "full")
    )
    assert [line for line in plain[1:] if line not in full] == []
    more = [line.split()[0] for line in full[1:] if line.strip() and line not in plain]
    assert [word for word in more if word != "#"] == ["ProxyPass", "RequestHeader"]


def test_the_application_under_apache_patches_nothing(tmp_path):
    code = (
        "import runpy, socket, sys; one = socket.socket; made = runpy.run_path('job_manager_app.wsgi')['application'];"
    )
    code += "assert made.wsgi_app and socket.socket is one; assert not {'eventlet', 'gevent'} & set(sys.modules)"
    environment = os.environ | {"JOBSERVER_INSTANCE": str(tmp_path), "JOBSERVER_CONFIG": ""}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)

"""Every setting of the server: its type, range, default, unit and meaning. `server/settings.py` loads the values."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from jobserver.core.resources import CHECKOUT

Text = Annotated[str, Meta(min_length=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The server's settings. Each is the environment variable JOBSERVER_<NAME>, or <NAME> in the file."""

    instance: Annotated[Text, Meta(description="Folder of the database file and the generated secret key.")] = (
        str(CHECKOUT / "instance") if CHECKOUT else "instance"
    )
    database_uri: Annotated[
        str, Meta(description="Database URI in SQLAlchemy's form. Empty: the file jobs.sqlite in the instance folder.")
    ] = ""
    host: Annotated[Text, Meta(description="Address to listen on. 0.0.0.0: every address of the machine.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 5000
    allowed_hosts: Annotated[
        str,
        Meta(
            description="Host names under which browsers and workers reach the server, separated by commas;"
            " .example.org includes its subdomains, * is every name. IP addresses and localhost are always allowed."
            " Empty: HOST and this machine's host name; behind Apache every name. Without the check, a foreign web page"
            " could point a name of its own at the server and read its pages (DNS rebinding)."
        ),
    ] = ""
    proxies: Annotated[
        int,
        Meta(ge=0, le=10, description="Trusted proxies in front that set X-Forwarded-For and X-Forwarded-Proto."),
    ] = 0
    push: Annotated[
        bool,
        Meta(description="Behind Apache: true if `jobserver push` runs and Apache proxies /socket.io/ to it."),
    ] = False
    push_port: Annotated[
        int, Meta(ge=0, le=65535, description="Port of `jobserver push`, to which Apache proxies /socket.io/.")
    ] = 8821
    async_mode: Annotated[
        Literal["eventlet", "gevent", "threading"], Meta(description="How the server handles concurrent requests.")
    ] = "eventlet"
    secret_key: Annotated[
        str,
        Meta(
            description="Key of the stored jobix hashes. Empty: generated once, kept in the instance folder, mode 600."
        ),
    ] = ""
    max_body_mb: Annotated[
        int, Meta(ge=1, le=4096, description="Maximum size of a request body in MB, after inflation.")
    ] = 256
    sweep_every_s: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds between two sweeps for jobs past their deadline.")
    ] = 1.0
    grace_minutes: Annotated[
        float,
        Meta(
            ge=0,
            le=1440,
            description="After an outage of the server, jobs that were running do not expire for this number of"
            " minutes, or for the length of the outage if it is longer, up to an hour.",
        ),
    ] = 5.0
    require_claim: Annotated[
        bool, Meta(description="Whether /update_job requires a claim token. Founding workers send none.")
    ] = False
    open: Annotated[
        bool, Meta(description="Whether an unknown jobix creates a list. False: only known ones are accepted.")
    ] = True
    wrong_secrets_per_minute: Annotated[
        int,
        Meta(
            ge=1,
            description="On a closed server and at the sign-in of a page: wrong keys accepted from one"
            " address within a minute, before 429.",
        ),
    ] = 20
    busy_timeout_s: Annotated[
        float, Meta(ge=0, le=600, description="Seconds to wait for a locked database, before 503.")
    ] = 10.0
    drain_s: Annotated[
        float,
        Meta(ge=0, le=3600, description="Seconds that running requests may take to end when the server stops."),
    ] = 30.0
    max_waiting: Annotated[
        int, Meta(ge=-1, description="Long polls that one process accepts at once. -1: automatic.")
    ] = -1
    history_days: Annotated[
        float,
        Meta(
            gt=0,
            le=36500,
            description="Days that events and ended claims are kept; repeated requests are known by them.",
        ),
    ] = 30.0
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="INFO logs one line for each change of state.")
    ] = "INFO"
    allow_network_filesystem: Annotated[
        bool, Meta(description="Allow SQLite on NFS, Lustre, GPFS and the like, where it may corrupt the database.")
    ] = False

    @property
    def instance_path(self) -> Path:
        """The instance folder, absolute. A relative one starts at the current directory."""
        return Path(self.instance).expanduser().resolve()

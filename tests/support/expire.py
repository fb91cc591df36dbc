"""Jobs whose lifetime is over."""

from tests.support.server import ApiClient, Server
from tests.support.snapshot import opened

_EXPIRE = "UPDATE job SET deadline = 1 WHERE jobid = ? AND list_id = (SELECT id FROM job_list WHERE name = ?)"


def expire(server: Server, api: ApiClient, *jobids: int) -> None:
    """Moves the deadlines of these jobs into the past, without a sweep."""
    name = api("/get").json()["list"]
    with opened(server) as database:
        for jobid in jobids:
            database.run(_EXPIRE, jobid, name)

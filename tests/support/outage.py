"""An outage of a server that seems longer than the test waits."""

from tests.support.server import Server
from tests.support.snapshot import opened

TIMES = ("deadline", "lifetime_end", "renewed", "claimed", "datecommitted")


def age(server: Server, seconds: float) -> None:
    """Moves all times in the database of a stopped server into the past, as if it had been stopped so much longer."""
    age_jobs(server, seconds)
    ms = round(seconds * 1000)
    with opened(server) as database:
        [(last_sweep,)] = database.rows("SELECT value FROM metadata WHERE name = 'last_sweep'")
        database.run("UPDATE metadata SET value = ? WHERE name = 'last_sweep'", str(int(last_sweep) - ms))


def age_jobs(server: Server, seconds: float) -> None:
    """Moves the times of all jobs into the past."""
    with opened(server) as database:
        database.run(f"UPDATE job SET {', '.join(f'{time} = {time} - {round(seconds * 1000)}' for time in TIMES)}")

"""An outage of a server that seems longer than the test waits."""

from tests.support.server import Server
from tests.support.snapshot import opened

TIMES = ("deadline", "lifetime_end", "renewed", "claimed", "datecommitted")


def age(server: Server, seconds: float) -> None:
    """Moves all times in the database of a stopped server into the past, as if it had been stopped so much longer."""
    ms = round(seconds * 1000)
    with opened(server) as database:
        database.run(f"UPDATE job SET {', '.join(f'{time} = {time} - {ms}' for time in TIMES)}")
        [(last_sweep,)] = database.rows("SELECT value FROM metadata WHERE name = 'last_sweep'")
        database.run("UPDATE metadata SET value = ? WHERE name = 'last_sweep'", str(int(last_sweep) - ms))

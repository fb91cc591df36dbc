"""Queries on page sessions: which browser may change which lists."""

from jobserver.store.queries.lists import Rows
from jobserver.store.transaction import Transaction

_PERSON = "SELECT person FROM page_session WHERE id_hash = :hash AND list_id = :list AND expires > :now"
_MOVE = "UPDATE page_session SET id_hash = :new WHERE id_hash = :hash AND list_id <> :list"
_ADD = """INSERT INTO page_session (id_hash, list_id, person, expires) VALUES (:hash, :list, :person, :expires)"""
_END = "DELETE FROM page_session WHERE id_hash = :hash"
_EXPIRED = "DELETE FROM page_session WHERE expires <= :now"


def person(rows: Rows, id_hash: str, list_id: int, now: int) -> str | None:
    """The name under which a session is signed in to a list; None if it is not."""
    found = rows(_PERSON, hash=id_hash, list=list_id, now=now)
    return found[0][0] if found else None


def move(tx: Transaction, id_hash: str, new_hash: str, list_id: int) -> None:
    """Moves the rights of a session to another one, without those for one list, and ends the old session."""
    tx.run(_MOVE, hash=id_hash, new=new_hash, list=list_id)
    tx.run(_END, hash=id_hash)


def add(tx: Transaction, id_hash: str, list_id: int, person: str, expires: int) -> None:
    """Gives a session the right to change a list until `expires` (ms)."""
    tx.run(_ADD, hash=id_hash, list=list_id, person=person, expires=expires)


def end(tx: Transaction, id_hash: str) -> None:
    """Takes all rights from a session."""
    tx.run(_END, hash=id_hash)


def delete_expired(tx: Transaction, now: int) -> None:
    """Deletes the sessions that have expired."""
    tx.run(_EXPIRED, now=now)

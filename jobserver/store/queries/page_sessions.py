"""Queries on page sessions: the right of a browser to change a list."""

from jobserver.store.queries.lists import Rows
from jobserver.store.transaction import Transaction

_PERSON = "SELECT person FROM page_session WHERE id_hash = :hash AND list_id = :list AND expires > :now"
_MOVE = "UPDATE page_session SET id_hash = :new WHERE id_hash = :hash AND list_id <> :list"
_ADD = """INSERT INTO page_session (id_hash, list_id, person, expires) VALUES (:hash, :list, :person, :expires)"""
_END = "DELETE FROM page_session WHERE id_hash = :hash"
_EXPIRED = "DELETE FROM page_session WHERE expires <= :now"


def person(rows: Rows, id_hash: str, list_id: int, now: int) -> str | None:
    """Returns the name of the person that a session has signed in to a list; None if not signed in."""
    names = rows(_PERSON, hash=id_hash, list=list_id, now=now)
    return names[0][0] if names else None


def move(tx: Transaction, id_hash: str, new_hash: str, list_id: int) -> None:
    """Moves the rights of a session, except those for one list, to another session, and ends the old one."""
    tx.run(_MOVE, hash=id_hash, new=new_hash, list=list_id)
    tx.run(_END, hash=id_hash)


def add(tx: Transaction, id_hash: str, list_id: int, person: str, expires: int) -> None:
    """Gives a session the right to change a list until `expires` (ms)."""
    tx.run(_ADD, hash=id_hash, list=list_id, person=person, expires=expires)


def end(tx: Transaction, id_hash: str) -> None:
    """Deletes all rights of a session."""
    tx.run(_END, hash=id_hash)


def delete_expired(tx: Transaction, now: int) -> None:
    """Deletes the expired sessions."""
    tx.run(_EXPIRED, now=now)

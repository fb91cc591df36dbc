"""Claim tokens, chosen here, so that a request whose answer was lost can be sent again."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TypeVar

from .errors import ClaimSpent

T = TypeVar("T")


def new_token() -> str:
    """32 hex digits: 12 of the time in ms, so that tokens made together lie together in an index, then 20 random."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def with_fresh_token(ask: Callable[[str], T]) -> T:
    """Asks with a new token. It is spent when its jobs were lost while the answer was: then with another."""
    try:
        return ask(new_token())
    except ClaimSpent:
        return ask(new_token())

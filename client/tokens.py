"""Claim tokens, chosen here, so that a request whose answer was lost can be sent again."""

from __future__ import annotations

import secrets
import time


def new_token() -> str:
    """32 hex digits: 12 of the time in ms, so that tokens made together lie together in an index, then 20 random."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"

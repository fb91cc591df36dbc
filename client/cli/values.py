"""Parsers for the values of command line arguments. Each error names the expected form."""

from __future__ import annotations

import argparse
import json
import math
import re
from typing import Any

from ..api.types import Requeue


def whole(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from problem


def number(text: str) -> float:
    """A number."""
    try:
        value = float(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from problem
    if math.isnan(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def seconds(text: str) -> float:
    """A duration in seconds, 0 or more."""
    value = number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative: give a number of seconds, 0 or more")
    return value


def duration(text: str) -> float:
    """A duration with its unit, such as 90s, 5m or 1h; returns seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text, re.ASCII)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration: write 90s, 5m or 1h")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


def exit_code(text: str) -> int:
    """An exit code of a command that failed."""
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 255):
        raise argparse.ArgumentTypeError(f"{text!r} is not an exit code from 1 to 255")
    return int(text)


def lease(text: str) -> float:
    """The seconds of a lease, in the limits of the protocol."""
    value = number(text)
    if not 0.1 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not a lease: give a number of seconds from 0.1 to 86400")
    return value


def requeue(text: str) -> Requeue:
    """A stage, or the word below; None for the word none."""
    if text == "below":
        return "below"
    if text == "none":
        return None
    try:
        return int(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r} is none of: a stage, below, none") from problem


def json_value(text: str) -> Any:
    """Any value of JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise argparse.ArgumentTypeError(f"not JSON ({problem}); put text in double quotes: '\"text\"'") from problem

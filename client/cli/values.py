"""Parsers for the values of command line arguments. Each error names the expected form."""

from __future__ import annotations

import argparse
import json
import math
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

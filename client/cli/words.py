"""The words of a command line before argparse reads them: which one is the command, and which ones are options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

Options = Mapping[str, bool]  # the options of a command, such as --json; True for one that takes a value


def find_command(words: Sequence[str], commands: Mapping[str, Options]) -> int | None:
    """The position of the first word that is neither an option nor the value of one; None if there is no such word."""
    option = ""
    for position, word in enumerate(words):
        if is_option(word):
            option = word
            continue
        if not any(options.get(option) for options in commands.values()):
            return position
        option = ""
    return None


def options_in(words: Sequence[str], known: Options) -> Iterator[str]:
    """The words that are options, without the values of known options."""
    following = iter(words)
    for word in following:
        if is_option(word):
            yield word
            if known.get(word):
                next(following, None)


def is_option(word: str) -> bool:
    """Whether a word is an option; a negative number is none."""
    return re.match(r"-[^\d.]", word) is not None

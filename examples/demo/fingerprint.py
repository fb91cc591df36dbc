"""Stage 2 to 4: computes fingerprints of the token runs of one Python file, to find duplicated code.

A file becomes its *shape*, a string with one character a token: keywords and operators each have their own; all names
share one, and so do all numbers and all strings. Layout and comments are left out. Of all runs of RUN_TOKENS tokens the
fingerprints are a small, well chosen part: winnowing (Schleimer, Wilkerson, Aiken, SIGMOD 2003) takes the least hash of
each WINDOW neighbouring runs. Equal code has equal fingerprints at every position, and two files that share
RUN_TOKENS + WINDOW - 1 tokens in a row are sure to share at least one.
"""

import io
import keyword
import token
import tokenize
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

RUN_TOKENS = 40
WINDOW = 41  # so that each run of 80 shared tokens, eight to ten lines, is found
TABLE_LITERALS = 8  # only this many literals in a row count: the search is for code, not for tables of data


class DoesNotTokenize(Exception):
    """The file cannot be tokenized. The message is the tokenizer's; this is a result, not a failure."""


@dataclass(frozen=True)
class Fingerprints:
    """The data of one file for stage 4.

    shape: one character a token. rows, starts: the physical lines on which tokens begin, ascending, and the index in
    shape of the first token of each. marks: (hash, index in shape where its run of RUN_TOKENS begins), by index.
    """

    shape: str
    rows: tuple[int, ...]
    starts: tuple[int, ...]
    marks: tuple[tuple[int, int], ...]


_NAME, _LITERAL, _NEWLINE, _INDENT, _DEDENT = "aA;><"
# keyword.kwlist and the operators are some eighty: they take the characters from here on, one byte each in Latin-1.
_FIRST_OF_THE_REST = 0x7B
_CHARACTERS = {
    text: chr(_FIRST_OF_THE_REST + number)
    for number, text in enumerate([*keyword.kwlist, *sorted(token.EXACT_TOKEN_TYPES)])
}
_TABLE = {_LITERAL, *(_CHARACTERS[text] for text in ",:+-()[]{}")}
_LAYOUT = {token.NEWLINE: _NEWLINE, token.INDENT: _INDENT, token.DEDENT: _DEDENT}
# An f-string is several tokens since Python 3.12 (a t-string since 3.14) and one before: here it is always one.
_STRING_STARTS = {getattr(token, name, -1) for name in ("FSTRING_START", "TSTRING_START")}
_STRING_ENDS = {getattr(token, name, -1) for name in ("FSTRING_END", "TSTRING_END")}


def fingerprint(source: bytes) -> Fingerprints:
    """Fingerprints the text of one file, in the encoding that it declares. Raises DoesNotTokenize."""
    characters: list[str] = []
    rows: list[int] = []
    starts: list[int] = []
    literals = 0
    try:
        for character, row in _tokens(source):
            if character in _TABLE:
                literals += character == _LITERAL
                if literals > TABLE_LITERALS:
                    continue
            else:
                literals = 0
            if not rows or row > rows[-1]:
                rows.append(row)
                starts.append(len(characters))
            characters.append(character)
    except (tokenize.TokenError, SyntaxError, ValueError) as error:
        raise DoesNotTokenize(str(error.args[0])) from None
    shape = "".join(characters)
    return Fingerprints(shape, tuple(rows), tuple(starts), tuple(_winnow(shape)))


def _tokens(source: bytes) -> Iterator[tuple[str, int]]:
    """The character and the physical line of each token that counts."""
    row = 1
    strings_open = 0
    for kind, text, (token_row, _), _, _ in tokenize.tokenize(io.BytesIO(source).readline):
        if kind in _STRING_STARTS:
            strings_open += 1
            if strings_open > 1:
                continue
        elif kind in _STRING_ENDS:
            strings_open -= 1
            continue
        elif strings_open or kind in (token.COMMENT, token.NL, token.ENCODING, token.ENDMARKER):
            continue
        if kind != token.DEDENT:  # reported at the next statement, but a block ends on its own last line
            row = token_row
        if kind in _LAYOUT:
            yield _LAYOUT[kind], row
        elif kind == token.NAME or kind == token.OP:
            yield _CHARACTERS.get(text, _NAME), row
        else:
            yield _LITERAL, row


def _winnow(shape: str) -> Iterator[tuple[int, int]]:
    """The smallest hash of each window of neighbouring runs, the rightmost of equal ones; each once."""
    encoded = shape.encode("latin-1")
    queue: deque[tuple[int, int]] = deque()  # ascending by hash and by index: the head is the smallest of the window
    last = -1
    runs = len(encoded) - RUN_TOKENS + 1
    for index in range(runs):
        mark = zlib.crc32(encoded[index : index + RUN_TOKENS])
        while queue and queue[-1][0] >= mark:
            queue.pop()
        queue.append((mark, index))
        if queue[0][1] <= index - WINDOW:
            queue.popleft()
        if queue[0][1] != last and (index >= WINDOW - 1 or index == runs - 1):
            last = queue[0][1]
            yield queue[0]

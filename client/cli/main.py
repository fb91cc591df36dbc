"""The entry point of jm: runs one command and turns errors into a line on stderr and an exit code."""

from __future__ import annotations

import logging
import os
import sys

from .. import errors

EXIT_CODES: list[tuple[type[errors.ClientError], int]] = [
    (errors.AllFailed, 1),
    (errors.BadJobix, 4),
    (errors.WrongSecret, 4),
    (errors.Undelivered, 6),
    (errors.ResponseLost, 6),
    (errors.Refused, 3),
    (errors.UntrustedServer, 5),
    (errors.NotAJobServer, 5),
    (errors.ServerUnreachable, 5),
    (errors.ClientError, 2),  # BadAddress, BadSource, BadTemplate, BadContext, NoBatchJob
]
BAD_COMMAND_LINE = 2
BUG = 70
INTERRUPTED = 130


def main(words: list[str] | None = None) -> int:
    """Runs one command, sys.argv's by default. Returns its exit code; an error is one line on stderr."""
    try:
        # Imported here, so that Ctrl-C during the imports is as quiet as later.
        from . import output
        from .parser import parse
    except KeyboardInterrupt:
        return INTERRUPTED
    except ModuleNotFoundError as problem:
        print(f"error: {errors.MISSING_LIBRARY} ({problem})", file=sys.stderr)
        return BAD_COMMAND_LINE
    try:
        output.configure_logging(logging.WARNING)
        arguments = parse(sys.argv[1:] if words is None else words)
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has closed it; Python would report that once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except errors.ClientError as problem:
        output.error(" ".join(str(problem).split()))
        return next(code for kind, code in EXIT_CODES if isinstance(problem, kind))
    except ValueError as problem:
        output.error(str(problem))
        return BAD_COMMAND_LINE
    except Exception as problem:
        output.error(f"this is a bug in jm, please report it: {type(problem).__name__}: {problem}")
        return BUG

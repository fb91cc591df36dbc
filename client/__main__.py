"""python -m client: the worker's side of job_manager on the command line.

Exit codes
  0    done: everything asked for, or no job is left
  1    the answer is no: get has no job, check found flagged jobs, watch saw jobs fail for good,
       work ended because all its first attempts failed
  2    the command line is wrong, or a file it names: nothing was asked of the server
  3    the server refused
  4    the jobix is missing, not a number, or no list's
  5    the server is out of reach, not trusted (TLS), or not a job server
  6    something is undelivered: a result, or an update without a claim whose answer was lost
  70   an error in this program itself
  130  ended by SIGINT (Ctrl-C)
  143  `work` ended by SIGTERM, in order
"""

from __future__ import annotations

import logging
import os
import sys

from . import errors

_CODES: list[tuple[type[errors.ClientError], int]] = [
    (errors.AllFailed, 1),
    (errors.BadJobix, 4),
    (errors.WrongSecret, 4),
    (errors.Undelivered, 6),
    (errors.AnswerLost, 6),
    (errors.Refused, 3),
    (errors.UntrustedServer, 5),
    (errors.NotAJobServer, 5),
    (errors.ServerUnreachable, 5),
    (errors.ClientError, 2),  # BadAddress, BadSource, BadTemplate
]
BUG = 70
INTERRUPTED = 130


def main(words: list[str] | None = None) -> int:
    """Runs one command, sys.argv's by default; answers its exit code. What goes wrong is one line on stderr."""
    try:
        # Here, so that Ctrl-C during the imports is as quiet as after them.
        from .actions import ACTIONS, connect
        from .arguments import parse

        logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
        arguments, arguments_words = parse(sys.argv[1:] if words is None else words)
        arguments.words = arguments_words
        return ACTIONS[arguments.command](connect(arguments), arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain at exit once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except errors.ClientError as problem:
        print(f"error: {' '.join(str(problem).split())}", file=sys.stderr)
        return next(code for kind, code in _CODES if isinstance(problem, kind))
    except ValueError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except Exception as problem:
        print(f"error in this program, please report it: {type(problem).__name__}: {problem}", file=sys.stderr)
        return BUG


if __name__ == "__main__":
    sys.exit(main())

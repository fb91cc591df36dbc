"""jm, or python -m client: the client of job_manager on the command line.

Exit codes
  0    success: everything was done, or no job is left
  1    a negative result: get found no job, check found flagged jobs, watch saw jobs fail permanently,
       work ended because all its first attempts failed
  2    the command line, or a file that it names, is wrong: nothing was sent to the server
  3    the server refused the request
  4    the jobix is missing, is not a number, or belongs to no list
  5    the server is unreachable, not trusted (TLS), or not a job server
  6    something was not delivered: a result, or an update without a claim whose response was lost
  70   a bug in this program
  130  ended by SIGINT (Ctrl-C)
  143  `work` ended by SIGTERM, in order
"""

from __future__ import annotations

import sys

from .cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())

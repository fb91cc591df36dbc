"""The command line of the server: `jobserver`, or python -m jobserver."""

import sys

from jobserver import create_app
from jobserver.server import cli


def main() -> int:
    """Runs one command and returns its exit code."""
    return cli.main(sys.argv[1:], create_app)


if __name__ == "__main__":
    sys.exit(main())

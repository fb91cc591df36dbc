"""The command line of the server: `jobserver`, or python -m jobserver."""

import sys

from jobserver import create_app

CANNOT = 2  # exit code: the command failed


def main() -> int:
    """Runs one command and returns its exit code."""
    try:
        from jobserver.server import cli
    except ModuleNotFoundError as error:  # installed without the extra [server]
        print(f"jobserver: {error.name} is not installed. Run: pip install 'job_manager[server]'", file=sys.stderr)
        return CANNOT
    return cli.main(sys.argv[1:], create_app)


if __name__ == "__main__":
    sys.exit(main())

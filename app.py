"""python app.py: serve, from this folder. Settings: JOBSERVER_* in the environment (docs/settings.md)."""

import sys

from jobserver import create_app
from jobserver.server.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]], create_app))

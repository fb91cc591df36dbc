"""python -m jobserver."""

import sys

from jobserver.server.cli import main

sys.exit(main(sys.argv[1:]))

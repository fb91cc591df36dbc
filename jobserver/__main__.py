"""python -m jobserver."""

import sys

from jobserver.cli import main

sys.exit(main(sys.argv[1:]))

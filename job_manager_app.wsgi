import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from jobserver import app as application  # noqa: E402, F401: the path first; the server looks for this name

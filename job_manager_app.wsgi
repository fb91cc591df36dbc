import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

# after the path; "application" is the name that the web server looks for
from jobserver import app as application  # noqa: F401

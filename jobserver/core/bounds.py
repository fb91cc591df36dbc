"""The bounds of numbers and texts that requests carry."""

HIGHEST_NUMBER = 2**63 - 1  # of a jobid and of a jobix
MAX_PRIORITY = 2**31 - 1
MAX_LIST_NAME = 100  # characters
MAX_WORKER_NAME = 200  # characters
MAX_FILENAME = 4096  # characters
MAX_ERROR = 10_000  # characters; a longer error is cut
MAX_TOGETHER = 1000  # jobs that one request claims
MAX_WAIT_S = 60

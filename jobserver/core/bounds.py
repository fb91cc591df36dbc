"""Limits of the numbers and texts in requests."""

HIGHEST_NUMBER = 2**63 - 1  # of a jobid and of a jobix
MAX_PRIORITY = 2**31 - 1
MAX_LIST_NAME = 100  # characters
MAX_JOB_NAME = 200  # characters
MAX_WORKER_NAME = 200  # characters
MAX_FILENAME = 4096  # characters
MAX_ERROR = 10_000  # characters; a longer error is cut
MAX_TOGETHER = 1000  # jobs in one claim request
MAX_WAIT_S = 60
MIN_LEASE_S = 0.1
MAX_LEASE_S = 86_400
MAX_STAGES = 1000  # different stages of one list: pages and estimates process each of them
MB = 1_000_000
MAX_REPORT_BYTES = 1 * MB  # the body of /update_job, after inflation
MAX_REPORTS_BYTES = 16 * MB  # the body of /update_jobs, after inflation
MAX_HEARTBEAT_BYTES = 1 * MB  # after inflation
MAX_ENTRIES = 10_000  # of /update_jobs and /heartbeat
MAX_RULES_BYTES = 64_000  # each claim of the stage carries its rules

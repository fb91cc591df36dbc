"""A minimal worker: claims, works and reports until no job remains. Start as many as you like: python call2.py

It processes both stages of the jobs of call.py. For a worker with retries and heartbeats see client/.
"""

import json
import os
import sys
import time
import urllib.request as u

url = os.environ.get("JOBSERVER_URL", "http://127.0.0.1:5000")
my_secret_numeric_id = int(os.environ.get("JOBSERVER_JOBIX", 20190213))  # the same as in call.py
authead = {"jobix": str(my_secret_numeric_id)}


def ask(route, **headers):
    """Returns the response. Raises HTTPError if the server refuses the request."""
    try:
        with u.urlopen(u.Request(url + route, headers={**authead, **headers})) as res:
            return json.loads(res.read().decode("utf8"))
    except u.URLError as problem:
        if isinstance(problem, u.HTTPError):
            raise
        sys.exit(f"no server at {url} ({problem.reason}): is python app.py running?")


def work_on(job):
    """Replace this with your work."""
    print(f"working on job {job['jobid']}: {job['jobcmd']}")
    time.sleep(0.02)


for stage in (0, 2):
    # Claim a job, which moves it from this stage to stage + 1; "nada": there is none.
    while (job := ask(f"/get/{stage}")) != "nada":
        work_on(job)
        # The next even stage: the job is done in this one. If the claim has expired and another worker holds the job,
        # the server refuses the report (409).
        print(ask(f"/update_job/{job['jobid']}/{stage + 2}", claim=job["claim"])["message"])

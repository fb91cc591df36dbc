"""The smallest worker: claim, work, advance, until no job remains. Start as many as you like: python call2.py

It does the jobs that call.py sets, both stages. A worker with retries and renewed claims is in client/.
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
    """What the server answers. Where it refuses, this raises."""
    try:
        with u.urlopen(u.Request(url + route, headers={**authead, **headers})) as res:
            return json.loads(res.read().decode("utf8"))
    except u.URLError as problem:
        if isinstance(problem, u.HTTPError):
            raise
        sys.exit(f"no server at {url} ({problem.reason}): is python app.py running?")


def work_on(job):
    """Here goes what you really want to be done."""
    print(f"working on job {job['jobid']}: {job['jobcmd']}")
    time.sleep(0.02)


for stage in (0, 2):
    # A job, moved from this stage to stage + 1; or "nada".
    while (job := ask(f"/get/{stage}")) != "nada":
        work_on(job)
        # Two higher: odd stages are for jobs that are being worked on. If it took so long that another worker has
        # the job now, this raises (409): the claim proves that it is ours.
        print(ask(f"/update_job/{job['jobid']}/{stage + 2}", claim=job["claim"])["message"])

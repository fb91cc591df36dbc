"""The smallest worker: claim, work, advance, until no job remains. Start as many as you like: python call2.py

It does the jobs that call.py sets, both stages. A worker with retries and renewed claims is in client/.
"""

import json
import os
import time
import urllib.request as u

url = os.environ.get("JOBSERVER_URL", "http://127.0.0.1:5000")
my_secret_numeric_id = int(os.environ.get("JOBSERVER_JOBIX", 20190213))  # the same as in call.py
authead = {"jobix": str(my_secret_numeric_id)}


def ask_for_job(job_stage):
    """A job, moved from job_stage to job_stage + 1; or "nada"."""
    with u.urlopen(u.Request(f"{url}/get/{job_stage}", headers=authead)) as res:
        return json.loads(res.read().decode("utf8"))


def update_job(job, next_stage):
    """The job is done with, and goes to next_stage. If it took so long that another has it now, this raises (409)."""
    headers = {**authead, "claim": job["claim"]}
    with u.urlopen(u.Request(f"{url}/update_job/{job['jobid']}/{next_stage}", headers=headers)) as res:
        print(json.loads(res.read().decode("utf8"))["message"])


def work_on(job):
    """Here goes what you really want to be done."""
    print(f"working on job {job['jobid']}: {job['jobcmd']}")
    time.sleep(0.02)


for stage in (0, 2):
    while (job := ask_for_job(stage)) != "nada":
        work_on(job)
        update_job(job, stage + 2)  # two higher: odd stages are for jobs that are being worked on

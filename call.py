"""Example of every administrative request. Start python app.py first, then: python call.py

It needs only Python. It can be run repeatedly: existing jobs and lifetimes are not changed.
Then process the jobs with call2.py, in as many terminals as you like, and run call.py again.
"""

import json
import os
import sys
import urllib.request as u
import zlib

url = os.environ.get("JOBSERVER_URL", "http://127.0.0.1:5000")

# The secret key of your job list: it gives full access to the list. Choose your own, for example with
#   python -c "import secrets; print(secrets.randbits(63))"
my_secret_numeric_id = int(os.environ.get("JOBSERVER_JOBIX", 20190213))
authead = {"jobix": str(my_secret_numeric_id)}

# For HTTPS with a certificate of your own: context = ssl.create_default_context(cafile="ca.pem")
context = None


def call(route, data=None):
    """Sends a request; with data it is a POST. Bodies may be compressed, as here, or plain JSON."""
    body = None if data is None else zlib.compress(json.dumps(data).encode("utf8"))
    headers = authead if data is None else {**authead, "Content-Encoding": "gzip", "Content-Type": "application/json"}
    req = u.Request(f"{url}{route}", data=body, headers=headers)
    try:
        with u.urlopen(req, context=context) as res:
            info = json.loads(res.read().decode("utf8"))
    except u.HTTPError as problem:
        sys.exit(f"{route}: {problem.read().decode('utf8')}")
    except u.URLError as problem:
        sys.exit(f"no server at {url} ({problem.reason}): is python app.py running?")
    print(f"{route}\n    {json.dumps(info)}")
    return info


# 1. A job list with lifetimes in minutes: jobs wait in stage 0 without a limit (0), run in stage 1 for at most
#    10 minutes, wait in 2, run in 3 for at most 40 minutes, and are done in stage 4 (not given: no limit).
call("/init/0/10/0/40")

# 2. The jobs: an id and a command for each; the command is any JSON value. Higher priorities are claimed first.
jobs = {jobid: {"jobcmd": {"file": f"data/{jobid}.fits"}, "jobstage": 0} for jobid in range(10)}
jobs[10] = {"jobcmd": {"file": "data/urgent.fits"}, "priority": 5}
call("/set", jobs)

# 3. The progress. In a browser the same address is the progress page.
call("/get")

# 4. One step of a worker: claim a job of stage 0, which moves it to stage 1 ...
job = call("/get/0")
if job != "nada":
    # ... do the work, and move the job to stage 2: the stage of the claim plus 2. A filename, a result and a new jobcmd
    # for the next stage's worker are optional. The claim token proves that this worker still holds the job.
    authead["claim"] = job["claim"]
    call(f"/update_job/{job['jobid']}/2", {"filename": f"out/{job['jobid']}.npy", "result": {"chi2": 1.2}})
    del authead["claim"]

# 5. A second job is released unfinished: it returns to stage 0 for another worker.
job = call("/get/0")
if job != "nada":
    authead["claim"] = job["claim"]
    call(f"/update_job/{job['jobid']}/0")
    del authead["claim"]

# 6. Flag overdue jobs (the server also does this automatically) ...
call("/check_stages")
# ... and return the flagged jobs of stage 1 to stage 0: their workers died.
call("/check_stages/1/0")

# 7. Show and change lifetimes: 20 minutes for stage 1; a job that expires there returns to stage 0 automatically,
#    and fails permanently after 3 attempts.
call("/lifetime/1")
call("/lifetime/1/20?requeue=0&max_attempts=3")

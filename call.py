"""A tour of every call that a master makes: python call.py, beside a running python app.py.

It needs nothing but Python. Run it as often as you like: what the server knows already is left alone.
Then let call2.py do the jobs, in as many terminals as you like, and run this again.
"""

import json
import os
import sys
import urllib.request as u
import zlib

url = os.environ.get("JOBSERVER_URL", "http://127.0.0.1:5000")

# The secret of your job list: whoever knows it can read and change the list. Choose your own, for example with
#   python -c "import secrets; print(secrets.randbits(63))"
my_secret_numeric_id = int(os.environ.get("JOBSERVER_JOBIX", 20190213))
authead = {"jobix": str(my_secret_numeric_id)}

# For HTTPS with a certificate of your own: context = ssl.create_default_context(cafile="ca.pem")
context = None


def call(route, data=None):
    """Asks the server; with data it is a POST. Bodies may be compressed, as here, or plain JSON."""
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


# 1. A job list with lifetimes in minutes: jobs wait in stage 0 for ever (0), may be worked on in stage 1 for
#    10 minutes, wait in 2, may be worked on in 3 for 40 minutes, and are done in stage 4 (not given: for ever).
call("/init/0/10/0/40")

# 2. The jobs: an id for each, and what to do, which is any JSON value. The priority is optional: high ones go first.
jobs = {jobid: {"jobcmd": {"file": f"data/{jobid}.fits"}, "jobstage": 0} for jobid in range(10)}
jobs[10] = {"jobcmd": {"file": "data/urgent.fits"}, "priority": 5}
call("/set", jobs)

# 3. How far are we? (In a browser the same address is the progress page.)
call("/get")

# 4. What a worker does, once, to show it: get a job of stage 0, which moves it to stage 1 ...
job = call("/get/0")
if job != "nada":
    # ... work on it, and move it to stage 2: two higher than where it was taken from. A filename, a result and a new
    # jobcmd for the next stage's worker may go along. The claim proves that the job is still ours.
    authead["claim"] = job["claim"]
    call(f"/update_job/{job['jobid']}/2", {"filename": f"out/{job['jobid']}.npy", "result": {"chi2": 1.2}})
    del authead["claim"]

# 5. A second one is given back unfinished: to stage 0 again, for another worker.
job = call("/get/0")
if job != "nada":
    authead["claim"] = job["claim"]
    call(f"/update_job/{job['jobid']}/0")
    del authead["claim"]

# 6. Flag the jobs that are in their stage for longer than allowed (the server does so by itself, too) ...
call("/check_stages")
# ... and send the flagged ones of stage 1 back to stage 0: their workers died.
call("/check_stages/1/0")

# 7. Lifetimes can be seen and changed later: 20 minutes for stage 1; what expires there goes back to stage 0 by
#    itself, and has failed for good after 3 attempts.
call("/lifetime/1")
call("/lifetime/1/20?requeue=0&max_attempts=3")

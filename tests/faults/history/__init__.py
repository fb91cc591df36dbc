"""A checker in the manner of Jepsen: real processes under faults; every request and response is recorded, then judged.

python -m tests.faults.history --help
"""

"""A checker in the manner of Jepsen: real processes under faults; every request and response is recorded, then checked.

python -m tests.faults.history --help
"""

"""The test suite, one folder for each kind of risk.

unit/      pure functions and single modules; suite/ tests the suite's own hooks
protocol/  the worker protocol over HTTP, on SQLite and PostgreSQL
faults/    crashes, races, lost databases, full disks; history/ is the checker, mutation.py plants faults for it to find
pages/     web pages and the live feed, without a browser
browser/   web pages in Chromium
deploy/    settings, commands, migrations, async modes, stopping a server, Apache, the demo
client/    the client library and its commands
support/   helpers: no tests
"""

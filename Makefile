# Each target sets up what it needs, once: .venv, with what the requirements name.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: help setup setup-dev .venv-anew run demo test check soak lint bench clean

help:
	@echo "make demo    a first real run: four workers, one killed, nothing lost (INPUT=dir for other files)"
	@echo "make run     serve from this folder, at http://127.0.0.1:5000/get"
	@echo "make test    everything that is tested (ARGS='-k name' for a part)"
	@echo "make check   run what takes longer: load tests, planted faults, other Python versions, five minutes of soak"
	@echo "make soak    servers, workers and faults, and a checker of all that was promised (MINUTES=60, SEED=n)"
	@echo "make bench   this server beside its peers and limits, into docs/performance.md (ARGS='--only RQ' for a part)"
	@echo "make setup   .venv and the dependencies; the others call it"

setup: .venv/installed .venv/page
	@:

setup-dev: .venv/installed-dev .venv/page .venv/page-dev
	@:

# A .venv that is half made (a kill in the middle) has no whole pip, and is made anew.
.venv/made:
	@$(BIN)/python -c 'import importlib.metadata as m; assert m.files("pip")' 2>/dev/null || $(MAKE) --no-print-directory .venv-anew
	@touch $@

.venv-anew:
	@test -w . || { echo "this folder can't be written: .venv would be made here"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "job_manager needs Python 3.10 or newer; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "python3-venv is missing: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	@echo "setting up .venv …"
	@rm -rf .venv && $(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/installed: requirements.txt | .venv/made
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/installed-dev: tests/requirements.txt requirements.txt | .venv/made
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch .venv/installed $@

# What the live page takes from others, by npm; without it the page polls, and says so.
.venv/page: static/package.json static/package-lock.json | .venv/installed
	@! sh static/install.sh static || touch $@

.venv/page-dev: tests/browser/package.json tests/browser/package-lock.json | .venv/installed-dev
	@! sh static/install.sh tests/browser || touch $@

run: setup
	@exec $(BIN)/python app.py

demo: setup
	@exec $(BIN)/python examples/demo/run.py $(if $(INPUT),--input "$(INPUT)")

# Three at a time: tests wait for a third of their time. Without Chromium, Apache or a compiler some are skipped, and
# the last line says so; with REQUIRE_ALL=1 they fail.
LOAD = tests/deploy/apache/test_load.py
test: setup-dev lint
ifdef ARGS
	@$(BIN)/python -m pytest $(ARGS)
else
	@$(BIN)/python -m pytest -n 3 --dist worksteal --ignore $(LOAD)
endif

# The load tests need the machine for themselves.
check: setup-dev lint
	@$(BIN)/python -m pytest $(LOAD)
	@$(BIN)/python -W ignore -m tests.faults.mutation
	@$(BIN)/python -m tests.versions
	@$(BIN)/python -W ignore -m tests.faults.history.soak 5

soak: setup-dev
	@$(BIN)/python -W ignore -m tests.faults.history.soak $(or $(MINUTES),60) $(SEED)

lint: setup-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# The peers have an environment of their own: nothing else needs them.
.venv-bench/installed: bench/requirements.txt requirements.txt | .venv/made
	@echo "setting up .venv-bench …"
	@rm -rf .venv-bench && $(BIN)/python -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	@touch $@

bench: .venv-bench/installed
	@.venv-bench/bin/python -W ignore -m bench $(ARGS)

clean:
	rm -rf .venv .venv-bench static/node_modules tests/browser/node_modules .pytest_cache .mypy_cache .ruff_cache

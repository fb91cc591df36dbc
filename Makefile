# Each target installs its requirements in .venv, once.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: help setup setup-dev .venv-create run demo test check coverage soak lint lock worker wheel bench clean

help:
	@echo "make run        start a server from this folder, at http://127.0.0.1:5000/get"
	@echo "make demo       run a first list: four workers, one killed, no job lost (INPUT=dir for other files)"
	@echo "make worker     build static/jm.pyz, the client as one file for machines that have only Python"
	@echo "make wheel      build dist/*.whl, which contains server, pages and client: pip install 'job_manager-….whl[server]'"
	@echo "make test       run the tests (ARGS='-k name' for a part)"
	@echo "make lint       check style, types and import rules"
	@echo "make check      run the long tests: load tests, planted faults, other Python versions, a short soak"
	@echo "make coverage   run the tests and measure their line coverage (ARGS=tests/unit for a part)"
	@echo "make soak       run servers, workers and faults under the history checker (MINUTES=60, SEED=n)"
	@echo "make bench      compare this server with other queues, in docs/performance.md (ARGS='--only RQ' for a part)"
	@echo "make lock       update the pinned versions of setup-dev, in requirements-dev.lock"
	@echo "make setup      install the dependencies, jobserver and jm into .venv; run and demo call it"
	@echo "make setup-dev  also install the requirements of tests and lint; test, lint and others call it"
	@echo "make clean      delete the files that these targets created, except dist/ and the data in instance/"

setup: .venv/installed .venv/page
	@$(if $(filter setup,$(MAKECMDGOALS)),echo "Next: . .venv/bin/activate; jobserver serve",:)

setup-dev: .venv/installed-dev .venv/page .venv/page-dev
	@:

# An incomplete .venv (after a kill during its creation) has no complete pip, and is created again.
.venv/made:
	@$(BIN)/python -c 'import importlib.metadata as m; assert m.files("pip")' 2>/dev/null || $(MAKE) --no-print-directory .venv-create
	@touch $@

.venv-create:
	@test -w . || { echo "this folder cannot be written: .venv would be created here"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "job_manager needs Python 3.10 or newer; this is " + sys.version.split()[0] + ". Choose another: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "python3-venv is missing: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	@echo "setting up .venv …"
	@rm -rf .venv && $(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

# The commands .venv/bin/jobserver and .venv/bin/jm run the code of this folder.
PROJECT = pyproject.toml setup.py jobserver/core/version.py
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.venv/installed: requirements.txt examples/demo/requirements.txt $(PROJECT) | .venv/made
	@echo "installing the requirements; this takes about a minute …"
	@$(INSTALL) -r requirements.txt -r examples/demo/requirements.txt
	@$(INSTALL) --no-deps --editable .
	@touch $@

.venv/installed-dev: requirements-dev.lock $(PROJECT) | .venv/made
	@echo "installing the requirements of tests and lint; this takes a few minutes …"
	@$(INSTALL) -r requirements-dev.lock
	@$(INSTALL) --no-deps --editable .
	@touch .venv/installed $@

# One file serves every supported Python and system: a marker limits a line to some of them.
REQUIREMENTS = examples/demo/requirements.txt tests/requirements.txt
lock: .venv/made
	@$(INSTALL) "uv>=0.9,<1"
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --upgrade --annotation-style=line \
		--no-emit-index-url --no-emit-find-links --output-file requirements-dev.lock $(REQUIREMENTS)

# The JavaScript libraries of the live page, by npm; without them the page polls, and shows that.
.venv/page: static/package.json static/package-lock.json | .venv/installed
	@! sh static/install.sh static || touch $@

.venv/page-dev: tests/browser/package.json tests/browser/package-lock.json | .venv/installed-dev
	@! sh static/install.sh tests/browser || touch $@

worker: static/jm.pyz
	@:

BUILT = .venv/built
static/jm.pyz: $(wildcard client/*.py client/*/*.py job_manager_wire/*.py) deploy/build_jm_pyz.py $(PROJECT) | .venv/installed
	@rm -rf build $(BUILT)
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir $(BUILT) .
	@$(BIN)/python deploy/build_jm_pyz.py $(BUILT)/*.whl $@

wheel: setup static/jm.pyz
	@rm -rf build
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

run: setup
	@exec $(BIN)/python app.py

demo: setup
	@exec $(BIN)/python examples/demo/run.py $(if $(INPUT),--input "$(INPUT)")

# Three processes: tests wait for a third of their time. Without Chromium, Apache, Slurm or a compiler some tests are skipped,
# and the last line reports that; with REQUIRE_ALL=1 they fail.
LONG = tests/deploy/apache/test_load.py tests/deploy/test_newcomer.py tests/deploy/test_slurm.py \
	tests/faults/test_crashes.py tests/faults/test_outages.py tests/faults/test_races.py
test: setup-dev lint
ifdef ARGS
	@$(BIN)/python -m pytest $(ARGS)
else
	@$(BIN)/python -m pytest -n 3 --dist worksteal $(LONG:%=--ignore %)
endif

# The long tests run one after the other: those of load need an otherwise idle machine.
check: setup-dev lint
	@$(BIN)/python -m pytest $(LONG)
	@$(BIN)/python -W ignore -m tests.faults.mutation
	@$(BIN)/python -m tests.versions
	@$(MAKE) --no-print-directory coverage
	@$(BIN)/python -W ignore -m tests.faults.history.soak 5

# Unit and protocol tests reach most of the code, the server processes included. Tests of memory and time are left out:
# coverage costs both.
COVERAGE_FLOOR = 63
COVERED = tests/unit tests/protocol -k "not postgresql and not very_many_values"
coverage: setup-dev
	@$(BIN)/python -m pytest -n 3 --dist worksteal $(or $(ARGS),$(COVERED)) --cov \
		$(if $(ARGS),,--cov-fail-under=$(COVERAGE_FLOOR))

soak: setup-dev
	@$(BIN)/python -W ignore -m tests.faults.history.soak $(or $(MINUTES),60) $(SEED)

lint: setup-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python tools/prose.py README.md CONTRIBUTING.md CHANGELOG.md Makefile docs client call.py call2.py examples bench deploy \
		jobserver migrations static templates tests app.py
	@$(BIN)/proselint --config .proselintrc.json check README.md CONTRIBUTING.md CHANGELOG.md docs/*.md docs/adr/*.md \
		$(wildcard migrations/*.md migrations/*/*.py tests/*.py tests/*/*.py tests/*/*/*.py)

# The compared queues have their own environment.
.venv-bench/installed: bench/requirements.txt requirements.txt | .venv/made
	@echo "setting up .venv-bench …"
	@rm -rf .venv-bench && $(BIN)/python -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	@touch $@

bench: .venv-bench/installed
	@.venv-bench/bin/python -W ignore -m bench $(ARGS)

clean:
	rm -rf .venv .venv-bench build *.egg-info static/jm.pyz static/node_modules tests/browser/node_modules \
		.pytest_cache .mypy_cache .ruff_cache .coverage-data

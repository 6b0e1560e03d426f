# The commands that a newcomer needs. Each builds what it needs first, and nothing else.
#
#   make run            the shop on a real Temporal server, until Ctrl-C
#   make run ARGS=--once    the same, until the two jobs are done
#   make check          format, lint, types
#   make test           everything that proves the project
#   make bench          what publishing products costs, beside bare temporalio and plain SQL
#   make bench-peers    the same beside other engines, installed for it
#   make lock           write the lock files anew, from pyproject.toml

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Which tests, where not all: make test TESTS="tests/unit/test_cron.py"
TESTS ?=

.PHONY: run check test bench bench-peers lock clean

run: $(VENV)/installed
	$(BIN)/python -m worker.seed
	$(BIN)/euryale dev --run publish-once-a-day --run cleanup-expired-carts $(ARGS)

check: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# What runs in real time runs alone first, so that nothing beside it makes the server late. The rest
# runs in two processes: the tests start servers of their own, and most machines have two cores.
REAL_TIME := tests/integration/test_simulation.py

test: $(VENV)/installed
ifeq ($(TESTS),)
	$(BIN)/pytest $(REAL_TIME)
	$(BIN)/pytest -n 2 --ignore=$(REAL_TIME)
else
	$(BIN)/pytest $(TESTS)
endif

# Others measure single parts: python -m benchmarks.time, .schedules and the like.
bench: $(VENV)/installed
	$(BIN)/python -m benchmarks.bench $(ARGS)

# The other engines are installed from their packages into environments below benchmarks/.cache.
bench-peers: $(VENV)/installed
	$(BIN)/python -m benchmarks.bench --peers $(ARGS)

# The lock file pins every package with its hashes, for Python 3.11 to 3.13.
$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Euryale needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

lock: $(VENV)/installed
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
	    pyproject.toml --all-extras --group test --group check --group build -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
	    pyproject.toml --extra shop --group build -o requirements-worker.lock

clean:
	rm -rf $(VENV) .euryale benchmarks/.cache

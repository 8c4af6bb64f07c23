# Two commands do all the set-up on a fresh Debian 12 machine: `make demo` and `make test`.
# `make test-services` runs the tests on real servers, `make demo SERVICES=1` shows the drive on them: docs/testing.md.

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.test-packages-installed

WORKERS ?= 2

.PHONY: setup demo test services test-services posix lint clean

setup: $(STAMP)

$(STAMP): setup.cfg pyproject.toml
	scripts/install-system-packages
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet --editable '.[test]'
	touch $(STAMP)

demo: setup
	SERVICES=$(SERVICES) scripts/demo

$(TEST_STAMP): scripts/install-system-packages $(STAMP)
	scripts/install-system-packages test
	touch $(TEST_STAMP)

# Files of tests side by side, but each of the long kills by itself.
test: setup $(TEST_STAMP)
ifdef TESTS
	$(VENV)/bin/pytest -n $(WORKERS) --dist loadfile $(ARGS) $(TESTS)
else
	$(VENV)/bin/pytest -n $(WORKERS) --dist loadfile $(ARGS) --ignore tests/kills
	$(VENV)/bin/pytest -n $(WORKERS) --dist load $(ARGS) tests/kills
endif

services:
	scripts/services install

test-services: setup $(TEST_STAMP)
	scripts/test-services

posix: setup
	scripts/posix-suite $(POSIX)

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) .demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Two commands do all the set-up on a fresh Debian 12 machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.test-packages-installed

.PHONY: setup demo test lint clean

setup: $(STAMP)

$(STAMP): setup.cfg pyproject.toml
	scripts/install-system-packages
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet --editable '.[test]'
	touch $(STAMP)

demo: setup
	scripts/demo

$(TEST_STAMP): scripts/install-system-packages $(STAMP)
	scripts/install-system-packages --test
	touch $(TEST_STAMP)

test: setup $(TEST_STAMP)
	$(VENV)/bin/pytest $(TESTS)

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) .demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

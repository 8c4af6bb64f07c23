# Two commands do all the set-up on a fresh Debian 12 machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed

.PHONY: setup demo test posix lint clean

setup: $(STAMP)

$(STAMP): setup.cfg pyproject.toml
	scripts/install-system-packages
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet --editable '.[test]'
	touch $(STAMP)

demo: setup
	scripts/demo

test: setup
	scripts/install-system-packages test
	$(VENV)/bin/pytest $(TESTS)

posix: setup
	scripts/posix-suite $(POSIX)

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) .demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

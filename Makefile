# make run and make test are all a newcomer needs; each makes the environment it runs in.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint docs bench prove clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed-run
	$(BIN)/dapiscope demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs
	$(BIN)/mkdocs build --quiet

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks

# make soak MINUTES=60: live, counting and recording, and what drifts meanwhile.
MINUTES ?= 10
soak: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

prove: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m prove --timeout 3600
	$(BIN)/python docs/make_fault_table.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-run: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.installed-run

$(VENV)/.installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build dist dapiscope-demo

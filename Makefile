# make run and make test are all a newcomer needs; each makes the environment it runs in.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint docs translations bench soak prove bundle bundle-test clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed-run
	$(BIN)/dapiscope demo

# In as many processes as there are cores: a test waits nearly as long as it computes.
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs
	$(BIN)/mkdocs build --quiet

# The window's words in other languages: collects new ones, says what is not translated, compiles the catalogues.
translations: $(VENV)/.installed-dev
	$(BIN)/python packaging/translations.py

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks

# make soak MINUTES=60: live, counting and recording, and what drifts meanwhile.
MINUTES ?= 10
soak: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

prove: $(VENV)/.installed-readers
	$(BIN)/python -m pytest -m prove --timeout 3600
	$(BIN)/python docs/make_fault_table.py

# The program as one folder that needs no Python, in dist/dapiscope. Its environment holds what it needs and no more.
BUILD ?= build
DIST ?= dist
bundle: $(BUILD)/bundle/.installed
	$(BUILD)/bundle/bin/python -m PyInstaller --noconfirm --log-level ERROR --distpath $(DIST) \
	  --workpath $(BUILD)/pyinstaller packaging/dapiscope.spec

bundle-test: bundle $(VENV)/.installed-dev
	DAPISCOPE_BUNDLE=$(DIST)/dapiscope $(BIN)/python -m pytest -m prove tests/test_packaging_bundle.py

$(BUILD)/bundle/.installed: pyproject.toml
	$(PYTHON) -m venv $(BUILD)/bundle
	$(BUILD)/bundle/bin/python -m pip install --quiet --editable '.[bundle]'
	touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-run: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.installed-run

$(VENV)/.installed-readers: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --editable '.[dev,readers]'
	touch $@

$(VENV)/.installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build dist dapiscope-demo

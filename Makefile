# The project's commands. `make help` lists them; each prints one line per step.
# Which package index is used is the machine's business: pip's and uv's own settings apply.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WHEEL := build/wheel
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-febrl4 format check test coverage lock clean
.PHONY: step-format step-lint step-types step-imports step-tests step-wheel

help: ## list the commands
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name what; do printf '  make %-13s %s\n' "$$name" "$$what"; done

setup: $(STAMP) ## create .venv with every pinned package; does nothing when up to date
	@echo "setup: $(VENV) is up to date"

$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "setup: needs Python 3.11 or newer: install it, or run make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "setup: needs Python's venv module: on Debian or Ubuntu run apt install python3-venv"; exit 1; }
	@echo "setup: virtual environment in $(VENV)"
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	@echo "setup: installer (uv, pinned by hash)"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.txt > $(VENV)/uv.txt
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@echo "setup: the packages of requirements-dev.txt"
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements-dev.txt
	@echo "setup: mash-broker itself, editable"
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## run the main job: a broker and six agencies, on this machine
	@echo "demo: mash demo"
	@$(BIN)/mash demo

demo-febrl4: setup ## the same path for 500 people of the FEBRL 4 data set
	@echo "demo: mash demo --population febrl4"
	@$(BIN)/mash demo --population febrl4

format: setup ## format the code in place
	@echo "format: ruff format"
	@$(BIN)/ruff format

check: step-format step-lint step-types step-imports ## the fast part of the tests: no test runs

test: check step-tests step-wheel ## everything; this is what CI runs
	@echo "test: all passed"

step-format: setup
	@echo "check: format"
	@$(BIN)/ruff format --check

step-lint: setup
	@echo "check: lint"
	@$(BIN)/ruff check --quiet

step-types: setup
	@echo "check: types"
	@$(BIN)/mypy
	@$(BIN)/mypy --explicit-package-bases tests

step-imports: setup
	@echo "check: import contracts"
	@$(BIN)/lint-imports --no-logo

step-tests: setup
	@echo "test: tests, two at a time"
	@$(BIN)/pytest -q -n 2

step-wheel: setup
	@echo "test: build the wheel"
	@rm -rf $(WHEEL)
	@$(BIN)/python -m build --wheel --no-isolation --outdir $(WHEEL) . > $(VENV)/build.log 2>&1 || { cat $(VENV)/build.log; exit 1; }
	@echo "test: install it in an environment of its own"
	@$(BIN)/python -m venv --clear --without-pip $(WHEEL)/venv
	@$(BIN)/uv pip sync -q --python $(WHEEL)/venv/bin/python --require-hashes requirements.txt
	@$(BIN)/uv pip install -q --python $(WHEEL)/venv/bin/python --no-deps $(WHEEL)/*.whl
	@$(WHEEL)/venv/bin/mash doctor --json > /dev/null || { $(WHEEL)/venv/bin/mash doctor; exit 1; }
	@echo "test: the installed wheel"
	@$(BIN)/uv pip install -q --python $(WHEEL)/venv/bin/python --constraint requirements-dev.txt pytest pytest-timeout
	@$(WHEEL)/venv/bin/pytest -q --import-mode=importlib -p no:cacheprovider tests/project/test_installed.py

coverage: setup ## measure branch coverage of the three libraries
	@echo "coverage: tests of audit, keys and policies"
	@$(BIN)/coverage run -m pytest -q tests/audit tests/keys tests/policies
	@$(BIN)/coverage report --include='audit/*,keys/*,policies/*' --show-missing --skip-covered

lock: setup ## pin again what pyproject.toml asks for
	@echo "lock: requirements.txt"
	@$(COMPILE) pyproject.toml -o requirements.txt
	@echo "lock: requirements-dev.txt"
	@$(COMPILE) --constraint requirements.txt --group dev pyproject.toml -o requirements-dev.txt

clean: ## remove everything that the other commands made
	@echo "clean: environment, builds and caches"
	@rm -rf $(VENV) build dist demo-run .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

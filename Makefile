# Two commands to begin with: `make run` and `make test`. `make help` lists the rest.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080
DEMO := .demo
JOBS ?= 2

.PHONY: help run demo test check coverage lint types imports docs format golden wheel clean

help: ## List the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "directus-gitops needs Python 3.11 or newer: install it, or set PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "could not make a virtual environment: on Debian, install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

run: demo ## A demonstration: a fleet, a first pull request, and the service
	@DIRECTUS_GITOPS_DATA=$(CURDIR)/$(DEMO)/data $(BIN)/directus-gitops serve --port $(PORT)

demo: $(VENV)/installed
	@sh docs/demo.sh $(BIN) $(DEMO) $(PORT)

test: $(VENV)/installed ## Install and run the tests (check also runs the longer gates)
	@TEST_KUSTOMIZE="$$($(BIN)/python -m tests.support.tools)" \
		$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'not gate' $(ARGS)

check: lint types imports coverage ## The whole gate: lint, types, layers, tests with coverage, docs

coverage: $(VENV)/installed
	@rm -f .coverage .coverage.*
	@TEST_KUSTOMIZE="$$($(BIN)/python -m tests.support.tools)" \
		$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal --cov --cov-branch --cov-report=
	@$(BIN)/python -m tests.support.coverage_gate

lint: $(VENV)/installed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/installed
	@$(BIN)/mypy

imports: $(VENV)/installed
	@$(BIN)/lint-imports

docs: $(VENV)/installed ## Only the tests that hold the documentation to the code
	@$(BIN)/python -m pytest -q tests/docs

format: $(VENV)/installed ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

golden: $(VENV)/installed ## Write the golden trees anew; review the difference
	@TEST_KUSTOMIZE="$$($(BIN)/python -m tests.support.tools)" $(BIN)/python -m tests.golden

wheel: $(VENV)/installed ## Build the wheel and the source distribution into dist/
	@$(BIN)/python -m pip install --quiet build
	@$(BIN)/python -m build --outdir dist

clean: ## Remove everything that was made
	@rm -rf $(VENV) $(DEMO) dist .cache .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Everything runs in .venv, with the versions of constraints.txt. PYTHON names the interpreter that makes it.
PYTHON ?= python3
FORGE ?= examples/embedded
JOBS ?= 2
PORT ?= 3000
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt

.PHONY: demo dev test fast lint benchmarks reference docs setup clean

## Build, test and publish the embedded forge through Dagster, from nothing.
demo: .venv/ready
	@$(BIN)/wvforge --forge $(FORGE) build --jobs $(JOBS)
	@echo
	@echo "To see it in Dagster's UI:  make dev   (then open http://127.0.0.1:3000)"

## Dagster's UI and daemon over the same storage, on 127.0.0.1:3000 (PORT=3001: on that one).
dev: .venv/ready
	@$(BIN)/wvforge --forge $(FORGE) dev --port $(PORT)

## Everything that is checked.
test: .venv/tests-ready
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tests/run_all.py

## What is checked in some minutes.
fast: .venv/tests-ready lint
	$(BIN)/pytest -q -m "not integration" -n 2

lint: .venv/tests-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

## The tables of docs/performance.md, in about half an hour on an idle machine.
benchmarks: .venv/tests-ready
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/many_builds.py
	$(BIN)/python benchmarks/tables.py

## What of docs/ follows from the code: the command's page, the tables and the schema of forge.yaml.
reference: .venv/tests-ready
	$(BIN)/python -m tests.documentation.reference

## The documentation as a site, in output/site; a link to nothing is an error.
docs: .venv/tests-ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "output/site/index.html; its search needs a web server: $(BIN)/python -m http.server -d output/site"

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "wvforge needs Python 3.11 or later; $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 1; }
	@echo "making .venv (about a minute)"
	@$(PYTHON) -m venv .venv
	@$(PIP) -e ".[embedded,dg]"
	@# `dagster asset` and `dagster job` read neither pyproject.toml nor workspace.yaml.
	@echo 'export DAGSTER_MODULE_NAME=wvforge_dagster.definitions' >> .venv/bin/activate
	@touch $@

.venv/tests-ready: .venv/ready
	@$(PIP) -e ".[embedded,dg,s3,docs,farm,kubernetes,test]"
	@tests/install_system_packages
	@touch $@

clean:
	rm -rf .venv output examples/embedded/output examples/embedded/sources

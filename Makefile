# Every target sets up what it needs in .venv first; a second call reuses it. Needs Python and make, nothing else.

PYTHON ?= python3
DATA ?=
ARGS ?=

BIN := .venv/bin
STAMP := .venv/.set-up-by-make
PYTHON_RANGE := $(shell sed -n 's/^requires-python = "\(.*\)"/\1/p' pyproject.toml)

define CHECK_PYTHON
import re, sys
low, high = [tuple(map(int, text.split("."))) for text in re.findall(r"\d+\.\d+", sys.argv[1])]
if not low <= sys.version_info[:2] < high:
    sys.exit("kpp needs Python %s, and %s is %d.%d: name another one, as in `make setup PYTHON=python3.12`"
             % (sys.argv[1], sys.executable, sys.version_info[0], sys.version_info[1]))
endef
export CHECK_PYTHON
export DATA

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test check format docs clean

help: ## list the targets
	@echo "usage: make TARGET, one of"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F'|' '{ printf "%-10s%s\n", $$1, $$2 }'

setup: $(STAMP) ## make .venv with kpp, its dependencies and the development tools

# the stamp comes last: whatever was interrupted is taken up again by the next call
$(STAMP): pyproject.toml constraints.txt
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "no $(PYTHON) here: install Python $(PYTHON_RANGE), or name one: make setup PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c "$$CHECK_PYTHON" '$(PYTHON_RANGE)'
	@echo "Setting up .venv; the first time this takes some minutes."
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --constraint constraints.txt --group dev --editable .
	@touch $@

demo: setup ## collect from a simulated cluster and train on it, in demo/; DATA=file.csv trains on a table of yours
	$(BIN)/kpp $(if $(DATA),train "$$DATA",demo)

test: check ## every check, then every test; ARGS="-k name" picks some
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

check: setup ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports

format: setup ## mend what ruff can mend, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## write docs/commands.md again from the help texts
	$(BIN)/python -m typer kpp.cli.main utils docs --name kpp --title "Commands" --output docs/commands.md

clean: ## remove .venv and the tools' caches; dataset/, models/ and plots/ stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage build dist
	find . -path ./.git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

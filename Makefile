# Every command of the project. `make` alone lists them.

PYTHON ?= python3
TEST_PROCESSES ?= 4
PROVE_PROCESSES ?= 2
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo up test check prove clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv with exactly what requirements.lock names

demo: $(STAMP) ## start everything, play the example shop's orders, show how they ended
	@$(BIN)/python -m tools.demo

up: $(STAMP) ## start everything and keep it running until Ctrl-C; state is kept in var/
	@$(BIN)/python -m tools.stack up

test: $(STAMP) ## all that a contributor must pass: on SQLite and PostgreSQL, with a real server
	@$(BIN)/python -m tools.server
	$(BIN)/python -m pytest tests -n $(TEST_PROCESSES) --dist worksteal

check: $(STAMP) ## lint, format, types, import rules, migrations match the tables
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/unit/test_house.py
	$(BIN)/python -m tools.prepare --check

prove: $(STAMP) ## what `make test` shows at small size, at full size
	@$(BIN)/python -m tools.server
	$(BIN)/python -m pytest tests --full -m sized -n $(PROVE_PROCESSES) --dist load

clean: ## remove .venv, caches and the demo's data; var/ itself is left alone
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis var/demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or later is needed, and \`$(PYTHON)\` isn't that." \
			"Install one and say which: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
		echo "\`$(PYTHON) -m venv\` failed. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

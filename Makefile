# The project's commands. `make` without a target lists them.

PYTHON ?= python3
TEST_PROCESSES ?= 4
PROVE_PROCESSES ?= 2
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo up test check bench prove clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## create .venv with the exact versions of requirements.lock

demo: $(STAMP) ## start all processes, run the example shop's orders, show the results
	@$(BIN)/python -m tools.demo

up: $(STAMP) ## start all processes and supervise them until Ctrl-C; data is stored in var/
	@$(BIN)/python -m tools.stack up

test: $(STAMP) ## run all tests, on SQLite and PostgreSQL, against a real Temporal server
	@$(BIN)/python -m tools.server
	$(BIN)/python -m pytest tests -n $(TEST_PROCESSES) --dist worksteal

check: $(STAMP) ## check lint, format, types, import rules, and migrations against the tables
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/unit/project/test_house.py
	$(BIN)/python -m tools.prepare --check

bench: $(STAMP) ## measure orders per second and costs (docs/performance.md); BENCH=--quick for less
	@$(BIN)/python -m tools.server
	@$(BIN)/python -m benchmarks.throughput $(BENCH)

prove: $(STAMP) ## run the `sized` tests at full size
	@$(BIN)/python -m tools.server
	$(BIN)/python -m pytest tests --full -m sized -n $(PROVE_PROCESSES) --dist load

clean: ## remove .venv, caches and the demo's data in var/demo; keep the rest of var/
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis var/demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or later is required, but \`$(PYTHON)\` is missing or older." \
			"Install it and name it: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
		echo "\`$(PYTHON) -m venv\` failed. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

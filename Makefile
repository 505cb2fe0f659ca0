# Everything there is to learn. Each target does all the set-up it needs.
.PHONY: help setup setup-test demo test check bench chaos
SHELL := /bin/bash
PY := .venv/bin/python
TEST := .venv/bin/pytest -q -n 2

help: ## Say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 18

setup: ## Make .venv with .venv/bin/chancery
	@bash scripts/setup.sh

setup-test: setup
	@bash scripts/packages.sh postgresql chromium

demo: setup ## Start sandbox, server and worker, order certificates, show the address
	@.venv/bin/chancery demo

check: setup ## Format, lints, types, import contracts, missing migrations (seconds)
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache >/tmp/chancery-imports.$$$$ || { cat /tmp/chancery-imports.$$$$; exit 1; }; rm -f /tmp/chancery-imports.$$$$
	@CHANCERY_HOME=$$(mktemp -d) DJANGO_SETTINGS_MODULE=chancery.settings $(PY) -m django makemigrations --check --dry-run >/dev/null

test: setup-test check ## Every test, on SQLite and PostgreSQL
	$(TEST) src tests
	bash scripts/with-postgres.sh $(TEST) src tests

bench: setup ## Measure; results as JSON in bench/results
	@$(PY) -m bench

chaos: setup ## The long failure runs
	@.venv/bin/pytest -q tests/chaos --long

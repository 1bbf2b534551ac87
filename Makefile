# Xiaoer. `make run` and `make test` do all their own set-up; `make help` lists the rest.
# Paths stay relative, so that a folder with a space in its name works.

SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
INSTALL := $(PY) -m tools.install
SELF := $(PY) -m pip --disable-pip-version-check install -q --no-deps --no-build-isolation --no-index -e .
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test check format bench bench-pipeline soak bench-scaled bench-webhooks wheel rasa bench-understanding clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: $(VENV)/run.stamp $(VENV)/frontend.stamp ## set everything up and start the shop on 127.0.0.1:8080
	@$(VENV)/bin/xiaoer serve --demo $(ARGS)

test: $(VENV)/test.stamp $(VENV)/frontend.stamp ## set everything up and run all tests
	@$(PY) -m tools.browser
	@$(PY) -m pytest -n 2 --dist loadgroup $(ARGS)

check: $(VENV)/check.stamp $(VENV)/frontend.stamp ## lint, types, layers, formatting, the house rules
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(PY) -m pytest -q tests/project

format: $(VENV)/check.stamp ## put the code into its form
	@$(VENV)/bin/ruff check --fix-only -q .
	@$(VENV)/bin/ruff format .

bench: $(VENV)/test.stamp $(VENV)/frontend.stamp ## measure one turn end to end
	@$(PY) bench/turn.py $(ARGS)

bench-pipeline: $(VENV)/test.stamp $(VENV)/frontend.stamp ## measure the message line against its bars, into docs/benchmarks.md
	@$(PY) bench/pipeline.py --keep $(ARGS)

soak: $(VENV)/test.stamp ## soak the line with 20,000 messages over 2,000 conversations
	@XIAOER_SOAK=full $(PY) -m pytest -q tests/durability tests/integration/scaled -k soak $(ARGS)

bench-understanding: $(VENV)/test.stamp rasa ## measure the embedded engine beside Rasa on public data
	@$(PY) bench/engines.py $(ARGS)

bench-scaled: $(VENV)/test.stamp ## measure turns a second over PostgreSQL, Redis and two workers
	@PYTHONPATH=. $(PY) bench/scaled.py $(ARGS)

bench-webhooks: $(VENV)/test.stamp ## measure every channel's webhook and throw 100,000 mutated payloads at them
	@PYTHONPATH=. $(PY) bench/webhooks.py --keep $(ARGS)

wheel: $(VENV)/check.stamp $(VENV)/frontend.stamp ## build the wheel into dist/
	@$(PY) -m build --wheel --no-isolation -o dist .

rasa: $(VENV)/run.stamp ## build the environment of the second engine (Python 3.10, 2.7 GB, once a person)
	@$(PY) -m tools.rasa_env

clean: ## remove what was built (never var/, where the data lies)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache bot/console/static/vendor

$(PY):
	@sh tools/venv.sh $(VENV)

$(VENV)/run.stamp: requirements/run.txt | $(PY)
	@echo "  installing what Xiaoer needs (once, about a minute)"
	@$(INSTALL) requirements/run.txt
	@$(SELF)
	@touch $@

$(VENV)/test.stamp: requirements/test.txt | $(PY)
	@echo "  installing what the tests need (once)"
	@$(INSTALL) requirements/test.txt
	@$(SELF)
	@touch $@

$(VENV)/check.stamp: requirements/check.txt | $(PY)
	@echo "  installing what the checks need (once)"
	@$(INSTALL) requirements/check.txt
	@$(SELF)
	@touch $@

$(VENV)/frontend.stamp: tools/frontend.json tools/frontend.py | $(PY)
	@$(PY) -m tools.frontend
	@touch $@

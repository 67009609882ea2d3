# Every target does its own set-up in .venv: with uv where it is found, else with pip.
# Options go in ARGS: make demo ARGS="--headless --out out", make test ARGS="-k watermark".

BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)
PYTHONS := python3 python3.13 python3.12 python3.11 python

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench soak ci

help: ## what each target does (this list)
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.dev ## everything for working on inferwatch, into .venv (again only after a change)
	@echo "ready: $(BIN)/inferwatch --help, make demo, make test"

demo: .venv/.demo ## the whole system on this machine, with real input and an incident (2 minutes)
	@$(BIN)/inferwatch demo $(ARGS)

test: .venv/.dev ## every test but the soak ones; fetches and starts a real Kafka where Java is found
	@$(BIN)/pytest -m "not soak" $(ARGS)

check: .venv/.dev ## format, lint, types, who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.dev ## put the code into ruff's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.dev ## the benchmarks behind the README's figures
	@$(BIN)/python -m benchmarks $(ARGS)

soak: .venv/.dev ## the tests that take many minutes
	@$(BIN)/pytest -m soak --timeout 7200 $(ARGS)

ci: ## what continuous integration runs: check, then test, on real parts only
	@bash .ci/run

# The stamps: what is installed is as new as pyproject.toml. Without their Python they mean nothing.
$(shell [ -x $(BIN)/python ] || rm -f .venv/.demo .venv/.dev)

ifdef UV
INSTALL := $(UV) pip install --quiet --python .venv
CREATE_VENV = $(UV) venv --quiet --clear --python "$$python" .venv
else
INSTALL := $(BIN)/python -m pip install --quiet
# The first pip that knows dependency groups is 25.1; a Python 3.11 brings 23.2.
CREATE_VENV = "$$python" -m venv --clear .venv && $(INSTALL) --upgrade "pip>=25.1"
endif

.venv/.demo: pyproject.toml | $(BIN)/python
	@echo "installing what the demo needs into .venv (first time only) ..."
	@$(INSTALL) --editable ".[demo]"
	@touch $@

.venv/.dev: pyproject.toml | $(BIN)/python
	@echo "installing into .venv ..."
	@$(INSTALL) --editable ".[all]" --group dev
	@touch .venv/.demo $@

$(BIN)/python:
	@for python in $(PYTHON) $(PYTHONS); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    $(CREATE_VENV); exit; \
	  fi; \
	done; \
	echo "inferwatch needs Python 3.11 or later; tried: $(strip $(PYTHON) $(PYTHONS))." >&2; \
	echo "Install one (Debian: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python" >&2; \
	exit 1

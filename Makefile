# make run, make test: each first creates .venv if it is missing or out of date.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
BIN := .venv/bin

.PHONY: setup run quick test test-all check bench bench-accuracy docs lock ui clean

# Compiles the bytecode of this repository, as below that of the packages: else each process compiles edited files again.
setup: .venv/installed
	@$(BIN)/python -m compileall -q src flows tasks networks own_augmentations own_metrics

run: setup
	$(BIN)/transferline run

PYTEST := -m pytest -n auto --maxprocesses 4 --dist worksteal

# what needs no training and starts no server: under 3 minutes on two cores
quick: check
	$(BIN)/python $(PYTEST) -m "not slow and not thorough"

# what CI runs
test: check
	$(BIN)/python $(PYTEST) -m "not thorough"

# with kills, damaged files, documents and every recipe; prints the lines that no test runs
test-all: check
	rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run $(PYTEST)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# BENCH=--data FOLDER measures on your photographs; see benchmarks/README.md
bench: .venv/bench
	$(BIN)/python -m benchmarks.run $(BENCH)

bench-accuracy: setup
	$(BIN)/python -m benchmarks.accuracy $(BENCH)

# Installs the engines that benchmarks/frozen.py compares with. They are not in the lock, but their dependencies are. If the
# installation of an engine fails, its row of the results says so.
.venv/bench: .venv/installed pyproject.toml
	@$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['bench'], sep='\n')" \
	  | xargs -n 1 $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps || true
	@touch $@

# Writes requirements.lock from pyproject.toml. Versions that are locked stay if they still fit; UPGRADE=--upgrade takes the
# newest. uv is in a separate environment, because nothing else needs it.
lock:
	[ -x .venv/lock/bin/uv ] || { python3 -m venv .venv/lock && .venv/lock/bin/python -m pip install --quiet uv; }
	.venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes \
	  --no-emit-index-url --no-header $(UPGRADE) pyproject.toml --output-file requirements.lock

# the pages that are made from the code
docs: setup
	$(BIN)/python docs/make_reference.py

ui: setup
	$(BIN)/transferline ui

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.*

# Bytecode is compiled during the installation: if PYTHONDONTWRITEBYTECODE is set, every process of a run would else compile
# TensorFlow, MLflow and Prefect again. The lock is complete, so --no-deps is used (else pip refuses sqlalchemy[asyncio]). It
# holds no index address; uv and pip use the index in their settings.
.venv/installed: requirements.lock pyproject.toml
	@python=""; \
	for name in python3.12 python3.11 python3; do \
	  if $$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then \
	    python=$$name; break; \
	  fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "error: transferline needs Python 3.11 or 3.12 on PATH; found $$(python3 --version 2>/dev/null || echo none)" >&2; exit 1; \
	fi; \
	[ -x $(BIN)/python ] || { echo "making .venv with $$($$python --version)"; $$python -m venv .venv; }
	@echo "installing $$(grep -c == requirements.lock) locked packages; the first time takes minutes"
	@if command -v uv >/dev/null; \
	then uv pip install --python $(BIN)/python --require-hashes --no-deps --compile-bytecode -r requirements.lock; \
	else $(BIN)/python -m pip install --disable-pip-version-check --require-hashes --no-deps --compile -r requirements.lock; fi
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

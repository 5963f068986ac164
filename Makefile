# `make demo` and `make test` set everything up on a fresh machine; PYTHON chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-slow faults bench lint clean

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: .venv/installed
	$(BIN)/fdsweep ablation --seeds 5

test: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not ray and not slow" -n auto --dist worksteal
	$(BIN)/python -m pytest -m "ray and not slow"

test-slow: .venv/installed
	$(BIN)/python -m pytest -m slow

# Runs all benchmarks, in an hour or so, and writes what they print into docs/performance.md.
bench: .venv/installed
	$(BIN)/python benchmarks

# Injects each fault and writes what it cost into the page.
faults: .venv/installed
	$(BIN)/python -m pytest -m fault --fault-table=docs/reliability.md

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build dist src/*.egg-info

# `make demo` and `make test` set everything up on a fresh machine; PYTHON chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin

# Hundreds of processes of the tests import the same modules, which are compiled once.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo docs test test-slow test-lowest faults bench lint release clean

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: .venv/installed
	$(BIN)/fdsweep ablation --seeds 5

# The book, into build/site. It trains nothing; a warning, such as a dead link, ends it.
docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

test: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not ray and not slow" -n auto --dist worksteal
	$(BIN)/python -m pytest -m "ray and not slow"

test-slow: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "slow and not ray" -n auto --dist loadfile
	$(BIN)/python -m pytest -m "slow and ray"

# The fast tests with the oldest versions that pyproject.toml allows, but for torch.
test-lowest: .venv-lowest/installed
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -m "not ray and not slow" -n auto --dist worksteal

.venv-lowest/installed: pyproject.toml constraints.txt .ci/lowest.py
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(PYTHON) .ci/lowest.py > .venv-lowest/lowest.txt
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check -c .venv-lowest/lowest.txt \
		-e '.[adapters,cluster,nyu,docs]' pytest pytest-xdist hypothesis
	touch $@

# Runs all benchmarks, in an hour or so, and writes what they print into docs/performance.md.
bench: .venv/installed
	$(BIN)/python benchmarks

# Injects each fault and writes what it cost into the page.
faults: .venv/installed
	$(BIN)/python -m pytest -m fault --fault-table=docs/reliability.md

lint: .venv/installed docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Wheel and sdist in dist/, checked; the wheel is tried apart from the repository.
release: .venv/installed
	rm -rf dist build/release
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target build/release dist/*.whl
	PYTHONPATH=build/release $(BIN)/python -c 'import fdsweep; print(fdsweep.__file__)'
	PYTHONPATH=build/release $(BIN)/python -c 'from fdsweep.orchestrator.cli import app; app()' --version

clean:
	rm -rf .venv .venv-lowest .pytest_cache .mypy_cache .ruff_cache build dist src/*.egg-info

# make demo   the main job, end to end, on data it makes
# make test   format, lint, types, tests with coverage
# make help   everything else
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BENCH := $(VENV)/.bench
SIZE := quick
ROOMS := source store convert loader train

.PHONY: help demo test check format test-slow wheel bench bench-check bench-peers bench-page clean

help:
	@echo "make demo       make digits, convert them, train on them"
	@echo "make test       format, lint, types, tests with coverage"
	@echo "make check      format, lint, types"
	@echo "make format     mend format and imports"
	@echo "make test-slow  the tests that train for minutes"
	@echo "make bench      all benchmarks, 16 minutes; SIZE=full for the whole"
	@echo "make bench-peers  rivals that have to be installed"
	@echo "make bench-page   docs/benchmarks.md and README's table from the figures"
	@echo "make bench-check  every benchmark at toy size"
	@echo "make wheel      build the wheel and try it in a fresh venv"
	@echo "make clean      remove what these made"

$(INSTALLED): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[tensorflow,plot,test,dev]"
	touch $@

demo: $(INSTALLED)
	$(BIN)/python data/make_digits.py demo/data --overwrite
	cd demo && ../$(BIN)/convert csv-to-h5 --overwrite
	cd demo && ../$(BIN)/train --store data.h5
	@echo "The picture of the run is the history.png named above, under demo/."

# mypy sees the rooms under the names they are installed by.
.typing: $(wildcard core/*.py) Makefile
	rm -rf $@ && mkdir -p $@/seekless
	ln -s $(addprefix ../../,$(wildcard core/*.py core/py.typed) $(ROOMS)) $@/seekless/

check: $(INSTALLED) .typing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: check
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not slow"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-slow: $(INSTALLED)
	$(BIN)/pytest -m slow

wheel: $(INSTALLED)
	rm -rf build dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python .ci/wheel_smoke.py dist

# Photographs to cut from, and plots.
$(BENCH): $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[bench]"
	touch $@

bench: $(BENCH)
	$(BIN)/python benchmarks/bench.py --size $(SIZE)

bench-peers: $(BENCH)
	$(BIN)/python benchmarks/peers.py --size $(SIZE)

bench-page: $(BENCH)
	$(BIN)/python benchmarks/report.py

bench-check: $(INSTALLED)
	$(BIN)/pytest tests/benchmarks

clean:
	rm -rf $(VENV) benchmarks/.venvs .typing build dist demo .coverage .coverage.* *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

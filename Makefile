# Everything a newcomer runs: `make demo`, `make test`. Both set up their own environment in .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The whole lab run where there is one, else the part of it that is shipped.
CORPUS ?= $(if $(KNOCKWATCH_CORPUS),$(KNOCKWATCH_CORPUS)/lab-a,tests/data/lab)

.PHONY: docs lab atomics fuzz coverage kusto demo test check lint types bench bench-check quality completion-shells clean

demo: $(STAMP)  ## set up, then scan the shipped lab evidence
	$(BIN)/knockwatch scan tests/data/lab/evidence

test: $(STAMP)  ## set up, then run every test
	$(BIN)/pytest -n auto

check: lint types test  ## what CI runs

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP)
	$(BIN)/mypy

# How much of it, as BENCH="--only a,c --scale 0.02 --seed 7"; the full one takes hours and 30 GB of disk.
BENCH ?=
bench: $(STAMP)  ## speed and memory beside public tools in the same run, one table; BENCH has its options
	mkdir -p build
	$(BIN)/python -m bench $(BENCH) --json build/bench.json | tee build/bench.md

bench-check: $(STAMP)  ## fail where a ratio of build/bench.json is 25 % below that of bench/results.json
	$(BIN)/python -m bench.ratios build/bench.json

quality: $(STAMP)  ## quality on the labelled corpus
	$(BIN)/python bench/quality.py $(CORPUS)

lab: $(STAMP)  ## real doors in network namespaces, end to end; wants root and fetches Debian packages
	$(BIN)/python -m knockwatch.lab.check --install --required

atomics: $(STAMP)  ## run the atomic tests in the lab and write docs/atomics.md; wants what lab wants, and PyPI
	$(BIN)/python -m knockwatch.lab.atomic_runs --install --required --runner $(VENV)-atomics --page docs/atomics.md

coverage: $(STAMP)  ## write docs/coverage.md and docs/siem.md from the data they tell of
	$(BIN)/python docs/coverage.py
	$(BIN)/python docs/siem.py

docs: $(STAMP)  ## the documentation as a site, in build/site
	$(BIN)/mkdocs build --strict

kusto:  ## install Microsoft's language service for KQL, which tests/kusto asks; needs npm
	npm install --prefix tests/kusto --no-package-lock --no-audit --no-fund --silent

FUZZ_SECONDS ?= 5
fuzz: $(STAMP)  ## every parser on damaged samples, FUZZ_SECONDS each; what fails is kept in tests/data/fuzz
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

# The versions that were tested stand in constraints.txt; pyproject.toml says what is needed.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-atomics .mypy_cache .pytest_cache .ruff_cache .hypothesis

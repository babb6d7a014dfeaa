# `make` alone explains itself.

PYTHON ?= python3.11
BIN := $(CURDIR)/.venv/bin
STAMP := .venv/.installed
PIP := $(BIN)/python -m pip --require-virtualenv --disable-pip-version-check install -q
export PATH := $(BIN):$(PATH)

.PHONY: help repro test check reference docs pictures bench known clean

help:  ## List what make can do
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 14

repro: $(STAMP)  ## Run the whole pipeline on params.yaml; the page is reports/index.html
	@sbipipe check --names  # before DVC, whose words for the same are its own
	dvc repro
	@echo "Read reports/index.html"

# Two files of tests at a time, with a thread each: threads that share small steps wait for each other.
test: $(STAMP)  ## Lint, check types and run every test
	ruff check .
	ruff format --check .
	mypy
	OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile

check: $(STAMP)  ## Check params.yaml and the data it names, and estimate time, disk and memory
	sbipipe check

reference: $(STAMP)  ## Write docs/config.md, all that params.yaml may hold, from the code
	python tools/config_reference.py

docs: $(STAMP)  ## Build the site of the documentation; read docs/_build/html/index.html
	python -m sphinx -q -n -W --keep-going -b html docs docs/_build/html
	@echo "Read docs/_build/html/index.html"

pictures: $(STAMP)  ## Judge every verdict's example and run the notebook, for the documentation
	python tools/verdict_examples.py
	python tools/notebook.py

bench: $(STAMP)  ## Measure the ratios that the documentation quotes
	for benchmark in $(filter-out benchmarks/known_posteriors.py,$(wildcard benchmarks/*.py)); do \
	  echo "== $$benchmark"; python $$benchmark; done

known: $(STAMP)  ## Learn posteriors that are known, beside sbi; a day, goes on where it stopped
	python benchmarks/known_posteriors.py --out reports/known_posteriors.json

clean:  ## Remove the environment and every result
	rm -rf .venv data/settings data/sets data/diagnoses data/histories data/checkpoints data/set_aside \
	  data/judgements data/asked data/truths dvc.lock
	find data/estimators data/draws data/emulators data/emulations data/budgets \
	  -type f ! -name .gitkeep -delete
	find reports -mindepth 1 ! -name .gitignore -delete

# Nothing is installed anywhere else: not where .venv is a link, nor where it is no environment.
#
# lenstools dates from 2021: its C extensions need two compiler flags to build against numpy 2.
$(STAMP): requirements.txt requirements-build.txt pyproject.toml Makefile
	@test ! -L .venv || { echo ".venv: a link to another environment; remove the link" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) -r requirements-build.txt
	CFLAGS="-DNPY_IN_ARRAY=NPY_ARRAY_IN_ARRAY -Wno-incompatible-pointer-types" \
	  $(PIP) --no-build-isolation -r requirements.txt
	$(PIP) --no-build-isolation --no-deps -e .
	touch $@

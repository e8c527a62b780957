# `make demo` and `make test` set up a .venv here by themselves; each works alone and after the other.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check lint clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hubel needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[digits,hub,look,pretrained,webdataset,dev]'
	touch $@

demo: $(READY)  ## Train LeNet-5 on real scans of digits, then read an image file with it.
	@run=runs/demo-$$(date +%Y%m%d-%H%M%S) && \
	$(BIN)/hubel train digits --net lenet5 --out $$run && \
	echo && echo "What does it see in docs/images/three.png?" && \
	$(BIN)/hubel predict $$run/best.safetensors docs/images/three.png --top 3

test: $(READY)  ## Run the tests.
	$(BIN)/python -m pytest -n auto --maxprocesses 4

check: $(READY)  ## Everything that must be green before a commit.
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

lint: $(READY)  ## The same without the tests.
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check --no-tests

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist

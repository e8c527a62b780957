# `make demo` and `make test` set up a .venv here by themselves; each works alone and after the other.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NEWEST := .venv-newest

.PHONY: demo test test-newest test-ray fuzz check lint page-types docs notebooks dist dist-test clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hubel needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[digits,docs,hub,keras,look,onnxruntime,openvino,pretrained,serve,webdataset,dev]'
	touch $@

demo: $(READY)  ## Train LeNet-5 on real scans of digits, then read an image file with it.
	@run=runs/demo-$$(date +%Y%m%d-%H%M%S) && \
	$(BIN)/hubel train digits --net lenet5 --out $$run && \
	echo && echo "What does it see in docs/images/three.png?" && \
	$(BIN)/hubel predict $$run/best.safetensors docs/images/three.png --top 3

test: $(READY)  ## Run the tests.
	$(BIN)/python -m pytest -n auto --maxprocesses 4

test-newest: $(NEWEST)/.ready  ## Run the tests with the newest torch; on x86-64 it is 5 GB, with CUDA.
	$(NEWEST)/bin/python -m pytest -n auto --maxprocesses 4

$(NEWEST)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(NEWEST)
	grep -v '^torch' constraints.txt > $(NEWEST)/constraints.txt
	$(NEWEST)/bin/pip install --quiet --disable-pip-version-check -c $(NEWEST)/constraints.txt \
	  torch==2.14.1 torchvision==0.29.1 timm -e '.[digits,docs,hub,keras,look,onnxruntime,openvino,pretrained,serve,webdataset,dev]'
	touch $@

test-ray:  ## Test predictions on a Ray cluster, in an environment of its own.
	$(PYTHON) -m venv .venv-ray
	.venv-ray/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[onnxruntime,ray]' pytest hypothesis
	.venv-ray/bin/python -m pytest tests/tasks/test_predict_ray.py

fuzz: $(READY)  ## Look for faults for a long time: every operation on the disk fails in turn, and so on.
	HUBEL_FUZZ=1 $(BIN)/python -m pytest tests/fuzz -v
	HUBEL_FUZZ=1 HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest -n auto --maxprocesses 4 tests/net tests/module

check: $(READY)  ## Everything that must be green before a commit.
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

lint: $(READY)  ## The same without the tests.
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check --no-tests

page-types:  ## Check the types of the explorer's page; needs Node.
	npx --yes --package typescript tsc --project .

docs: $(READY)  ## Build the documentation site into build/site; a warning is an error.
	$(BIN)/python -m scripts.reference build/docs
	$(BIN)/zensical build --clean --strict

notebooks: $(READY)  ## Write the example notebooks as .ipynb files into build/notebooks.
	mkdir -p build/notebooks
	for page in docs/notebooks/*.md; do \
	  $(BIN)/jupytext --to ipynb --output build/notebooks/$$(basename $$page .md).ipynb $$page; \
	done

dist: $(READY)  ## Build a wheel and a source distribution into dist.
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist

dist-test: dist  ## Install the wheel outside of this folder and run it there.
	HUBEL_DIST=dist $(BIN)/python -m pytest tests/test_dist.py

clean:
	rm -rf $(VENV) $(NEWEST) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist

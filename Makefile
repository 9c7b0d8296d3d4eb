# `make run` and `make test` are all a fresh machine needs: Python 3.11 or newer and make.
PYTHON ?= python3
UV_VERSION := 0.13.9
PIP_AUDIT_VERSION := 2.10.1

python := .venv/bin/python
installed := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help run test lint docs bundle audit smoke pictures examples format lock clean system-for-run system-for-tests

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

run: $(installed) system-for-run  ## open the app (without a screen: run the default plan, results in out/)
	@$(python) main.py

test: export QT_QPA_PLATFORM ?= offscreen
test: export MPLBACKEND ?= agg
test: $(installed) system-for-tests  ## run the tests; ARGS="tests/counting -k flops" picks some
	@$(python) -m pytest -n 2 --dist worksteal -q $(ARGS)

lint: $(installed)  ## ruff, mypy --strict on planner, import-linter
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(python) -m mypy --strict planner
	@.venv/bin/lint-imports

docs: $(installed)  ## build the docs into build/site; a dead link fails
	@$(python) -m sphinx -q -W --keep-going -n -d build/doctrees docs build/site
	@echo "build/site/index.html"

examples: $(installed)  ## write the outputs in the docs anew, from the commands above them
	@$(python) docs/examples.py

bundle: $(installed)  ## one folder in dist/ that runs without Python, and without torch
	@$(python) -m PyInstaller --noconfirm --log-level WARN --distpath dist --workpath build/bundle gui/desktop/bundle.spec
	@echo "dist/trainplan/trainplan"

audit: $(installed)  ## licences of everything pinned (docs/licences.md), and known vulnerabilities
	@$(python) docs/licences.py
	@$(PYTHON) -m venv build/audit
	@build/audit/bin/python -m pip install --quiet pip-audit==$(PIP_AUDIT_VERSION)
	@build/audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock

smoke: $(installed)  ## the GPU campaign's dry run on the CPU, a minute or two
	@$(python) benchmarks/gpu_campaign.py --out build/smoke --device cpu --smoke

format: $(installed)  ## let ruff lay out the code and mend what it can
	@$(python) -m ruff format .
	@$(python) -m ruff check --fix .

pictures: $(installed)  ## take the pictures of README and docs anew
	@$(python) docs/pictures.py

lock:  ## write requirements.lock anew from requirements.in, newest versions
	@$(PYTHON) -m venv build/uv
	@build/uv/bin/python -m pip install --quiet uv==$(UV_VERSION)
	@build/uv/bin/uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 \
		--fork-strategy fewest --custom-compile-command 'make lock' --output-file requirements.lock requirements.in

clean:  ## remove everything that these targets make, .venv included
	@rm -rf .venv build dist out docs/generated *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last, so an interrupted installation is taken up again.
$(installed): requirements.lock requirements-torch.txt
	@.ci/install-python-packages $(PYTHON)
	@touch $@

# Asked on every call (some milliseconds): a .venv can outlive the machine that it was made on.
system-for-run:
	@.ci/install-system-packages run

system-for-tests:
	@.ci/install-system-packages test

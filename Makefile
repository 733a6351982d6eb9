# Each target sets up .venv by itself. PYTHON=… names the interpreter to build it with (3.11 or later).

python := .venv/bin/python
PYTHON ?=
export PYTHON
# Another checkout on the path must not be taken for this one.
unexport PYTHONPATH

.PHONY: help demo test promises lint bench clean venv
.DEFAULT_GOAL := help

help:
	@echo 'make demo      run the order saga, kill it half-way, resume, revert, verify, reconcile'
	@echo 'make test      all tests (ARGS=… go to pytest)'
	@echo 'make promises  the tests that docs/semantics.md names, one for each promise (ARGS=… go to pytest)'
	@echo 'make lint      ruff, mypy --strict, import rules'
	@echo 'make bench     figures beside their physical floors; QUICK=1: within 4 minutes'
	@echo 'make clean     remove .venv and everything built'

venv:
	@.ci/venv

demo: venv
	@$(python) -m examples.demo

# Two at a time, a file to each: most of a test's time it waits for a process, a server or a clock.
test: venv
	$(python) -m pytest -n 2 --dist loadfile $(ARGS)

promises: venv
	@$(python) tests/sagalog_promises.py $(ARGS)

lint: venv
	$(python) -m ruff check .
	$(python) -m mypy -p sagalog -p examples -p bench
	.venv/bin/lint-imports --no-cache

bench: venv
	@QUICK=$(QUICK) $(python) -m bench

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

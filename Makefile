# Each target sets up .venv by itself. PYTHON=… names the interpreter to build it with (3.11 or later).

python := .venv/bin/python
PYTHON ?=
export PYTHON
# Another checkout on the path must not be taken for this one.
unexport PYTHONPATH
# Dozens of processes would compile all of it anew, each for itself.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test promises mutants soak chaos lint bench clean venv
.DEFAULT_GOAL := help

help:
	@echo 'make demo      run the order saga, kill it half-way, resume, revert, verify, reconcile'
	@echo 'make test      all tests (ARGS=… go to pytest)'
	@echo 'make promises  the tests that docs/semantics.md names, one for each promise (ARGS=… go to pytest)'
	@echo 'make mutants   plant bugs in the engine, one at a time, and say which law catches each (SEEDS=n, SECONDS=n, ARGS=--json)'
	@echo 'make soak      generated flows in a simulated world of crashes, on all cores (SECONDS=n, FIRST=seed)'
	@echo 'make chaos     the orders under SIGKILL, SIGSTOP and restarts of the server, then checked (SECONDS=n, SEED=n, ARGS=--json)'
	@echo 'make lint      ruff, mypy --strict, import rules'
	@echo 'make bench     figures beside their physical floors; QUICK=1: within 4 minutes'
	@echo 'make clean     remove .venv and everything built'

venv:
	@.ci/venv

demo: venv
	@$(python) -m examples.demo

# Three at a time, a file to each: most of a test's time it waits for a process, a server or a clock. In the order of their
# names, in which the long ones do not come last.
test: venv
	$(python) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

promises: venv
	@$(python) tests/sagalog_promises.py $(ARGS)

# Each bug is planted in memory, in a process of its own, as many at a time as there are cores.
mutants: venv
	@PYTHONPATH=tests $(python) -m mutants $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

soak: venv
	@$(python) -m sagalog.testing --soak $(or $(SECONDS),60) --first $(or $(FIRST),0) $(ARGS)

chaos: venv
	@PYTHONPATH=tests:tests/chaos $(python) -m chaos_main --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) $(ARGS)

lint: venv
	$(python) -m ruff check .
	$(python) -m mypy -p sagalog -p examples -p bench
	PYTHONPATH=tests .venv/bin/lint-imports --no-cache

bench: venv
	@QUICK=$(QUICK) $(python) -m bench

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One entry point.  `make demo` and `make test` do all their own set-up on a fresh Debian or Ubuntu.
#
#   make demo          the main job on the simulator: no privilege, no Open vSwitch
#   make lab           the main job on Mininet and real Open vSwitch (root)
#   make test          everything: installs Open vSwitch and Mininet where it may, then runs all tests
#   make check         the fast loop: format, lint, types, import rules, unit tests
#   make ryu           Ryu 4.34 beside os-ken, in an environment of its own (.ryu): `sdn-lab run --ryu ryu`
#   make differential  2,000 random scenarios: claims = interpret = real Open vSwitch; random tables, frame by frame
#                      (SUITE=switch: these alone; SDN_LAB_COMPARISONS=1000000 for the long run)
#   make conformance   the cases of others' suites against the embedded switch (CASES=DIR: other files)
#   make faults        negative controls: with its guard taken away, every attack arrives
#   make drift         200 random edits of one flow entry on each backend: found, named, reverted
#   make changes       100 changes of a lab under probes on each backend: what both scenarios deny never passes
#   make kills         kill -9 of 50 labs at random moments, root's and an ordinary user's: nothing is left; of a
#                      lab's controller 20 times and its switches 5 times, under packets: none opens
#   make notebooks     run the notebooks from top to bottom, on the simulator
#   make bench         wall time by phase; probes against Mininet's pingAll; packets a second; a large lab

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SCENARIO ?= overlap
# What builds real labs and needs root: a file at a time, or, where processes are killed and what is left of them
# is counted, alone.  All else is ordinary.
ALONE := $(addprefix tests/live/test_,death.py mend.py remains.py run_death.py three_labs.py up_ordinary.py)
REAL := $(addprefix tests/contracts/test_,backend.py change.py controller.py) \
	$(filter-out $(ALONE),$(wildcard tests/live/test_*.py))
ORDINARY := $(filter-out tests/__pycache__ tests/contracts tests/live,$(patsubst %/,%,$(wildcard tests/*/))) \
	$(filter-out $(REAL),$(wildcard tests/contracts/test_*.py))
# Half of the time a worker waits for other processes: twice as many workers as this has cores.
WORKERS ?= 4
# The slowest test takes a minute: one that takes five hangs, and ends as a failure with its stack.
PYTEST := $(BIN)/pytest -q --instafail --timeout 300
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# Tests start the command hundreds of times: each start would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo lab test check lint unit live conformance differential faults drift changes kills notebooks bench system ryu clean

demo: $(VENV)/.run
	$(BIN)/sdn-lab run $(SCENARIO)

lab: $(VENV)/.test system
	$(SUDO) $(BIN)/sdn-lab run $(SCENARIO) --backend mininet

test: $(VENV)/.test system ryu
	$(MAKE) --no-print-directory lint
	env SDN_LAB_REQUIRE=$(REQUIRE) $(PYTEST) -n $(WORKERS) --dist worksteal $(ORDINARY)
	$(SUDO) env SDN_LAB_REQUIRE=$(REQUIRE) $(PYTEST) -n 3 --dist loadfile $(REAL)
	$(SUDO) env SDN_LAB_REQUIRE=$(REQUIRE) $(PYTEST) $(ALONE)

check: $(VENV)/.test lint
	$(BIN)/pytest -q -n 2 tests/unit tests/meta

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What SUITE names; without it, everything in tests/differential.
SUITE_switch := $(wildcard tests/differential/test_switch*.py)

differential: $(VENV)/.test system
	$(if $(SUITE),$(if $(SUITE_$(SUITE)),,$(error SUITE is "switch" or empty, not "$(SUITE)")))
	env SDN_LAB_SCENARIOS=$(or $(SCENARIOS),2000) $(BIN)/pytest -q -n 2 --dist worksteal $(or $(SUITE_$(SUITE)),tests/differential)

conformance: $(VENV)/.test
	$(BIN)/python -m tests.conformance $(SUITE) $(if $(CASES),--cases $(CASES))

faults: $(VENV)/.test
	$(BIN)/pytest -q -n 2 tests/faults

drift: $(VENV)/.test system
	env SDN_LAB_EDITS=$(or $(EDITS),200) $(BIN)/pytest -q -s tests/unit/lab/test_drift.py
	$(SUDO) env SDN_LAB_EDITS=$(or $(EDITS),200) $(BIN)/pytest -q -s tests/live/test_drift.py

changes: $(VENV)/.test system
	env SDN_LAB_CHANGES=$(or $(CHANGES),100) $(BIN)/pytest -q -s tests/unit/lab/test_apply_under_probes.py
	$(SUDO) env SDN_LAB_CHANGES=$(or $(CHANGES),100) $(BIN)/pytest -q -s tests/live/test_apply.py

kills: $(VENV)/.test system
	$(SUDO) env SDN_LAB_KILLS=$(or $(KILLS),50) $(BIN)/pytest -q -s -k kill_9 tests/live/test_up.py tests/live/test_up_ordinary.py
	$(SUDO) env SDN_LAB_DEATHS=$(or $(DEATHS),20) $(BIN)/pytest -q -s tests/live/test_mend.py

notebooks: $(VENV)/.test
	$(BIN)/pytest -q -n 2 tests/notebooks

live: $(VENV)/.test system
	$(SUDO) env SDN_LAB_REQUIRE=live $(BIN)/pytest -q tests/live

bench: $(VENV)/.test system
	$(SUDO) $(BIN)/python bench/run_overlap.py
	$(SUDO) $(BIN)/python bench/probes_against_pingall.py
	$(SUDO) $(BIN)/python bench/start_and_stop.py
	$(SUDO) $(BIN)/python bench/apply.py
	$(BIN)/python bench/switch.py
	$(BIN)/python bench/scale.py

# A venv with what the product needs, and one with the tests' needs on top.  The stamps depend on pyproject.toml,
# so a changed dependency is installed by the next call.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { echo "sdn-lab needs Python 3.11 or later with venv: apt-get install python3-venv"; exit 5; }
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.run: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test,mininet]'
	@touch $@ $(VENV)/.run

# Open vSwitch and Mininet's mnexec come from the distribution.  What cannot be installed is said, not hidden:
# the tests that need it skip by name, and under SDN_LAB_REQUIRE=live (as in CI) they fail.
system:
	@sh .ci/system

ryu:
	@sh .ci/ryu .ryu $(PYTHON)

clean:
	rm -rf $(VENV) .ryu build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

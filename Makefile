# The two commands: `make demo` shows what Genie does, `make test` runs all tests. Each sets up what it needs.

.DEFAULT_GOAL := help

# Debian's folder of the reference plugins, and where .ci/setup unpacks them for an ordinary user.
CNI_BINS := /usr/lib/cni build/cni/usr/lib/cni
# Is older than a module that has been changed since the modules were compiled, and missing where none is.
COMPILED := tests/__pycache__/compiled
.PHONY: help demo tour test setup lint bench generated diagnose-bench torture fuzz

help:
	@echo "make demo    a pod gets two networks and loses them again, in a private node; no root needed"
	@echo "make tour    a shell on a private node with a healthy pod and a broken one; no root needed"
	@echo "make test    all tests, with real network namespaces and plugins; as root"
	@echo "make setup   only the set-up that the others begin with: Debian's packages and .venv"
	@echo "make lint    the tests that only read the source: style, types, layers"
	@echo "make generated  completions/, docs/man, docs/codes, the Helm chart and the picture of the layers, after a change of what they come from"
	@echo "make torture   the plugin and its plugins killed everywhere, 10,000 pods, and an audit; as root, half an hour"
	@echo "make fuzz    bad input, 120,000 times: CASES=n and SEED=n say otherwise; a quarter of an hour"
	@echo "make bench   how long an ADD and a DEL take, beside the bare plugin, and what the agent costs; as root. PEERS=DIR: beside the binaries genie (CNI-Genie) and multus there"
	@echo "make diagnose-bench   what genie debug pod makes of 323 faults, pairs of them, and healthy pods; as root"

demo:
	@.ci/setup demo
	@PATH="$$PATH:/usr/sbin:/sbin" .venv/bin/python docs/demo.py $(CNI_BINS)

tour:
	@.ci/setup demo
	@.venv/bin/python docs/tour.py $(CNI_BINS)

# Eight at once on two cores: for most of their time they wait. Each has network and mount namespaces of its own. What they
# and the programs that they start import is compiled before, after a change, also where the environment says not to keep it.
COLLECT := .venv/bin/pytest --collect-only -qq -n 0
test: export PYTHONDONTWRITEBYTECODE =
test: setup
	@[ -z "$$(find genie_core genie_cli tests -name '*.py' -newer $(COMPILED) 2>&1)" ] || { \
	    .venv/bin/python -m compileall -q genie_core genie_cli & compiles=$$!; \
	    $(COLLECT) tests/[a-d]*/ >/dev/null 2>&1 & $(COLLECT) tests/[e-z]*/ tests/test_*.py >/dev/null 2>&1; \
	    wait $$!; wait $$compiles && touch $(COMPILED); }
	@.venv/bin/pytest --numprocesses=8 --dist=worksteal

setup:
	@.ci/setup

lint: setup
	@.venv/bin/pytest -q tests/test_lint.py tests/test_layers.py

# What tests compare with its source: completion scripts, manual pages, the layers' picture, a page for each code, the chart.
generated: setup
	@.venv/bin/python docs/draw.py >docs/architecture.svg
	@.venv/bin/python docs/write_codes.py docs/codes
	@.venv/bin/python -m genie_cli.shells completions
	@.venv/bin/python -m genie_cli.manual docs/man
	@.venv/bin/python deploy/write-chart

bench: setup
	@.venv/bin/python -m tests.bench
	@.venv/bin/python -m tests.bench.agent

# With SEED=n only the random changes of healthy nodes, MUTATIONS=n of them (504).
diagnose-bench: setup
ifndef SEED
	@.venv/bin/python -m tests.diagnose.bench
	@.venv/bin/python -m tests.diagnose.classes
	@.venv/bin/python -m tests.diagnose.full_node
endif
	@.venv/bin/python -m tests.diagnose.mutations $(addprefix --seed ,$(SEED)) $(addprefix --mutations ,$(MUTATIONS))

torture: setup
	@.venv/bin/python -m tests.torture

# What is worth keeping of a run: .venv/bin/python -m tests.fuzz --keep DIR
fuzz: setup
	@.venv/bin/python -m tests.fuzz $(addprefix --cases ,$(CASES)) $(addprefix --seed ,$(SEED))

# One command each to build, test, look and clean. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build deb test programs-to-test test-swift test-scripts systemd container sanitize fuzz fuzz-build simulate hostile page-test soak demo bench experiments handoff-bench flamegraph scale lint format clean

# Archives found here win over shared libraries, so that the binaries need neither Swift nor liburing
# where they run. (lld, because the default linker warns of a function in the Swift toolchain's own archives.)
archives := .build/archives
release := swift build -c release --static-swift-stdlib -Xswiftc -use-ld=lld -Xlinker -L$(CURDIR)/$(archives)
binaries := .build/release
# Debian's Python, which has Debian's matplotlib, even where another one comes first in PATH.
python := $(firstword $(wildcard /usr/bin/python3) python3)

sanitized := ^(DataPlaneTests|LoadTests|ControlTests|UringTests)\.
# End to end with a program that is many times slower: what asks for no rate, with 1, 2, 4 and 8 workers.
sanitized_ends := ^EndToEndTests\..*/(Flows|Connections)/

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build guise and guise-load (release, no Swift needed to run them)
	@scripts/require.sh build
	@scripts/archives.sh $(archives)
	$(release) --product guise
	$(release) --product guise-load

deb: ## Build a Debian package, .build/packages/guise_VERSION_ARCH.deb
	@scripts/require.sh deb
	@$(MAKE) --no-print-directory build
	@scripts/deb.sh $(binaries) .build/packages

# Its halves run side by side: building Swift's tests leaves a core to the scripts'. What failed is said again at the end.
test: ## Run all tests, in network namespaces of their own (root)
	@$(MAKE) --no-print-directory --keep-going -j2 test-scripts test-swift || \
	  { scripts/failures.sh .build/test-scripts.log .build/test-swift.log; exit 1; }

programs-to-test:
	@scripts/require.sh test
	@$(MAKE) --no-print-directory build
	@rm -f .build/test-*.log

test-swift: programs-to-test
	GUISE_BINARY=$(CURDIR)/$(binaries)/guise GUISE_LOAD_BINARY=$(CURDIR)/$(binaries)/guise-load \
	  swift test --disable-xctest 2>&1 | tee .build/$@.log

test-scripts: programs-to-test
	{ $(python) -m unittest discover -s bench; \
	  GUISE_BINARIES=$(CURDIR)/$(binaries) $(python) -m unittest discover -s deploy/tests; \
	  bench/scale/build.sh --check; } 2>&1 | tee .build/$@.log

systemd: ## Test the package under a real systemd, in Debian of its own (root, 1 minute, and 2 for debootstrap once)
	@scripts/require.sh systemd
	@$(MAKE) --no-print-directory build
	cd deploy/tests && GUISE_BINARIES=$(CURDIR)/$(binaries) $(python) -m unittest -v booted

container: ## Build the container image and run it with Podman (root, 1 minute, and 2 for debootstrap once)
	@scripts/require.sh container
	@$(MAKE) --no-print-directory build
	cd deploy/tests && GUISE_BINARIES=$(CURDIR)/$(binaries) $(python) -m unittest -v contained

# Each sanitizer has a build of its own, since it is compiled into everything. A race in a gateway under test ends it
# with 66, which the tests notice. Leaks are not looked for: Foundation and ArgumentParser have some at the end.
# Nor does the address sanitizer take a signal stack of its own for each thread: guise's filter has no sigaltstack(2).
sanitize: ## Run the tests under the thread and the address sanitizer, end to end as well (root, 15 minutes)
	@scripts/require.sh sanitize
	@$(MAKE) --no-print-directory build
	swift test --disable-xctest --sanitize=thread --scratch-path .build/thread --filter '$(sanitized)'
	GUISE_BINARY=$(CURDIR)/.build/thread/debug/guise GUISE_LOAD_BINARY=$(CURDIR)/$(binaries)/guise-load \
	  swift test --disable-xctest --sanitize=thread --scratch-path .build/thread --filter '$(sanitized_ends)'
	ASAN_OPTIONS=detect_leaks=0:use_sigaltstack=0:suppressions=$(CURDIR)/Tests/address-sanitizer.supp \
	  swift test --disable-xctest --sanitize=address --scratch-path .build/address --filter '$(sanitized)'

fuzz: ## Fuzz parsers, flows, trains and tables (SECONDS=n for each, 30 unless told; TARGET=name for one, JOBS=n at once)
	@scripts/require.sh build
	@scripts/fuzz.sh $(if $(filter command line,$(origin SECONDS)),$(SECONDS),30) $(or $(JOBS),$(shell nproc)) $(TARGET)

fuzz-build:
	@scripts/require.sh build
	@scripts/fuzz.sh

simulate: ## Simulate faults of hosts and path (SEEDS=n, 5000 unless told; 'make test' has 100)
	@scripts/require.sh build
	GUISE_FAULT_SEEDS=$(or $(SEEDS),5000) swift test -c release -Xswiftc -enable-testing --scratch-path .build/simulate \
	  --disable-xctest --filter 'DataPlaneTests\.FaultTests'

hostile: ## Send a million forged and malformed packets at a live flow, on each engine (root, 2 minutes)
	@scripts/require.sh test
	@$(MAKE) --no-print-directory build
	GUISE_BINARY=$(CURDIR)/$(binaries)/guise GUISE_LOAD_BINARY=$(CURDIR)/$(binaries)/guise-load \
	  GUISE_FORGED_COUNT=$(or $(COUNT),1000000) swift test --disable-xctest --filter 'EndToEndTests\..*Hostile'

page-test: ## Look at the page of a gateway under load in a headless Chromium; screenshots stay in .build/page (root, 1 minute)
	@scripts/require.sh page-test
	@$(MAKE) --no-print-directory build
	GUISE_BINARIES=$(CURDIR)/$(binaries) $(python) -m unittest discover -s Tests/PageTests

soak: ## Soak gateways in mixed load, churn and faults (root, HOURS=n, half an hour unless told)
	@scripts/require.sh bench
	@$(MAKE) --no-print-directory build
	@$(python) bench/soak/run.py $(if $(HOURS),--hours $(HOURS)) $(SOAK_ARGS)

demo: ## Show throughput and latency through guise, next to plain UDP (root, about a minute)
	@scripts/require.sh demo
	@$(MAKE) --no-print-directory build
	@scripts/demo.sh $(binaries)

bench: ## Measure against plain UDP and engine against engine (root, about 45 minutes; QUICK=1: about 4)
	@scripts/require.sh bench
	@$(MAKE) --no-print-directory build
	@$(python) bench/run.py $(if $(QUICK),--quick) $(BENCH_ARGS)

experiments: ## Measure ways to use io_uring against each other (root, up to 12 minutes; EXPERIMENT=... chooses one)
	@scripts/require.sh experiments
	@scripts/archives.sh $(archives)
	$(release) --product guise-uring
	@$(binaries)/guise-uring $(if $(EXPERIMENT),--experiment $(EXPERIMENT)) $(EXPERIMENT_ARGS)

handoff-bench: ## Measure what passing packets between two cores costs (half a minute)
	@scripts/require.sh build
	@scripts/archives.sh $(archives)
	$(release) --product guise-handoff-bench
	@$(binaries)/guise-handoff-bench $(HANDOFF_BENCH_ARGS)

flamegraph: ## Draw flame graphs of both engines, client and server (root, CASE=... chooses the load)
	@scripts/require.sh flamegraph
	@$(MAKE) --no-print-directory build
	@$(python) bench/flamegraph.py $(if $(CASE),--case $(CASE)) $(FLAMEGRAPH_ARGS)

scale: ## Measure what a packet costs with up to a million flows, and 18000 flows end to end (root, 4 minutes)
	@scripts/require.sh bench
	@$(MAKE) --no-print-directory build
	@bench/scale/build.sh .build/scale
	.build/scale/guise-scale
	$(python) bench/scale/many_flows.py

lint: ## Check formatting and white space
	@scripts/require.sh lint
	swift format lint --strict --recursive Package.swift Sources Tests fuzz bench/scale
	git diff --check $$(git hash-object -t tree /dev/null) --

format: ## Format the Swift sources
	@scripts/require.sh lint
	swift format --in-place --recursive Package.swift Sources Tests fuzz bench/scale

clean: ## Remove what was built
	rm -rf .build

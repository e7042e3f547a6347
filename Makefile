# One command each to build, test, look and clean. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build test demo lint format clean

# Archives found here win over shared libraries, so that the binaries need neither Swift nor liburing
# where they run. (lld, because the default linker warns of a function in the Swift toolchain's own archives.)
archives := .build/archives
release := swift build -c release --static-swift-stdlib -Xswiftc -use-ld=lld -Xlinker -L$(CURDIR)/$(archives)
binaries := .build/release

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build guise and guise-load (release, no Swift needed to run them)
	@scripts/require.sh build
	@scripts/archives.sh $(archives)
	$(release) --product guise
	$(release) --product guise-load

test: ## Run all tests, in network namespaces of their own (root)
	@scripts/require.sh test
	@$(MAKE) --no-print-directory build
	GUISE_BINARY=$(CURDIR)/$(binaries)/guise GUISE_LOAD_BINARY=$(CURDIR)/$(binaries)/guise-load \
	  swift test --disable-xctest

demo: ## Show throughput and latency through guise, next to plain UDP (root, about a minute)
	@scripts/require.sh demo
	@$(MAKE) --no-print-directory build
	@scripts/demo.sh $(binaries)

lint: ## Check formatting and white space
	@scripts/require.sh lint
	swift format lint --strict --recursive Package.swift Sources Tests
	git diff --check $$(git hash-object -t tree /dev/null) --

format: ## Format the Swift sources
	@scripts/require.sh lint
	swift format --in-place --recursive Package.swift Sources Tests

clean: ## Remove what was built
	rm -rf .build

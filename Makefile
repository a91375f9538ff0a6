# SPDX-License-Identifier: GPL-2.0-only
#
# What people type.  Kbuild is the kernel's side of this directory.

KERNELS ?= 6.1 6.12 7.3
KERNEL  ?= 6.1
KDIR    ?= /lib/modules/$(shell uname -r)/build
prefix  ?= /usr/local
top     := $(CURDIR)
build   := $(top)/build

export KERNELS prefix DESTDIR

.PHONY: all lib tools examples bench-program bench-shared
all: lib tools examples bench-program ## build library, tool, examples and benchmark into build/

lib tools examples:
	@$(MAKE) --no-print-directory -C $@ O=$(build)/$@ LIB=$(build)/lib
bench-program:
	@$(MAKE) --no-print-directory -C bench O=$(build)/bench LIB=$(build)/lib
bench-shared:
	@$(MAKE) --no-print-directory -C bench O=$(build)/bench \
		LIB=$(build)/lib $(build)/bench/bench-shared
tools examples bench-program bench-shared: lib

.PHONY: module module-% module-check
module: ## build the module for the running kernel, or for KDIR=
	@scripts/build-module --kdir $(KDIR)

module-6.1 module-6.12 module-7.3 module-debug-kasan module-debug-kcsan: module-%: ## for a Debian kernel; also module-6.12, module-7.3
	@scripts/build-module -k $*

module-check: ## the module with W=1, sparse and checkpatch, for each of KERNELS
	@scripts/module-check $(KERNELS)

.PHONY: selftests
selftests: lib ## build the selftests into build/kselftest
	@scripts/build-selftests

.PHONY: demo test
demo: ## see it work: processes are killed, nobody hangs
	@scripts/demo

test: ## prove it: style, unit tests, selftests on the host and in guests
	@scripts/test

.PHONY: bench
bench: ## measure beside its peers, 15 minutes, for Documentation/performance; QUICK=1: one, for build/
	@scripts/bench $(if $(QUICK),--quick)

.PHONY: model debug-kernels test-deep coverage
model: deps ## check the models of the protocols, and that each finds its seeded bugs
	@models/run

debug-kernels: deps ## build the kernels with bug detectors in them, once
	@scripts/debug-kernel debug-kasan debug-kcsan

test-deep: ## prove more, slowly: bug detectors, failing memory, coverage, models
	@scripts/test-deep

coverage: ## lines and branches of the module that the tests execute
	@scripts/test-deep kasan coverage && tail -n 30 build/log-deep/coverage.txt

.PHONY: shell fetch deps
shell: module-$(KERNEL) all ## a shell in a guest with KERNEL=6.1, 6.12, 7.3, debug-kasan or debug-kcsan
	@scripts/vm -k $(KERNEL) --shell

deps: ## install the Debian packages that are missing
	@scripts/deps

fetch: deps ## fill the cache with KERNELS, to work offline later
	@scripts/kernel $(KERNELS) && scripts/kselftest-source

.PHONY: install modules_install
install: all ## install library, tool, man pages, udev rule; DESTDIR=, prefix=
	@$(MAKE) --no-print-directory -C lib O=$(build)/lib install
	@$(MAKE) --no-print-directory -C tools O=$(build)/tools LIB=$(build)/lib install
	scripts/install-pages "$(DESTDIR)$(prefix)/share/man"
	install -D -m 644 packaging/60-ksync.rules "$(DESTDIR)/usr/lib/udev/rules.d/60-ksync.rules"
	install -D -m 644 packaging/ksync.conf "$(DESTDIR)/usr/lib/modules-load.d/ksync.conf"

modules_install: module ## install the module for the running kernel, or for KDIR=
	@scripts/install-module $(KDIR)

.PHONY: clean help
clean: ## remove build/
	rm -rf $(build)

help: ## list these targets
	@sed -n 's/^\([a-z][a-z_ .0-9-]*\):.*## /\1\t/p' $(top)/Makefile | sed 's/ [a-z].*\t/\t/' | expand -t 20

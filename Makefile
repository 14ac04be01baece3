# bandog - `make help` lists the targets
#
# Each variant (libc, sanitizers, compiler) has its own objects below build/obj, so switching costs nothing.
# Only the plain `make` program is for use; the others are for tests and lie in build/VARIANT.

##! LIBC=glibc       build for tests: dynamic, with debugging information
##! SAN=...          the same with gcc's -fsanitize=..., e.g. address,undefined or thread
##! CC=clang         compile with clang
##! CFLAGS= LDFLAGS= added last
##! V=1              print the commands
LIBC := $(if $(SAN),glibc,$(or $(LIBC),musl))
PREFIX ?= /usr/local
PORT ?= 8080
VERSION ?= $(or $(shell git describe --tags 2>/dev/null),dev)
SHA ?= $(or $(shell git rev-parse --verify -q --short HEAD 2>/dev/null),unknown)

ifneq ($(filter default undefined,$(origin CC))$(filter musl-gcc,$(CC)),)
override CC := gcc
endif
is_clang := $(findstring clang,$(CC))

VARIANT := $(LIBC)$(addprefix -,$(SAN))
O := build/obj/$(VARIANT)$(addprefix -,$(filter-out gcc,$(notdir $(CC))))$(if $(FUZZ),-fuzz)
B := build$(if $(VARIANT:musl=),/$(VARIANT))
PROGRAM := $(B)/fwatchdog
TOOLBOX := $(B)/bandog
DEPS := $(O)/deps
Q := $(if $(V),,@)
tell = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))
MAKEFLAGS += --no-print-directory

# --- flags ------------------------------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith -Wformat=2
# libuv's handles are cast to their base, hence -fno-strict-aliasing.
FLAGS := -std=gnu11 -D_GNU_SOURCE $(WARN) -fPIE -fno-strict-aliasing -pthread -MMD -MP \
	-isystem $(DEPS)/include $(addprefix -include ,$(wildcard include/bandog/banned.h))
HARDEN := -fstack-protector-strong
LDHARDEN := -Wl,-z,relro,-z,now,-z,noexecstack

ifeq ($(LIBC),musl)
FLAGS += -O2 -ffunction-sections -fdata-sections $(HARDEN)
COMPILE := $(if $(is_clang),$(CC) -nostdlibinc -isystem $(DEPS)/include/musl,REALGCC=$(CC) musl-gcc)
# musl-gcc knows -static and -pie but not both: the start files and the linker's part of -static-pie are given here.
LINK := $(if $(is_clang),,REALGCC=$(CC) )musl-gcc -static-pie -nostartfiles -Wl,-static,--no-dynamic-linker,-z,text \
	$(LDHARDEN) -Wl,--gc-sections -s $(DEPS)/lib/musl/rcrt1.o $(DEPS)/lib/musl/crti.o
LIBS := $(DEPS)/lib/musl/crtn.o
else
FLAGS += -g $(if $(SAN),-O1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all,\
	-O2 $(if $(is_clang),,-D_FORTIFY_SOURCE=2) $(HARDEN)) $(if $(FUZZ),-fsanitize=fuzzer-no-link)
COMPILE := $(CC)
LINK := $(CC) -pie -pthread $(LDHARDEN) $(if $(SAN),-fsanitize=$(SAN))
endif

# The layers: what each folder may include.
INC_watchdog/base := -Iinclude -Iwatchdog/base
INC_watchdog/loop := -Iwatchdog/loop $(INC_watchdog/base)
INC_watchdog/proc := -Iwatchdog/proc $(INC_watchdog/loop)
INC_watchdog/http := -Iwatchdog/http $(INC_watchdog/proc) -isystem $(DEPS)/include/llhttp
INC_watchdog := -Iwatchdog -Iwatchdog/http $(INC_watchdog/proc)
INC_modes := -Iinclude -Imodes
INC_cli := -Iinclude -Icli -isystem $(DEPS)/include/yaml -isystem $(DEPS)/include/llhttp
INC_tests/unit := -I. -Iwatchdog $(INC_watchdog/http) -Imodes $(INC_cli) -Wno-unused-parameter -Wno-unused-function
INC_tests/fuzz := $(INC_tests/unit) -Wno-missing-prototypes

# --- the programs -----------------------------------------------------------------------------------------------------

obj = $(patsubst %.c,$(O)/%.o,$(sort $(wildcard $(1))))
engine := $(call obj,watchdog/*/*.c)
modes := $(call obj,modes/*.c)
cli := $(call obj,cli/*.c)
main := $(O)/watchdog/main.o
cli_main := $(O)/cli/main.o
version := $(O)/watchdog/base/version.o
program := $(filter-out $(main),$(call obj,watchdog/*.c))
fuzzers := $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
unit := $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/unit/test_*.c)))
archives := $(O)/libcli.a $(O)/libprogram.a $(O)/libmodes.a $(O)/libbandog.a
grouped := -Wl,--start-group $(archives) -Wl,--end-group
libs = $(DEPS)/lib/libllhttp.a $(DEPS)/lib/libuv.a $(DEPS)/lib/libyaml.a $(LDFLAGS) $(LIBS)

all: $(PROGRAM) $(TOOLBOX) ## build build/fwatchdog and build/bandog (the default)
.PHONY: all

# Another variant may have been here before.
$(PROGRAM) $(TOOLBOX): $(B)/%: $(O)/% FORCE
	@mkdir -p $(@D) && { [ $< -ef $@ ] || ln -f $< $@; }

$(O)/fwatchdog: $(main) $(program) $(modes) $(O)/libbandog.a $(DEPS)/stamp $(O)/flags $(O)/list
	$(call tell,LINK,$@)
	$(Q)$(LINK) $(filter %.o %.a,$^) -o $@ $(libs)

$(O)/bandog: $(cli) $(O)/libbandog.a $(DEPS)/stamp $(O)/flags $(O)/list
	$(call tell,LINK,$@)
	$(Q)$(LINK) $(filter %.o %.a,$^) -o $@ $(libs)

# What bandog carries inside: the templates, and the fwatchdog that it was made with.
blobs := $(O)/cli/blobs.o
$(blobs): DEFINE := -DBD_TEMPLATES='"$(O)/templates.tar"' -DBD_FWATCHDOG='"$(O)/fwatchdog"'
$(blobs): $(O)/templates.tar $(O)/fwatchdog

# Nothing of the time, the user or the order of a folder: the same templates make the same archive.
templates := $(sort $(shell find templates -type f ! -path '*/node_modules/*' ! -path '*/__pycache__/*'))
$(O)/templates.tar: $(templates) $(O)/templates.list
	$(call tell,TAR,$@)
	$(Q)tar --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX \
		--transform='s,^templates/,,' -cf $@ $(templates)

$(O)/libcli.a: $(filter-out $(cli_main),$(cli))
$(O)/libbandog.a: $(engine)
$(O)/libmodes.a: $(modes)
$(O)/libprogram.a: $(program)
$(archives): $(O)/list
	$(call tell,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)

$(O)/%.o: %.c $(O)/flags $(DEPS)/stamp
	$(call tell,CC,$<)
	$(Q)mkdir -p $(@D) && $(COMPILE) $(FLAGS) $(INC_$(patsubst %/,%,$(dir $<))) $(DEFINE) $(CFLAGS) -c $< -o $@

$(version): DEFINE := -DBD_VERSION='"$(VERSION)"' -DBD_SHA='"$(SHA)"'
$(version): $(O)/version

# Files that change only when what stands in them does, so that what depends on them is made again just then.
keep = mkdir -p $(@D) && echo $(1) | cmp -s - $@ || echo $(1) >$@
$(O)/flags: FORCE
	@$(call keep,'$(COMPILE) $(FLAGS) $(CFLAGS) $(LINK) $(LDFLAGS)')
$(O)/list: FORCE
	@$(call keep,'$(engine) $(modes) $(program) $(cli)')
$(O)/templates.list: FORCE
	@$(call keep,'$(templates)')
$(O)/version: FORCE
	@$(call keep,'$(VERSION) $(SHA)')
$(DEPS)/stamp: FORCE
	@mkdir -p $(O) && deps=$$(scripts/deps path $(VARIANT)) && \
		{ [ "$$(readlink $(DEPS))" = "$$deps" ] || ln -sfn "$$deps" $(DEPS); }

FORCE:
.PHONY: FORCE
.DELETE_ON_ERROR:
-include $(patsubst %.o,%.d,$(engine) $(modes) $(program) $(main) $(cli)) $(addsuffix .d,$(unit))

# --- use --------------------------------------------------------------------------------------------------------------

run: ## install what building needs, build, serve examples/shout on PORT=8080
	@scripts/deps run
	@$(MAKE) all LIBC=musl SAN=
	@echo; echo "  curl -d 'hello' http://127.0.0.1:$(PORT)/"; echo
	@port=$(PORT) fprocess="sh examples/shout/handler.sh" exec build/fwatchdog

install: all ## install to DESTDIR= PREFIX=/usr/local: bin/fwatchdog and bin/bandog
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/fwatchdog
	install -D -m 755 $(TOOLBOX) $(DESTDIR)$(PREFIX)/bin/bandog

# --- tests ------------------------------------------------------------------------------------------------------------

test: ## all tests, after installing what they need (also with SAN= or LIBC=)
	@scripts/deps test
	@$(MAKE) all
	@$(MAKE) test-run LIBC=glibc FWATCHDOG=$(PROGRAM) BANDOG=$(TOOLBOX)

check: test ## the same

# musl has no cmocka here, so the unit tests are always built for glibc. The fuzzers are compiled, so that they
# cannot fall behind; running them needs clang.
test-run: $(unit) $(addsuffix .o,$(fuzzers))
	@SAN='$(SAN)' BANDOG=$(abspath $(BANDOG)) tests/run $(FWATCHDOG) $(unit)

# Each includes the file it tests; the archives give only what else it needs.
$(unit): $(O)/%: $(O)/%.o $(archives)
	$(call tell,LINK,$@)
	$(Q)$(LINK) $< $(grouped) -lcmocka -o $@ $(libs)

valgrind: ## a short run of the tests under valgrind
	@scripts/deps dev
	@VALGRIND=1 $(MAKE) test LIBC=glibc SAN=

soak: all ## SOAK_SECONDS=180 of mixed traffic through mode=http, with aborts on all sides
	@FWATCHDOG=$(PROGRAM) tests/soak/soak-http

FUZZ_SECONDS ?= 30
fuzz: ## run each tests/fuzz/fuzz_*.c for FUZZ_SECONDS=30 (needs clang's fuzzer)
	@scripts/deps dev
	@$(MAKE) fuzz-run FUZZ=1 CC=clang SAN=address,undefined

$(fuzzers): $(O)/%: $(O)/%.o $(archives)
	$(call tell,LINK,$@)
	$(Q)$(LINK) -fsanitize=fuzzer $< $(grouped) -o $@ $(libs)

fuzz-run: $(fuzzers)
	@set -e; for f in $(fuzzers); do \
		name=$${f##*/fuzz_}; corpus=build/fuzz/$$name; mkdir -p $$corpus; \
		echo "fuzz: $$name"; \
		$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 -verbosity=0 \
			-artifact_prefix=build/fuzz/$$name- $$corpus $$(ls -d tests/fuzz/corpus/$$name 2>/dev/null || true); \
	done

bench_helpers := $(patsubst tests/bench/%.c,build/bench/%,$(wildcard tests/bench/*.c))
build/bench/%: tests/bench/%.c $(O)/flags $(DEPS)/stamp
	$(call tell,BENCH,$@)
	$(Q)mkdir -p $(@D) && musl-gcc -static -O2 -std=gnu11 -D_GNU_SOURCE $(WARN) -pthread -isystem $(DEPS)/include $< -o $@ \
		$(DEPS)/lib/libllhttp.a $(DEPS)/lib/libuv.a

bench-fork: all $(bench_helpers) ## requests/s of a forking mode beside a bare spawn loop
	@FWATCHDOG=$(PROGRAM) BENCH_HELPERS=build/bench tests/bench/bench-fork

bench-http: ## processor time per request of mode=http beside nginx, after installing that
	@scripts/deps bench
	@$(MAKE) bench-http-run

bench-http-run: all $(bench_helpers)
	@FWATCHDOG=$(PROGRAM) BENCH_HELPERS=build/bench tests/bench/bench-http

bench-idle: all $(bench_helpers) ## memory of mode=http for idle clients and bodies of a GiB
	@FWATCHDOG=$(PROGRAM) BENCH_HELPERS=build/bench tests/bench/bench-idle

bench-rest: all $(bench_helpers) ## size, memory at rest, time until it listens
	@FWATCHDOG=$(PROGRAM) BENCH_HELPERS=build/bench tests/bench/rest

bench-static: ## processor time per request of mode=static beside nginx, after installing that
	@scripts/deps bench
	@$(MAKE) bench-static-run

bench-dev: all ## seconds until `bandog dev` answers, and until a save is live
	@BANDOG=$(TOOLBOX) tests/bench/bench-dev

bench-static-run: all $(bench_helpers)
	@FWATCHDOG=$(PROGRAM) BENCH_HELPERS=build/bench tests/bench/bench-static

# --- care -------------------------------------------------------------------------------------------------------------

sources = $(wildcard include/*/*.h watchdog/*.[ch] watchdog/*/*.[ch] modes/*.[ch] cli/*.[ch] tests/*/*.[ch])
scripts := scripts/deps .ci/run examples/shout/handler.sh examples/git-server/run templates/bash/function/*.sh templates/cgi/function/*

format: ## let clang-format write the C files
	clang-format -i $(sources)

lint: ## check format and scripts
	clang-format --dry-run --Werror $(sources)
	shellcheck $(scripts)

ifneq ($(filter clean,$(MAKECMDGOALS)),)
.NOTPARALLEL: # make -j clean all
endif
clean: ## remove build (scripts/deps clean also removes the libraries made)
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo; sed -n 's/^##! /  /p' Makefile

.PHONY: run install test check test-run valgrind soak fuzz fuzz-run format lint clean help
.PHONY: bench-dev bench-fork bench-http bench-http-run bench-idle bench-rest bench-static bench-static-run

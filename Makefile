# heaptap: one Makefile, no recursion.  `make help` lists targets and knobs.
#
# Folders become objects by wildcard: a new .c file needs no line here.  common/ is compiled twice, once with the
# shim's flags and once with the collector's.  SAN=… builds into its own tree, without the shim: sanitizers own malloc.

ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX  ?= /usr/local
DESTDIR ?=
# Where other programs look: the loader, systemd, zsh, people.
LIBDIR      ?= $(PREFIX)/lib
UNITDIR     ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
ZSHDIR      ?= $(PREFIX)/share/zsh/site-functions
DOCDIR      ?= $(PREFIX)/share/doc/heaptap
SAN     ?=
SHIM_SAN ?=
T       ?= 60
IO      ?=
V       ?=

comma := ,
BUILD := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
OBJ   := $(BUILD)/obj
GEN   := build/gen
Q     := $(if $(V),,@)

VERSION := 0.1.0
CLANG   := $(findstring clang,$(shell $(CC) --version 2>/dev/null))

CFLAGS   ?= -O2 -g
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 \
            $(if $(CLANG),-Wno-gnu-zero-variadic-macro-arguments) $(if $(CI)$(WERROR),-Werror)
CPPFLAGS += -I. -I$(GEN) -D_GNU_SOURCE -DHEAPTAP_VERSION='"$(VERSION)"'
ALL_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) -MMD -MP $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all) \
             $(if $(findstring thread,$(SAN)),-Wno-tsan)

# What runs inside other people's programs: no builtin idioms that could call malloc, no dynamic TLS, no canaries.
# No vector registers: a pair of words stored one by one and loaded at once waits until both are in the cache (exact
# mode: 5 %), the walk keeps its state in ordinary ones (7 %), and the program's floating point is out of reach.
SHIM_CFLAGS := -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-builtin $(if $(CLANG),,-fno-tree-loop-distribute-patterns) \
               -fno-stack-protector -mgeneral-regs-only -U_FORTIFY_SOURCE -fexceptions -fasynchronous-unwind-tables -O2 # last: tail calls
# separate-code: cxx.c makes the symbol table writable for a moment; no code may lie on its pages, which aarch64's
# linker would put there.
SHIM_LDFLAGS := -shared -Wl,-soname,libheaptap.so -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -Wl,-z,initfirst -Wl,-z,separate-code -Wl,-z,defs -Wl,--as-needed

# Optimized as one program, with a gcc that can: a recorded malloc/free pair takes 11 % fewer instructions (README of
# preload/). One partition: where it is cut would depend on the number of processors.
SHIM_LTO := $(if $(CLANG)$(SHIM_SAN),,$(shell $(CC) -flto -fsyntax-only -xc /dev/null 2>/dev/null && echo -flto -flto-partition=one))

objs = $(patsubst %.c,$(OBJ)/%.o,$(wildcard $1/*.c))
shim_objs = $(patsubst %.c,$(OBJ)/shim/%.o,$(wildcard common/*.c preload/*.c))

PROFILE_LIBS := -ldw -lelf -liberty -lmsgpackc -lprotobuf-c -ljansson -lpcre2-8 -lz -lm
LIVE_LIBS    := -luring
HTTP_LIBS    := -lmicrohttpd -lseccomp
CLI_LIBS     := -Wl,--as-needed -ledit -lm

.PHONY: all quickstart check check-unit check-race check-e2e check-hazards check-long lint format bench cross fuzz install deb clean help deps-build deps-test deps-bench
.DEFAULT_GOAL := all

## make                       build the shim, the daemon and the command into build/
all: $(BUILD)/heaptap $(BUILD)/heaptap-collectord $(if $(SAN),,$(BUILD)/libheaptap.so)

## make quickstart            install what is missing, build, profile a real program, show its top table
quickstart: deps-build
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/quickstart $(BUILD)

## make check                 install what the tests need, run all of them; last line: N passed, N failed
check: deps-test
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)tests/run --build $(BUILD)

## make check IO=epoll        the same with collectors on epoll (IO=uring: never on epoll); check-e2e, check-hazards and check-unit likewise
ifneq ($(IO),)
export HEAPTAP_IO := $(IO)
endif

## make check-unit            only the unit tests (works with SAN=…)
check-unit: unit-tests
	$(Q)tests/run --build $(BUILD) unit

## make check-race            only the threaded programs for SAN=thread
check-race: race-tests
	$(Q)tests/run --build $(BUILD) race

## make check-e2e             only the end-to-end tests
check-e2e: all tests
	$(Q)tests/run --build $(BUILD) e2e

## make check-hazards         only the ways to harm the traced program
check-hazards: all tests
	$(Q)tests/run --build $(BUILD) hazards

## make check-long            what takes too long for check: 1e8 operations on the live table, ten minutes of chaos, 1000 killed collectors, each allocation failing once, packages twice, a scribbler under AddressSanitizer
check-long: all tests
	$(Q)HEAPTAP_CHURN=100000000 TEST_TIMEOUT=1200 tests/run --build $(BUILD) unit shim_live_inside
	$(Q)SECONDS_OF_CHAOS=600 TEST_TIMEOUT=1200 tests/run --build $(BUILD) hazards chaos
	$(Q)HEAPTAP_LONG=yes tests/run --build $(BUILD) e2e deb
	$(Q)EVERY_ALLOCATION=yes TEST_TIMEOUT=600 tests/run --build $(BUILD) unit test_recover_memory
	$(Q)KILLS=1000 TEST_TIMEOUT=3600 tests/run --build $(BUILD) hazards restarts
	$(Q)$(MAKE) --no-print-directory SAN=address,undefined build/san-address-undefined/tests/unit/test_scribble
	$(Q)SECONDS_OF_SCRIBBLING=60 TEST_TIMEOUT=600 tests/run --build build/san-address-undefined unit test_scribble

## make lint                  includes, symbols, formats, static analysis
lint: deps-test
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/lint $(BUILD)

## make format                rewrite sources in the house style
format:
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')

## make bench                 timings as ratios to the bare program, and to other profilers; never part of check
bench: deps-bench
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)tests/bench/run $(BUILD)

## make fuzz                  run each fuzzer for T=60 seconds (clang, AddressSanitizer, UndefinedBehaviorSanitizer)
fuzz:
	$(Q)$(MAKE) --no-print-directory CC=clang SAN=address,undefined SHIM_SAN=1 BUILD=build/fuzz \
		CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' run-fuzzers

## make cross                 compile the shim for aarch64
cross:
	$(Q)$(MAKE) --no-print-directory CC=aarch64-linux-gnu-gcc BUILD=build/aarch64 build/aarch64/libheaptap.so

## make install               PREFIX=/usr/local DESTDIR=, and LIBDIR UNITDIR SYSUSERSDIR ZSHDIR DOCDIR below PREFIX
install: all
	install -D -m 755 $(BUILD)/heaptap '$(DESTDIR)$(PREFIX)/bin/heaptap'
	install -D -m 755 $(BUILD)/heaptap-collectord '$(DESTDIR)$(PREFIX)/bin/heaptap-collectord'
	install -D -m 644 $(BUILD)/libheaptap.so '$(DESTDIR)$(PREFIX)/lib/heaptap/libheaptap.so'
	scripts/man/make $(BUILD) $(BUILD)/man
	for page in $(BUILD)/man/*.[158]; do \
		install -D -m 644 "$$page" "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}" || exit 1; done
	install -D -m 644 scripts/completion/heaptap.bash '$(DESTDIR)$(PREFIX)/share/bash-completion/completions/heaptap'
	install -D -m 644 scripts/completion/_heaptap '$(DESTDIR)$(ZSHDIR)/_heaptap'
	install -d '$(DESTDIR)$(LIBDIR)'
	ln -sfr '$(DESTDIR)$(PREFIX)/lib/heaptap/libheaptap.so' '$(DESTDIR)$(LIBDIR)/libheaptap.so'
	install -D -m 644 scripts/systemd/heaptap-collectord.socket '$(DESTDIR)$(UNITDIR)/heaptap-collectord.socket'
	install -D -m 644 scripts/systemd/heaptap-http.socket '$(DESTDIR)$(UNITDIR)/heaptap-http.socket'
	install -D -m 644 scripts/systemd/heaptap.sysusers '$(DESTDIR)$(SYSUSERSDIR)/heaptap.conf'
	install -d '$(DESTDIR)$(DOCDIR)/examples'
	$(call fill,scripts/systemd/heaptap-collectord.service,'$(DESTDIR)$(UNITDIR)/heaptap-collectord.service')
	$(call fill,scripts/systemd/trace.conf,'$(DESTDIR)$(DOCDIR)/examples/trace.conf')

# A template with the installed paths in it.
fill = sed -e 's|@BINDIR@|$(PREFIX)/bin|g' -e 's|@SHIM@|$(PREFIX)/lib/heaptap/libheaptap.so|g' $1.in >$2 && chmod 644 $2

## make deb                   Debian packages into build/deb/
deb:
	$(Q)scripts/install-deps build deb
	$(Q)scripts/deb/make build/deb

## make clean                 remove build/
clean:
	$(Q)rm -rf build

## make help                  this list
help:
	@sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST))
	@echo "knobs: SAN=address,undefined|thread  V=1  CC=clang  CFLAGS=…  WERROR=1  JOBS=N (tests at a time)"

deps-build:
	$(Q)scripts/install-deps build

deps-test:
	$(Q)scripts/install-deps build deb test
deps-bench:
	$(Q)scripts/install-deps build deb test bench

# --- the shim: common/ and preload/ with their own flags ---------------------------------------------------------

$(OBJ)/shim/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(if $(SHIM_SAN),$(ALL_CFLAGS),$(filter-out -fsanitize=% -fno-sanitize-recover=%,$(ALL_CFLAGS))) $(SHIM_CFLAGS) -c $< -o $@

# Its objects hold no machine code under SHIM_LTO, so libshim.a has others.
$(OBJ)/whole/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(filter-out -fsanitize=% -fno-sanitize-recover=%,$(ALL_CFLAGS)) $(SHIM_CFLAGS) $(SHIM_LTO) -c $< -o $@

$(BUILD)/libheaptap.so: $(if $(SHIM_LTO),$(patsubst $(OBJ)/shim/%,$(OBJ)/whole/%,$(shim_objs)),$(shim_objs))
	$(Q)$(CC) $(CFLAGS) $(if $(SHIM_LTO),$(SHIM_CFLAGS) $(SHIM_LTO)) $(SHIM_LDFLAGS) $^ -o $@

# --- the collector: rooms as static libraries, each may use the ones to its right --------------------------------

$(GEN)/profile.pb-c.c: collectord/profile/profile.proto
	@mkdir -p $(GEN)
	$(Q)protoc-c --c_out=$(GEN) --proto_path=collectord/profile profile.proto
$(GEN)/profile.pb-c.h: $(GEN)/profile.pb-c.c ;
$(call objs,collectord/profile) $(call objs,collectord/cli): $(GEN)/profile.pb-c.c

$(OBJ)/gen/%.o: $(GEN)/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu11 $(CFLAGS) -fPIC $(if $(SAN),-fsanitize=$(SAN)) -c $< -o $@

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c $< -o $@

$(BUILD)/lib%.a:
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(BUILD)/libcommon.a: $(call objs,common)
$(BUILD)/libprofile.a: $(call objs,collectord/profile) $(OBJ)/gen/profile.pb-c.o
$(BUILD)/liblive.a: $(call objs,collectord/live)
$(BUILD)/libhttp.a: $(call objs,collectord/http)
$(BUILD)/libcli.a: $(filter-out $(OBJ)/collectord/cli/main.o,$(call objs,collectord/cli))
# The shim's modules but its exported hooks, for unit tests.
$(BUILD)/libshim.a: $(filter-out $(OBJ)/shim/preload/hooks.o $(OBJ)/shim/preload/cxx_hooks.o,$(shim_objs))

$(BUILD)/heaptap: $(OBJ)/collectord/cli/main.o $(BUILD)/libcli.a $(BUILD)/libhttp.a $(BUILD)/liblive.a $(BUILD)/libprofile.a $(BUILD)/libcommon.a
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(HTTP_LIBS) $(LIVE_LIBS) $(PROFILE_LIBS) $(CLI_LIBS) -o $@
$(BUILD)/heaptap-collectord: $(patsubst %.c,$(OBJ)/%.o,$(wildcard collectord/daemon*.c)) $(BUILD)/libcli.a $(BUILD)/libhttp.a $(BUILD)/liblive.a $(BUILD)/libprofile.a $(BUILD)/libcommon.a
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(HTTP_LIBS) $(LIVE_LIBS) $(PROFILE_LIBS) $(CLI_LIBS) -lsystemd -linih -o $@

# --- tests: one program per file ---------------------------------------------------------------------------------
# tests/unit/test_X.c      Criterion, linked with all rooms
# tests/unit/shim_X.c      Criterion, linked with the shim's modules instead (no hooks)
# tests/unit/points_X.c    Criterion, linked with the shim's modules compiled with test points (common/testpoint.h)
# tests/race/X.c           plain program with threads over common/, for ThreadSanitizer
# tests/fuzz/fuzz_X.c      libFuzzer target; tests/fuzz/corpus/X/ is where it starts
# tests/victims/X.c|cc     small programs to be traced; X.so.c becomes a shared object
# tests/bench/X.c          benchmark programs
# tests/tools/kill_at.c    what the daemon with test points is linked with
# tests/tools/*_next*      the daemon and the shim with shared formats of another minor version (common/testnext.h)
# tests/tools/X.so.c       preloads that hold an oracle, linked with the shim's modules

unit    := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
shimu   := $(if $(SAN),,$(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/shim_*.c tests/unit/points_*.c)))
victims := $(patsubst tests/victims/%.c,$(BUILD)/tests/victims/%,$(filter-out %.so.c,$(wildcard tests/victims/*.c))) \
           $(patsubst tests/victims/%.so.c,$(BUILD)/tests/victims/%.so,$(wildcard tests/victims/*.so.c)) \
           $(patsubst tests/victims/%.cc,$(BUILD)/tests/victims/%,$(wildcard tests/victims/*.cc))
race    := $(patsubst tests/race/%.c,$(BUILD)/tests/race/%,$(wildcard tests/race/*.c))
fuzzers := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
benches := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(wildcard tests/bench/*.c))

tools   := $(BUILD)/tests/tools/collectord_points $(BUILD)/tests/tools/collectord_next \
           $(if $(SAN),,$(BUILD)/tests/tools/libheaptap_next.so) $(if $(SAN),,$(patsubst tests/tools/%.so.c,$(BUILD)/tests/tools/%.so,$(wildcard tests/tools/*.so.c)))

.PHONY: tests unit-tests race-tests run-fuzzers
unit-tests: $(unit) $(shimu)
race-tests: $(race)
tests: unit-tests race-tests $(victims) $(benches) $(tools)

# What a fuzzer finds new stays in build/; a crash is worth a file in tests/fuzz/corpus/ and a unit test.
# As many at a time as there are processors.
run-fuzzers: $(fuzzers)
	$(Q)printf '%s\n' $(notdir $(fuzzers)) | xargs -P "$$(nproc)" -I{} sh -c '\
		f={}; mkdir -p $(BUILD)/corpus/$$f tests/fuzz/corpus/$${f#fuzz_}; \
		timeout -s KILL $$(($(T) + 60)) $(BUILD)/tests/fuzz/$$f -max_total_time=$(T) -artifact_prefix=$(BUILD)/$$f. \
			$(BUILD)/corpus/$$f tests/fuzz/corpus/$${f#fuzz_} >$(BUILD)/$$f.log 2>&1 || \
			{ tail -n 60 $(BUILD)/$$f.log; echo "$$f: failed, see $(BUILD)/$$f.log"; exit 1; }; \
		echo "$$f: $$(tail -n 1 $(BUILD)/$$f.log)"'

# The collector's allocations are the test's.
$(BUILD)/tests/unit/test_recover_memory: LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=reallocarray,--wrap=mmap
$(BUILD)/tests/unit/test_%: $(OBJ)/tests/unit/test_%.o $(BUILD)/libcli.a $(BUILD)/libhttp.a $(BUILD)/liblive.a $(BUILD)/libprofile.a $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(HTTP_LIBS) $(LIVE_LIBS) $(PROFILE_LIBS) $(CLI_LIBS) -lcriterion -lpthread -o $@
# They run the built library in real processes.
$(BUILD)/tests/unit/shim_hooks $(BUILD)/tests/unit/shim_company $(BUILD)/tests/unit/shim_cxx: | $(BUILD)/libheaptap.so $(victims)
$(BUILD)/tests/unit/shim_%: $(OBJ)/tests/unit/shim_%.o $(BUILD)/libshim.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -lunwind -ldw -lelf -lcriterion -lpthread -ldl -lm -o $@
# Both ends of one ring: the shim's modules and the collector's drain.
$(BUILD)/tests/unit/shim_paused: $(OBJ)/tests/unit/shim_paused.o $(BUILD)/libshim.a $(BUILD)/liblive.a $(BUILD)/libprofile.a $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIVE_LIBS) $(PROFILE_LIBS) -lcriterion -lpthread -o $@
$(OBJ)/points/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -DHEAPTAP_TEST_POINTS $(ALL_CFLAGS) $(SHIM_CFLAGS) -c $< -o $@
$(BUILD)/libpoints.a: $(patsubst $(OBJ)/shim/%,$(OBJ)/points/%,$(filter-out $(OBJ)/shim/preload/hooks.o $(OBJ)/shim/preload/cxx_hooks.o,$(shim_objs)))
$(BUILD)/tests/unit/points_%: $(OBJ)/tests/unit/points_%.o $(BUILD)/libpoints.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -lcriterion -lpthread -ldl -lm -o $@
# The daemon with test points in what it does for its successor.
$(OBJ)/pointed/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -DHEAPTAP_TEST_POINTS $(ALL_CFLAGS) -c $< -o $@
$(BUILD)/libpointed.a: $(patsubst %.c,$(OBJ)/pointed/%.o,$(wildcard collectord/live/*.c))
$(BUILD)/tests/tools/collectord_points: $(patsubst %.c,$(OBJ)/%.o,$(wildcard collectord/daemon*.c)) $(OBJ)/tests/tools/kill_at.o $(BUILD)/libcli.a $(BUILD)/libhttp.a $(BUILD)/libpointed.a $(BUILD)/libprofile.a $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(HTTP_LIBS) $(LIVE_LIBS) $(PROFILE_LIBS) $(CLI_LIBS) -lsystemd -linih -o $@
# A next version: of all that is shared between processes.
$(OBJ)/next/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -DHEAPTAP_TEST_NEXT $(ALL_CFLAGS) -c $< -o $@
$(OBJ)/next/shim/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -DHEAPTAP_TEST_NEXT $(ALL_CFLAGS) $(SHIM_CFLAGS) -c $< -o $@
$(BUILD)/libnext.a: $(patsubst %.c,$(OBJ)/next/%.o,$(wildcard collectord/live/*.c common/*.c))
$(BUILD)/tests/tools/collectord_next: $(patsubst %.c,$(OBJ)/%.o,$(wildcard collectord/daemon*.c)) $(BUILD)/libcli.a $(BUILD)/libhttp.a $(BUILD)/libnext.a $(BUILD)/libprofile.a $(BUILD)/libnext.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(HTTP_LIBS) $(LIVE_LIBS) $(PROFILE_LIBS) $(CLI_LIBS) -lsystemd -linih -o $@
$(BUILD)/tests/tools/libheaptap_next.so: $(patsubst $(OBJ)/shim/%,$(OBJ)/next/shim/%,$(shim_objs))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(SHIM_LDFLAGS) $^ -o $@
$(BUILD)/tests/race/%: $(OBJ)/tests/race/%.o $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -lpthread -lm -o $@
$(BUILD)/tests/fuzz/%: $(OBJ)/tests/fuzz/%.o $(BUILD)/libshim.a $(BUILD)/liblive.a $(BUILD)/libprofile.a $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $(LDFLAGS) $^ $(LIVE_LIBS) $(PROFILE_LIBS) -o $@
$(BUILD)/tests/victims/%: tests/victims/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -Wall -O1 -g -fno-omit-frame-pointer -fno-builtin -rdynamic $< -lpthread -ldl -lm -o $@
$(BUILD)/tests/victims/%: tests/victims/%.cc
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=c++17 -fsized-deallocation -Wall -O1 -g -fno-builtin $< -lpthread -ldl -o $@
$(BUILD)/tests/victims/%.so: tests/victims/%.so.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -Wall -O1 -g -fno-builtin -fPIC -shared $< -o $@
$(BUILD)/tests/bench/bench_drain: $(OBJ)/tests/bench/bench_drain.o $(BUILD)/liblive.a $(BUILD)/libprofile.a $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIVE_LIBS) $(PROFILE_LIBS) -o $@
$(BUILD)/tests/bench/%: tests/bench/%.c $(BUILD)/libshim.a
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -Wall -O2 -g -fno-omit-frame-pointer -I. -D_GNU_SOURCE -fno-builtin $^ -lunwind -lpthread -ldl -lm -o $@
$(BUILD)/tests/tools/%.so: tests/tools/%.so.c $(BUILD)/libshim.a
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -Wall -O1 -g -I. -D_GNU_SOURCE -fPIC -shared -fvisibility=hidden -fno-builtin $^ -lgcc_s -o $@

.PRECIOUS: $(OBJ)/%.o $(OBJ)/shim/%.o $(GEN)/profile.pb-c.c
-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

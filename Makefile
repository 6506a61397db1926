# heaptap: one Makefile, no recursion.  `make help` lists targets and knobs.
#
# Folders become objects by wildcard: a new .c file needs no line here.  common/ is compiled twice, once with the
# shim's flags and once with the collector's.  SAN=… builds into its own tree, without the shim: sanitizers own malloc.

CC      ?= gcc
PREFIX  ?= /usr/local
DESTDIR ?=
SAN     ?=
T       ?= 60
V       ?=

comma := ,
BUILD := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
OBJ   := $(BUILD)/obj
GEN   := build/gen
Q     := $(if $(V),,@)

VERSION := 0.1.0
ARCH    := $(shell $(CC) -dumpmachine 2>/dev/null | cut -d- -f1)

CFLAGS   ?= -O2 -g
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 \
            -Wno-gnu-zero-variadic-macro-arguments $(if $(CI)$(WERROR),-Werror)
CPPFLAGS += -I. -I$(GEN) -D_GNU_SOURCE -DHEAPTAP_VERSION='"$(VERSION)"'
ALL_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) -MMD -MP $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)

# What runs inside other people's programs: no builtin idioms that could call malloc, no dynamic TLS, no canaries.
SHIM_CFLAGS := -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-builtin -fno-tree-loop-distribute-patterns \
               -fno-stack-protector -U_FORTIFY_SOURCE -fexceptions -fasynchronous-unwind-tables
SHIM_LDFLAGS := -shared -Wl,-soname,libheaptap.so -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -Wl,-z,defs -Wl,--as-needed

objs = $(patsubst %.c,$(OBJ)/%.o,$(wildcard $1/*.c))
shim_objs = $(patsubst %.c,$(OBJ)/shim/%.o,$(wildcard common/*.c preload/*.c))

PROFILE_LIBS := -ldw -lelf -liberty -lmsgpackc -lprotobuf-c -lz
LIVE_LIBS    := -luring
CLI_LIBS     := -lm

.PHONY: all quickstart check check-unit check-e2e lint format bench install clean help fuzz deb deps-build deps-test
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

## make check-unit            only the unit tests (works with SAN=…)
check-unit: unit-tests
	$(Q)tests/run --build $(BUILD) unit

## make check-e2e             only the end-to-end tests
check-e2e: all tests
	$(Q)tests/run --build $(BUILD) e2e

## make lint                  includes, symbols, formats, static analysis
lint: deps-test
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/lint $(BUILD)

## make format                rewrite sources in the house style
format:
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')

## make bench                 timings as ratios to the bare program; never part of check
bench: all tests
	$(Q)tests/bench/run $(BUILD)

## make install               PREFIX=/usr/local DESTDIR=
install: all
	$(Q)scripts/install '$(BUILD)' '$(DESTDIR)$(PREFIX)'

## make clean                 remove build/
clean:
	$(Q)rm -rf build

## make help                  this list
help:
	@sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST))
	@echo "knobs: SAN=address,undefined|thread  V=1  CC=clang  CFLAGS=…  WERROR=1"

deps-build:
	$(Q)scripts/install-deps build

deps-test:
	$(Q)scripts/install-deps build test

# --- the shim: common/ and preload/ with their own flags ---------------------------------------------------------

$(OBJ)/shim/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(filter-out -fsanitize=% -fno-sanitize-recover=%,$(ALL_CFLAGS)) $(SHIM_CFLAGS) -c $< -o $@

$(BUILD)/libheaptap.so: $(shim_objs)
	$(Q)$(CC) $(CFLAGS) $(SHIM_LDFLAGS) $^ -o $@

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
$(BUILD)/libcli.a: $(filter-out $(OBJ)/collectord/cli/main.o,$(call objs,collectord/cli))
# The shim's modules but its exported hooks, for unit tests.
$(BUILD)/libshim.a: $(filter-out $(OBJ)/shim/preload/hooks.o,$(shim_objs))

$(BUILD)/heaptap: $(OBJ)/collectord/cli/main.o $(BUILD)/libcli.a $(BUILD)/liblive.a $(BUILD)/libprofile.a $(BUILD)/libcommon.a
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIVE_LIBS) $(PROFILE_LIBS) $(CLI_LIBS) -o $@
$(BUILD)/heaptap-collectord: $(OBJ)/collectord/daemon.o $(BUILD)/liblive.a $(BUILD)/libprofile.a $(BUILD)/libcommon.a
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIVE_LIBS) $(PROFILE_LIBS) -o $@

# --- tests: one program per file ---------------------------------------------------------------------------------
# tests/unit/test_X.c      Criterion, linked with all rooms
# tests/unit/shim_X.c      Criterion, linked with the shim's modules instead (no hooks)
# tests/victims/X.c|cc     small programs to be traced; X.so.c becomes a shared object
# tests/bench/X.c          benchmark programs

unit    := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
shimu   := $(if $(SAN),,$(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/shim_*.c)))
victims := $(patsubst tests/victims/%.c,$(BUILD)/tests/victims/%,$(filter-out %.so.c,$(wildcard tests/victims/*.c))) \
           $(patsubst tests/victims/%.so.c,$(BUILD)/tests/victims/%.so,$(wildcard tests/victims/*.so.c)) \
           $(patsubst tests/victims/%.cc,$(BUILD)/tests/victims/%,$(wildcard tests/victims/*.cc))
benches := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(wildcard tests/bench/*.c))

.PHONY: tests unit-tests
unit-tests: $(unit) $(shimu)
tests: unit-tests $(victims) $(benches)

$(BUILD)/tests/unit/test_%: $(OBJ)/tests/unit/test_%.o $(BUILD)/libcli.a $(BUILD)/liblive.a $(BUILD)/libprofile.a $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIVE_LIBS) $(PROFILE_LIBS) $(CLI_LIBS) -lcriterion -lpthread -o $@
$(BUILD)/tests/unit/shim_%: $(OBJ)/tests/unit/shim_%.o $(BUILD)/libshim.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -lunwind -lcriterion -lpthread -ldl -lm -o $@
$(BUILD)/tests/victims/%: tests/victims/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -Wall -O1 -g -fno-omit-frame-pointer -fno-builtin -rdynamic $< -lpthread -ldl -o $@
$(BUILD)/tests/victims/%: tests/victims/%.cc
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=c++17 -Wall -O1 -g -fno-builtin $< -lpthread -ldl -o $@
$(BUILD)/tests/victims/%.so: tests/victims/%.so.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -Wall -O1 -g -fno-builtin -fPIC -shared $< -o $@
$(BUILD)/tests/bench/%: tests/bench/%.c $(BUILD)/libshim.a
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -Wall -O2 -g -I. -D_GNU_SOURCE -fno-builtin $^ -lunwind -lpthread -ldl -lm -o $@

.PRECIOUS: $(OBJ)/%.o $(OBJ)/shim/%.o $(GEN)/profile.pb-c.c
-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

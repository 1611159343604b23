# One makefile for everything.  `make help` lists the targets.
#
#   BUILD=dir                 where objects go (default: build)
#   SAN=address,undefined     instrumented build, beside the plain one
#   WERROR=1                  warnings are errors (as CI builds)
#   V=1                       show the commands
#   T=store                   unit, fuzz: only tests/unit/test_store*.c, tests/fuzz/fuzz_store*.c;
#                             conformance: one area

BUILD ?= build
# So many labs at once for the cluster tests: most of their time they wait.
LABS ?= 2
# One spelling of one place: what a compiler noted of headers names its objects by it.
override BUILD := $(patsubst $(CURDIR)/%,%,$(abspath $(BUILD)))
# As many jobs as processors, unless the command says otherwise.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
PYTHON := /usr/bin/python3
CCACHE := $(shell command -v ccache 2>/dev/null)
PKG_CONFIG ?= pkg-config

# Layers in order: each may use those before it, except that nodeagent and
# controlplane never see each other (ARCH.md holds the rule, `make lint` checks it).
LAYERS := base storage cel api net nodeagent controlplane client cmd
UP_TO_base := base
UP_TO_storage := storage $(UP_TO_base)
UP_TO_cel := cel $(UP_TO_base)
UP_TO_api := api cel $(UP_TO_storage)
UP_TO_net := net $(UP_TO_api)
UP_TO_nodeagent := nodeagent $(UP_TO_net)
UP_TO_controlplane := controlplane $(UP_TO_net)
UP_TO_client := client $(UP_TO_api)
UP_TO_cmd := cmd client controlplane $(UP_TO_nodeagent)

PKGS := libuv yaml-0.1 jansson libmicrohttpd gnutls sqlite3 libcurl libarchive ldns zlib libpcre2-8
comma := ,
OUT := $(BUILD)$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
GEN := $(BUILD)/gen

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
        -Wpointer-arith -Wwrite-strings -Wcast-qual -Wformat=2 -Wundef -Wvla -Wconversion \
        -Wno-sign-conversion -Wimplicit-fallthrough $(if $(WERROR),-Werror)
OPT := $(if $(SAN),-O1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=undefined,-O2 -D_FORTIFY_SOURCE=2)
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
CPPFLAGS += -D_GNU_SOURCE -I. -I$(GEN) $(PKG_CFLAGS)
CFLAGS ?= -g
FLAGS = -std=gnu11 $(CFLAGS) $(OPT) $(WARN) -fvisibility=hidden -fstack-protector-strong -pthread
LDFLAGS += -pthread -Wl,--as-needed $(if $(SAN),-fsanitize=$(SAN))
# Sanitizers intercept crypt_r, for which --as-needed takes them to be its home.
LIBCRYPT := -Wl,--push-state,--no-as-needed -lcrypt -Wl,--pop-state
LIBS := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lhttp_parser $(LIBCRYPT) -lm

ifeq ($(V),)
Q := @
say = @printf '  %-7s %s\n' $(1) $(2)
endif

# --- sources ---------------------------------------------------------------

sources = $(sort $(wildcard $(1)/*.c $(1)/*/*.c $(1)/*/*/*.c))
object = $(patsubst %.c,$(OUT)/obj/%.o,$(1))
archives = $(patsubst %,$(OUT)/lib%.a,$(1))
# The layer of a test is said in its first line: /* layer: api */
layer_of = $(or $(filter $(LAYERS),$(shell sed -n '1s/.*layer: *\([a-z]*\).*/\1/p' $(1))),base)

$(foreach l,$(LAYERS),$(eval SRC_$(l) := $(call sources,$(l))))
SRC_cmd := $(filter-out cmd/main.c,$(SRC_cmd))
MAIN := $(wildcard cmd/main.c)
# Helpers of tests too: a fixture of a high layer is not built for the tests of a low one.
$(foreach l,$(LAYERS),$(eval SRC_testlib-$(l) := \
    $(foreach s,$(call sources,tests/lib),$(if $(filter $(l),$(call layer_of,$(s))),$(s)))))
test_archives = $(call archives,$(addprefix testlib-,$(UP_TO_$(1))) $(UP_TO_$(1)))
UNIT_SRC := $(sort $(wildcard tests/unit/test_$(T)*.c))
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(OUT)/unit/%)
SIM_SRC := $(call sources,tests/sim)
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_$(T)*.c))
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(OUT)/fuzz/%)

# --- targets ---------------------------------------------------------------

.PHONY: systems systems-quick vm all help libs unit unit-san sim cluster conformance clients check up down demo bench lint format fuzz fuzz-bins \
        deps clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:

all: $(if $(MAIN),$(OUT)/mkube,libs)

help:
	@echo 'make          the binary: $(BUILD)/mkube'
	@echo 'make unit     unit tests (T=store: only test_store*)'
	@echo 'make sim      the control plane in the simulator'
	@echo 'make cluster  tests against real clusters in the lab (root)'
	@echo 'make conformance  what stands of the behaviours of Kubernetes'"'"' conformance suite (root; T=rq: one area)'
	@echo 'make clients  kubectl, helm, Python, JavaScript, Go against it'
	@echo 'make systems  the five systems as their owners deploy them (root; half an hour)'
	@echo 'make check    all of these but the last, units under the sanitizers'
	@echo 'make up/down  a three-host cluster on this machine with the hello example'
	@echo 'make vm       a host of Debian 12 with systemd and control groups v2, under qemu (root)'
	@echo 'make bench    measure; make fuzz; make lint; make format; make deps; make clean'

libs: $(call archives,$(filter-out cmd,$(LAYERS)))

# Sources that come from data: api/schema/*.txt -> const tables.
ifneq ($(wildcard api/schema/gen.py),)
$(GEN)/schema_tables.c $(GEN)/schema_ids.h &: api/schema/gen.py $(wildcard api/schema/*.txt)
	$(call say,GEN,$(GEN)/schema_tables.c)
	@mkdir -p $(GEN)
	$(Q)$(PYTHON) api/schema/gen.py api/schema/k8s.txt api/schema/foreign.txt api/schema/always.txt $(GEN)
$(OUT)/obj/gen/schema_tables.o: $(GEN)/schema_tables.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CC) $(CPPFLAGS) $(FLAGS) -MMD -MP -c -o $@ $<
GEN_OBJ := $(OUT)/obj/gen/schema_tables.o
GEN_HEADERS := $(GEN)/schema_ids.h
endif

# What /version says of this build: the commit and its time, so that the same sources make the same binary.
GEN_HEADERS += $(GEN)/build_info.h
$(GEN)/build_info.h: FORCE
	@mkdir -p $(@D)
	@TZ=UTC git -c safe.directory='*' show -s --format='#define BUILD_COMMIT "%H"%n#define BUILD_DATE "%cd"' \
	    --date=format-local:%Y-%m-%dT%H:%M:%SZ HEAD > $@.new 2> /dev/null || \
	    printf '#define BUILD_COMMIT "unknown"\n#define BUILD_DATE "1970-01-01T00:00:00Z"\n' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(OUT)/obj/%.o: %.c | $(GEN_HEADERS)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CC) $(CPPFLAGS) $(FLAGS) -MMD -MP -c -o $@ $<

# One archive per layer.  The list of members is a prerequisite too, so that a removed or
# renamed source does not live on in an old archive.
define layer_rule
$(OUT)/lib$(1).a: $(call object,$(SRC_$(1))) $(2) $(OUT)/obj/$(1).members
	$(if $(SRC_$(1)),$$(call say,AR,$$@))
	@rm -f $$@
	$$(Q)ar rcs $$@ $$(filter %.o,$$^)
$(OUT)/obj/$(1).members: FORCE
	@mkdir -p $$(@D)
	@echo '$(SRC_$(1))' | cmp -s - $$@ || echo '$(SRC_$(1))' > $$@
endef
$(foreach l,$(LAYERS) $(addprefix testlib-,$(LAYERS)),$(eval $(call layer_rule,$(l),$(if $(filter api,$(l)),$(GEN_OBJ)))))

$(OUT)/mkube: $(call object,$(MAIN)) $(call archives,$(UP_TO_cmd))
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

# A test links its own layer and those below, so that a layer under construction does not
# keep the lower ones from being tested.
define test_rule
$(OUT)/unit/$(1): $(OUT)/obj/tests/unit/$(1).o $(call test_archives,$(2))
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LIBS) -lcmocka
endef
$(foreach s,$(UNIT_SRC),$(eval $(call test_rule,$(basename $(notdir $(s))),$(call layer_of,$(s)))))

unit: $(UNIT_BIN)
	@tests/run.sh $(OUT) unit $(UNIT_BIN)

unit-san:
	@$(MAKE) --no-print-directory SAN=address,undefined unit

# One seed is one history: clock and randomness lead to the simulator's own (tests/sim/wrap.c).
SIM_WRAP := -Wl,--wrap=bits_random,--wrap=clock_mono_ms,--wrap=clock_wall_ms
$(OUT)/sim: $(call object,$(SIM_SRC)) $(call test_archives,controlplane)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $(SIM_WRAP) -o $@ $^ $(LIBS) -lcmocka

sim: $(if $(SIM_SRC),$(OUT)/sim)
	@$(if $(SIM_SRC),tests/run.sh $(OUT) sim $(OUT)/sim,echo 'sim: no simulator yet')
	@$(if $(SIM_SRC),tests/run.sh $(OUT) cron $(OUT)/sim --days 1 --seeds 4)
	@$(if $(SIM_SRC),tests/run.sh $(OUT) bugs tests/sim/bugs.sh $(abspath $(OUT)))

cluster: all
	@$(if $(wildcard tests/cluster/*.py),tests/run.sh $(OUT) cluster $(PYTHON) tests/lib/stage.py $(OUT)/log/cluster/outcomes.json $(LABS) tests/cluster,echo 'cluster: no tests yet')

# Kubernetes' conformance suite, written anew: N of 408.  T=rq: one area.
conformance: all
	@tests/run.sh $(OUT) conformance tests/conformance/run $(OUT) $(LABS) $(T)

# Programs that others wrote.  M='not packages': only what needs no packages of npm, Go and helm.
clients: all
	@tests/run.sh $(OUT) clients $(PYTHON) -m pytest -q -rs -n $(LABS) --dist loadgroup $(if $(M),-m '$(M)') tests/clients

# One of the five systems, from our own manifests, without the power cuts.
systems-quick: all
	@tests/run.sh $(OUT) systems $(PYTHON) -m pytest -q -rs tests/systems/test_swap_reporting.py -m 'not slow' -k own

# The five systems as their owners deploy them: half an hour.  T=swap_reporting: one of them.
systems: all
	@tests/run.sh $(OUT) systems $(PYTHON) -m pytest -q -rs tests/systems$(if $(T),/test_$(T).py)

# A machine of its own under qemu: minutes, since its processor is emulated.  T=memory: only tests of that name.
vm: all
	@tests/deps.sh vm
	@tests/run.sh $(OUT) vm tests/vm/run $(VM_FLAGS) $(T)

check: deps
	@$(MAKE) --no-print-directory unit-san
	@$(MAKE) --no-print-directory all sim
	@$(MAKE) --no-print-directory cluster
	@$(MAKE) --no-print-directory conformance
	@$(MAKE) --no-print-directory clients M='not packages'
	@$(MAKE) --no-print-directory systems-quick

# A make of its own: this one asked pkg-config before there was one.
up: deps
	@$(MAKE) --no-print-directory all
	@tests/lab/lab up
	@if [ -x examples/hello/up.sh ]; then examples/hello/up.sh; fi

down:
	@tests/lab/lab down

bench: all
	@tests/deps.sh bench
	@$(PYTHON) tests/bench/bench.py

# libFuzzer needs clang; its objects live beside ours.
fuzz:
	@$(MAKE) --no-print-directory CC=clang SAN=fuzzer-no-link,address,undefined fuzz-bins
	@tests/fuzz/run.sh $(BUILD)/san-fuzzer-no-link-address-undefined/fuzz $(or $(SECONDS_EACH),20)

define fuzz_rule
$(OUT)/fuzz/$(1): $(OUT)/obj/tests/fuzz/$(1).o $(call archives,$(UP_TO_$(2)))
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) -fsanitize=fuzzer -o $$@ $$^ $$(LIBS)
endef
$(foreach s,$(FUZZ_SRC),$(eval $(call fuzz_rule,$(basename $(notdir $(s))),$(call layer_of,$(s)))))
fuzz-bins: $(FUZZ_BIN)

lint: $(GEN_HEADERS)
	@CC='$(CC)' CPPFLAGS='$(CPPFLAGS)' tests/lint/lint

format:
	@clang-format -i $$(git ls-files --cached --others --exclude-standard '*.c' '*.h')

deps:
	@tests/deps.sh build lab test

clean:
	@rm -rf $(BUILD)

FORCE:

-include $(shell find $(OUT)/obj -name '*.d' 2>/dev/null)

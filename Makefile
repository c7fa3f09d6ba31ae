# SPDX-License-Identifier: Apache-2.0
# One file, one output folder. V=1 shows commands, DEV=1 adds -Werror and sanitizers.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:

VERSION := 0.1.0
BUILD ?= build
prefix ?= /usr/local
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
Q := $(if $(V),,@)

WARNINGS := -Wall -Wextra -Wshadow -Wformat=2 -Wmissing-prototypes -Wstrict-prototypes -Wtype-limits \
	-Wpointer-arith -Wvla -Wwrite-strings -fno-common
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 $(WARNINGS) -D_GNU_SOURCE -DABIDRIFT_VERSION='"$(VERSION)"' -I. -I$(BUILD) \
	-fstack-protector-strong -fPIE $(CPPFLAGS) $(CFLAGS) -MMD -MP
ifdef DEV
BUILD := build/dev
# UBSan traps, so that ASan, which knows where reports go, tells of it too.
# At -O1 GCC guesses less of lengths: cut texts are looked at in the other build.
CFLAGS := -O1 -g -Werror -Wno-error=format-truncation -fsanitize=address,undefined -fsanitize-undefined-trap-on-error -fno-omit-frame-pointer
endif
LDFLAGS += -pie -Wl,-z,relro,-z,now
BPF_CFLAGS := -target bpf -D__TARGET_ARCH_x86 -O2 -g -Wall -Wextra -Wno-unused-parameter -I. -Ibpf -mcpu=v2 \
	-ffile-prefix-map=$(CURDIR)=.

# Rooms of the house, in the order in which data flows; each is a library, and a library sees only those before it.
PURE := base stream abi fingerprint drift
ROOMS := $(PURE) store collect notify serve
LIBS := $(ROOMS:%=$(BUILD)/lib%.a)
sources = $(wildcard userspace/$(1)/*.c)
objects = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
MAIN_SOURCES := $(wildcard userspace/*.c userspace/commands/*.c)
MAIN_OBJECTS := $(MAIN_SOURCES:%.c=$(BUILD)/%.o)

PURE_LIBS := -ljansson -lcrypto -linih -lz
STORE_LIBS := -lsqlite3 $(PURE_LIBS)
ALL_LIBS := -lbpf -lelf -lz -lsystemd -lsmartcols -lcurl -larchive -lmicrohttpd -lgnutls -lssl $(STORE_LIBS)

all: $(BUILD)/abidrift

# ---- kernel side
BPF_SOURCES := $(wildcard bpf/*.bpf.c)
BPF_OBJECTS := $(BPF_SOURCES:%.c=$(BUILD)/%.o)
$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) Makefile
	@mkdir -p $(@D)
	@echo "  BPF     $@"
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
$(BUILD)/bpf/abidrift.linked.o: $(BPF_OBJECTS)
	@echo "  BPFLINK $@"
	$(Q)$(BPFTOOL) gen object $@ $^
$(BUILD)/bpf/abidrift.skel.h: $(BUILD)/bpf/abidrift.linked.o
	@echo "  SKEL    $@"
	$(Q)$(BPFTOOL) gen skeleton $< name abidrift_bpf > $@

# ---- userspace
$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@
$(call objects,collect): | $(BUILD)/bpf/abidrift.skel.h
# The review page, where npm is: PAGE=yes fails without it, PAGE=no leaves it out.
PAGE ?= auto
REVIEW := dashboards/review
# Made anew where another one is wanted, or npm came or went.
$(BUILD)/review/wanted: always
	@mkdir -p $(@D)
	@wanted="$(PAGE) $$(command -v npm)"; echo "$$wanted" | cmp -s - $@ || echo "$$wanted" >$@
$(BUILD)/review/done: $(BUILD)/review/wanted $(REVIEW)/build $(wildcard $(REVIEW)/*.json $(REVIEW)/*.html $(REVIEW)/*.svg $(REVIEW)/src/* $(REVIEW)/src/*/*)
	@echo "  REVIEW  $(@D)"
	$(Q)$(REVIEW)/build $(@D) $(PAGE)
	@touch $@
$(BUILD)/userspace/serve/review.o: $(BUILD)/review/done
always:
define room_rule
$(BUILD)/lib$(1).a: $(call objects,$(1))
	@rm -f $$@
	$(Q)ar rcs $$@ $$^
endef
$(foreach room,$(ROOMS),$(eval $(call room_rule,$(room))))

reverse = $(if $(1),$(call reverse,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
$(BUILD)/abidrift: $(MAIN_OBJECTS) $(LIBS)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(MAIN_OBJECTS) $(call reverse,$(LIBS)) $(ALL_LIBS)

# tests/mutate links them once more, and make would take them for intermediate.
.SECONDARY: $(patsubst tests/%.c,$(BUILD)/tests/%.o,$(wildcard tests/unit/test_*.c))

# ---- unit tests: pure ones link the pure rooms and nothing else, so that the linker keeps the rule
UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
UNIT_TESTS := $(UNIT_SOURCES:%.c=$(BUILD)/%)
PURE_ARCHIVES := $(call reverse,$(PURE:%=$(BUILD)/lib%.a))
$(BUILD)/tests/unit/test_store%: $(BUILD)/tests/unit/test_store%.o $(BUILD)/libstore.a $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(STORE_LIBS)
$(BUILD)/tests/unit/test_metrics%: $(BUILD)/tests/unit/test_metrics%.o $(BUILD)/libserve.a $(BUILD)/libstore.a $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(STORE_LIBS)
$(BUILD)/tests/unit/test_collect%: $(BUILD)/tests/unit/test_collect%.o $(BUILD)/libcollect.a $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka -lbpf -lelf -lz $(PURE_LIBS)
$(BUILD)/tests/unit/test_notify%: $(BUILD)/tests/unit/test_notify%.o $(BUILD)/libnotify.a $(BUILD)/libstore.a $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka -lsystemd -lcurl -lgnutls $(STORE_LIBS)
$(BUILD)/tests/unit/test_config: $(BUILD)/tests/unit/test_config.o $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka -linih
$(BUILD)/tests/unit/test_options: $(BUILD)/tests/unit/test_options.o $(BUILD)/userspace/commands/options.o $(BUILD)/libbase.a
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka
$(BUILD)/tests/unit/test_syslog_message: $(BUILD)/tests/unit/test_syslog_message.o $(BUILD)/userspace/notify/syslog_message.o $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(PURE_LIBS)
$(BUILD)/tests/unit/test_http_clients: $(BUILD)/tests/unit/test_http_clients.o $(BUILD)/userspace/serve/http_clients.o
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka
ANALYST_OBJECTS := $(patsubst %,$(BUILD)/userspace/%.o,alert analyst blind judge lives maintenance skips status)
$(BUILD)/tests/unit/test_analyst: $(BUILD)/tests/unit/test_analyst.o $(ANALYST_OBJECTS) $(BUILD)/libstore.a $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(STORE_LIBS)
WATCH_OBJECTS := $(patsubst %,$(BUILD)/userspace/%.o,alert blind watch)
$(BUILD)/tests/unit/test_watch: $(BUILD)/tests/unit/test_watch.o $(WATCH_OBJECTS) $(BUILD)/libstore.a $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(STORE_LIBS)
SANDBOX_OBJECTS := $(patsubst %,$(BUILD)/userspace/%.o,sandbox sandbox_calls sandbox_filter sandbox_landlock)
$(BUILD)/tests/unit/test_sandbox: $(BUILD)/tests/unit/test_sandbox.o $(SANDBOX_OBJECTS) $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(PURE_LIBS)
KEEPER_OBJECTS := $(patsubst %,$(BUILD)/userspace/%.o,alert blind keeper)
$(BUILD)/tests/unit/test_keeper: $(BUILD)/tests/unit/test_keeper.o $(KEEPER_OBJECTS) $(BUILD)/libstore.a $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(STORE_LIBS)
$(BUILD)/tests/unit/test_%: $(BUILD)/tests/unit/test_%.o $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(PURE_LIBS)
# BPF tests (test-run) and the benchmark load the real object.
BPF_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bpf/test_*.c) $(filter-out %.bpf.c,$(wildcard tests/bench/*.c)))
$(BUILD)/tests/bpf/%: $(BUILD)/tests/bpf/%.o $(BUILD)/libcollect.a $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka -lbpf -lelf -lz $(PURE_LIBS)
$(BUILD)/tests/bench/replay_pass: $(BUILD)/tests/bench/replay_pass.o $(ANALYST_OBJECTS) $(BUILD)/libstore.a $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(STORE_LIBS)
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/libcollect.a $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lbpf -lelf -lz $(PURE_LIBS)
$(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bpf/*.c tests/bench/*.c)): | $(BUILD)/bpf/abidrift.skel.h
$(BUILD)/tests/bench/%.bpf.o: tests/bench/%.bpf.c $(wildcard bpf/*.h) Makefile
	@mkdir -p $(@D)
	@echo "  BPF     $@"
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
$(BUILD)/tests/bench/cost.skel.h: $(BUILD)/tests/bench/cost.bpf.o
	@echo "  SKEL    $@"
	$(Q)$(BPFTOOL) gen skeleton $< name cost_bpf > $@
$(BUILD)/tests/bench/kernel_cost.o $(BUILD)/tests/bench/bare_programs.o: $(BUILD)/tests/bench/cost.skel.h
# The micro-VMM runs inside hosts of other distributions: static.
$(BUILD)/tests/live/microvmm: tests/live/microvmm.c Makefile
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) -std=gnu11 $(WARNINGS) -D_GNU_SOURCE -O2 -g -static -pthread -o $@ $<
# Preloaded: make a process's arguments slow to read; set its clock.
$(BUILD)/tests/live/slow_arguments.so $(BUILD)/tests/live/clock_steps.so: $(BUILD)/tests/live/%.so: tests/live/%.c Makefile
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) -std=gnu11 $(WARNINGS) -D_GNU_SOURCE -O2 -g -fPIC -shared -o $@ $< -ldl
# Makes a process's calls fail.
$(BUILD)/tests/fault/fail.so: tests/fault/fail.c Makefile
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) -std=gnu11 $(WARNINGS) -D_GNU_SOURCE -O2 -g -fPIC -shared -pthread -o $@ $< -ldl
# Refuses a process what it asks of bpf(2).
$(BUILD)/tests/live/refuse.so: tests/live/refuse.c Makefile
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) -std=gnu11 $(WARNINGS) -D_GNU_SOURCE -O2 -g -fPIC -shared -o $@ $< -ldl
# Makes a process perform a system call.
$(BUILD)/tests/live/inject: tests/live/inject.c Makefile
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) -std=gnu11 $(WARNINGS) -D_GNU_SOURCE -O2 -g -o $@ $<
# Prints what is read from one definition block.
$(BUILD)/tests/live/amldump: $(BUILD)/tests/live/amldump.o $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PURE_LIBS)
# Prints the metrics of a store.
$(BUILD)/tests/live/metricsdump: $(BUILD)/tests/live/metricsdump.o $(BUILD)/libserve.a $(BUILD)/libstore.a $(PURE_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(STORE_LIBS)
# abidrift as it is where there is no npm.
$(BUILD)/no-page/review/done: $(REVIEW)/build
	$(Q)$(REVIEW)/build $(@D) no
	@touch $@
$(BUILD)/no-page/review.o: userspace/serve/review.c $(BUILD)/no-page/review/done Makefile
	@echo "  CC      $@"
	$(Q)$(CC) -I$(BUILD)/no-page $(ALL_CFLAGS) -c $< -o $@
$(BUILD)/no-page/abidrift: $(MAIN_OBJECTS) $(BUILD)/no-page/review.o $(LIBS)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(MAIN_OBJECTS) $(BUILD)/no-page/review.o $(call reverse,$(LIBS)) $(ALL_LIBS)
# abidrift by other rules, linked instead of its own: a store goes from the one to the other and back.
OTHER_RULES := cpuid ports memory pci msr numa
OTHER_NUMBER := userspace/judge userspace/store/revision userspace/serve/side userspace/commands/version
OTHER_OBJECTS := $(OTHER_NUMBER:%=$(BUILD)/other/%.o)
$(OTHER_OBJECTS): $(BUILD)/other/%.o: %.c tests/stores/other_rules.h Makefile
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(ALL_CFLAGS) -include tests/stores/other_rules.h -c $< -o $@
$(BUILD)/tests/stores/other_rules: $(OTHER_OBJECTS) $(BUILD)/tests/stores/other_rules.o $(MAIN_OBJECTS) $(LIBS)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(OTHER_RULES:%=-Wl,--wrap=%_derive) -o $@ $(OTHER_OBJECTS) $(BUILD)/tests/stores/other_rules.o \
		$(filter-out $(OTHER_NUMBER:%=$(BUILD)/%.o),$(MAIN_OBJECTS)) $(call reverse,$(LIBS)) $(ALL_LIBS)
$(BUILD)/tests/hosts/guest_kexec: tests/hosts/guest_kexec.c Makefile
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) -std=gnu11 $(WARNINGS) -D_GNU_SOURCE -O2 -g -static -o $@ $<

# ---- fuzzing: everything once more by clang, under ASan and UBSan, with libFuzzer's main
FUZZ_SOURCES := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_TARGETS := $(FUZZ_SOURCES:tests/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZ_CFLAGS = -std=gnu11 $(WARNINGS) -Wno-format-nonliteral -D_GNU_SOURCE -DABIDRIFT_VERSION='"$(VERSION)"' -I. -I$(BUILD) -O1 -g -MMD -MP \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
fuzz_objects = $(patsubst %.c,$(BUILD)/fuzz/%.o,$(call sources,$(1)))
define fuzz_room_rule
$(BUILD)/fuzz/lib$(1).a: $(call fuzz_objects,$(1))
	@rm -f $$@
	$(Q)ar rcs $$@ $$^
endef
FUZZ_ROOMS := $(PURE) collect store serve
$(foreach room,$(FUZZ_ROOMS),$(eval $(call fuzz_room_rule,$(room))))
$(call fuzz_objects,collect): | $(BUILD)/bpf/abidrift.skel.h
$(BUILD)/fuzz/userspace/serve/review.o: $(BUILD)/review/done
$(BUILD)/fuzz/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  FUZZCC  $@"
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -c $< -o $@
$(FUZZ_TARGETS): $(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/tests/fuzz/fuzz_%.o $(call reverse,$(FUZZ_ROOMS:%=$(BUILD)/fuzz/lib%.a))
	@echo "  LINK    $@"
	$(Q)$(CLANG) -g -fsanitize=fuzzer,address,undefined -o $@ $^ $(ALL_LIBS)
fuzz-build: $(FUZZ_TARGETS)

tests-programs: $(UNIT_TESTS) $(BPF_TESTS) $(BUILD)/tests/live/microvmm $(BUILD)/tests/live/slow_arguments.so $(BUILD)/tests/live/clock_steps.so $(BUILD)/tests/fault/fail.so $(BUILD)/tests/live/refuse.so $(BUILD)/tests/live/inject $(BUILD)/tests/live/amldump $(BUILD)/tests/live/metricsdump $(BUILD)/tests/stores/other_rules $(BUILD)/tests/hosts/guest_kexec $(BUILD)/abidrift $(BUILD)/no-page/abidrift
tests-build: fuzz-build tests-programs

# ---- what is installed. Manual pages and completion are made from what the program says of itself.
bindir ?= $(prefix)/bin
datadir ?= $(prefix)/share
mandir ?= $(datadir)/man
docdir ?= $(datadir)/doc/abidrift
# Where the program looks for its settings, whatever the prefix.
sysconfdir := /etc
libdir ?= $(prefix)/lib
unitdir ?= $(libdir)/systemd/system
INSTALL ?= install
INSTALL_DATA = $(INSTALL) -D -m 644 -t
DASHBOARDS := dashboards/grafana dashboards/prometheus dashboards/alertmanager
$(BUILD)/pages: $(BUILD)/abidrift packaging/pages packaging/completion.bash $(wildcard packaging/man/*.md docs/*.md)
	@echo "  PAGES   $@"
	@rm -rf $@ $@.new
	$(Q)packaging/pages $(BUILD)/abidrift $@.new
	@mv $@.new $@
	@touch $@
pages: $(BUILD)/pages
tests-build: pages
# Units hold the program's place; all else is copied as it is.
UNITS := $(wildcard packaging/systemd/*.service* packaging/systemd/*.socket*)
STAGE := $(BUILD)/stage
# The tree as it will be installed: what install copies and uninstall removes, so that each undoes the other.
stage: all pages
	$(Q)rm -rf $(STAGE)
	$(Q)$(INSTALL) -D -m 755 -t $(STAGE)$(bindir) $(BUILD)/abidrift
	$(Q)$(INSTALL_DATA) $(STAGE)$(mandir)/man1 $(BUILD)/pages/man/man1/*
	$(Q)$(INSTALL_DATA) $(STAGE)$(mandir)/man5 $(BUILD)/pages/man/man5/*
	$(Q)$(INSTALL_DATA) $(STAGE)$(datadir)/bash-completion/completions $(BUILD)/pages/completion/abidrift
	$(Q)$(INSTALL) -d -m 755 $(STAGE)$(unitdir) $(STAGE)$(sysconfdir)/abidrift/abidrift.conf.d
	$(Q)for unit in $(UNITS); do sed 's|@bindir@|$(bindir)|g' "$$unit" > $(STAGE)$(unitdir)/$$(basename "$$unit" .in) || exit; done
	$(Q)chmod 644 $(STAGE)$(unitdir)/*
	$(Q)$(INSTALL) -D -m 644 packaging/systemd/abidrift.sysusers $(STAGE)$(libdir)/sysusers.d/abidrift.conf
	$(Q)$(INSTALL) -D -m 644 packaging/systemd/abidrift.tmpfiles $(STAGE)$(libdir)/tmpfiles.d/abidrift.conf
	$(Q)$(INSTALL_DATA) $(STAGE)$(libdir)/systemd/catalog packaging/journal/abidrift.catalog
	$(Q)$(INSTALL_DATA) $(STAGE)$(docdir) README.md
	$(Q)$(INSTALL_DATA) $(STAGE)$(docdir)/docs docs/*.md
	$(Q)for file in $$(find $(DASHBOARDS) -type f ! -name '*.test.*'); do $(INSTALL) -D -m 644 $$file $(STAGE)$(datadir)/abidrift/$$file || exit; done
	$(Q)$(INSTALL_DATA) $(STAGE)$(sysconfdir)/abidrift $(BUILD)/pages/abidrift.conf
install: stage
	$(Q)packaging/put install $(STAGE) '$(DESTDIR)'
uninstall: stage
	$(Q)packaging/put uninstall $(STAGE) '$(DESTDIR)'
# One file that needs nothing on its host: all that works without a service, `record` and `replay` before all.
ALONE_LEFT_OUT := userspace/messenger.c userspace/keeper.c $(wildcard userspace/commands/run*.c) \
	$(addprefix userspace/commands/,attendants.c prepare.c service.c reload.c part_collector.c serve.c alert.c supervise.c export.c)
ALONE_OTHERWISE := userspace/main.c userspace/commands/version.c
ALONE_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(ALONE_LEFT_OUT) $(ALONE_OTHERWISE),$(MAIN_SOURCES))) \
	$(patsubst %.c,$(BUILD)/alone/%.o,$(ALONE_OTHERWISE) userspace/serve/alone/table.c)
$(BUILD)/alone/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(ALL_CFLAGS) -DABIDRIFT_ALONE -c $< -o $@
# glibc warns of getpwnam, which would need its shared libraries: only verbs that are left out call it.
$(BUILD)/abidrift-static: $(ALONE_OBJECTS) $(LIBS)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -static-pie -Wl,-z,relro,-z,now,--gc-sections,--no-warnings -o $@ $(ALONE_OBJECTS) $(call reverse,$(LIBS)) \
		-lbpf -lelf -lz $(STORE_LIBS) -lm -ldl -lpthread
static: $(BUILD)/abidrift-static
# Sanitizers have no static library.
ifndef DEV
tests-build: static
endif
deb:
	@packaging/install-deps packages
	@PAGE=$(PAGE) packaging/make-deb $(BUILD)/deb
test-packages:
	@packaging/install-deps packages
	@tests/packages/run
test-service: deps $(BUILD)/abidrift
	@tests/service/run
# ---- lint: each checker file by file, so that it looks again only at what changed
LINT_SOURCES := $(wildcard userspace/*.c userspace/*/*.c userspace/*/*/*.c)
LINT_STEMS := $(LINT_SOURCES:%.c=$(BUILD)/lint/%)
LINT_CFLAGS := -std=gnu11 $(WARNINGS) -D_GNU_SOURCE -DABIDRIFT_VERSION='"$(VERSION)"' -I. -I$(BUILD) -O1
# Leaks are for clang-tidy, LeakSanitizer and valgrind: GCC 12 loses sight of what is put into an element of an array.
ANALYZER := -fanalyzer -Wno-analyzer-malloc-leak -Werror
$(BUILD)/lint/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  ANALYSE $<"
	$(Q)$(CC) $(LINT_CFLAGS) $(ANALYZER) -MMD -MP -c $< -o $@
$(LINT_STEMS:%=%.o): | $(BUILD)/bpf/abidrift.skel.h
$(BUILD)/lint/userspace/serve/review.o: $(BUILD)/review/done
$(BUILD)/lint/%.tidy: $(BUILD)/lint/%.o .clang-tidy
	@echo "  TIDY    $*.c"
	$(Q)out=$$(clang-tidy --quiet $*.c -- $(LINT_CFLAGS) 2>/dev/null) || { echo "$$out"; false; }
	@touch $@
CPPCHECK_SOURCES := userspace
lint-cppcheck:
	@mkdir -p $(BUILD)/lint/cppcheck
	@echo "  CPPCHECK"
	$(Q)cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --template=gcc -I. -I$(BUILD) \
		--include=tests/lint/cppcheck.h --suppressions-list=tests/lint/cppcheck.suppressions --cppcheck-build-dir=$(BUILD)/lint/cppcheck $(CPPCHECK_SOURCES)
SHELL_SCRIPTS = $(shell git -c safe.directory='*' ls-files -co --exclude-standard | xargs -d '\n' grep -lsE '^\#! ?/bin/(ba|da)?sh')
lint-shell:
	@echo "  SHELL"
	$(Q)shellcheck $(SHELL_SCRIPTS)
lint-analyzer: $(LINT_STEMS:%=%.o)
lint-tidy: $(LINT_STEMS:%=%.tidy)
# All but clang-tidy, which takes minutes; tests/lint asks for these.
lint-quick: lint-shell lint-cppcheck lint-analyzer
lint: deps
	@$(MAKE) --no-print-directory all lint-quick lint-tidy
	@tests/run lint

.PHONY: tests-programs test-sanitized test-valgrind lint lint-quick lint-shell lint-cppcheck lint-analyzer lint-tidy

deps:
	@packaging/install-deps
run: deps
	@$(MAKE) --no-print-directory all
	@$(BUILD)/abidrift run --store sqlite:state/abidrift.db --listen 127.0.0.1:10917
test: deps
	@$(MAKE) --no-print-directory tests-build
	@tests/run
# Everything that can be, once more under ASan, LeakSanitizer and UBSan. Fuzz targets are always.
SANITIZED_TESTS ?= unit bpf replay live.test_cli live.test_run live.test_faults live.test_http live.test_metrics live.test_outbox live.test_webhook \
	live.test_command live.test_journal live.test_syslog live.test_hostile live.test_micro live.test_held live.test_rules live.test_guest_memory
test-sanitized: deps
	@$(MAKE) --no-print-directory DEV=1 tests-programs
	@BUILD=build/dev ABIDRIFT_CHECKED=1 tests/run $(SANITIZED_TESTS)
# The same programs under valgrind, which sees reads of what nobody wrote.
VALGRIND := valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect --show-leak-kinds=definite,indirect \
	--suppressions=tests/valgrind.supp
VALGRIND_TESTS ?= unit replay live.test_cli
$(BUILD)/valgrind/abidrift: Makefile
	@mkdir -p $(@D)
	@ln -sfn ../tests $(@D)/tests
	@printf '#!/bin/sh\nexec %s --log-file="$$ABIDRIFT_REPORTS/valgrind.%%p" %s "$$@"\n' '$(VALGRIND)' '$(CURDIR)/$(BUILD)/abidrift' >$@
	@chmod +x $@
test-valgrind: deps
	@$(MAKE) --no-print-directory tests-programs $(BUILD)/valgrind/abidrift
	@BUILD=$(BUILD)/valgrind ABIDRIFT_CHECKED='$(VALGRIND)' tests/run $(VALGRIND_TESTS)
demo: deps
	@$(MAKE) --no-print-directory all
	@tests/demo
bench:
	@packaging/install-deps bench
	@$(MAKE) --no-print-directory tests-build
	@tests/bench/run
mutate: deps
	@$(MAKE) --no-print-directory tests-build
	@tests/mutate
test-hosts: deps
	@$(MAKE) --no-print-directory tests-build
	@tests/hosts/run $(WORDS)
upgrade: deps
	@$(MAKE) --no-print-directory tests-build
	@tests/upgrade/run
soak: deps
	@$(MAKE) --no-print-directory tests-build
	@tests/soak
alarms: deps
	@$(MAKE) --no-print-directory tests-build
	@tests/alarms/run
clean:
	rm -rf build

.PHONY: always all deps run test demo bench mutate test-hosts upgrade soak alarms pages static stage install uninstall deb test-packages test-service fuzz-build tests-build clean
-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)

# Builds luff: `make` leaves build/luff (the program), build/luff.so (the Lua module), build/libluff.a and
# build/libluff.so (the C library). GNU make, no configure step; `make help` lists the targets.
#
# The usual variables work: CC, CFLAGS, LDFLAGS, PREFIX, DESTDIR. BUILD=dir builds elsewhere, V=1 shows the commands,
# WERROR= lets warnings pass, SANITIZE=address,undefined instruments. LUA_VERSION=5.1, luajit, 5.3 or 5.5 builds the module
# for that Lua, build/lua5.3/luff.so, of the same core; LUA_INCDIR=dir says where its headers are.

BUILD ?= build
CFLAGS ?= -O2 -g
WERROR ?= -Werror
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
lua_number = $(shell echo LUA_VERSION_NUM | $(CC) -E -P -include $(LUA_INCDIR)/lua.h - 2>/dev/null | tail -n 1)
LUA_VERSION ?= $(if $(LUA_INCDIR),5.$(shell echo $$(($(lua_number) % 100))),5.4)
lua_abi := $(patsubst luajit,5.1,$(LUA_VERSION))
LUA_MODDIR ?= $(PREFIX)/share/lua/$(lua_abi)
LUA_CMODDIR ?= $(PREFIX)/lib/lua/$(lua_abi)
PKG_CONFIG ?= pkg-config
CLANG ?= clang
LUA ?= lua5.4
Q := $(if $(V),,@)
comma := ,

# The program is of Lua 5.4, and so are the module and its objects that have no folder of their own.
own := $(BUILD)$(if $(filter 5.4,$(LUA_VERSION)),,/$(patsubst lualuajit,luajit,lua$(LUA_VERSION)))
all: $(own)/luff.so $(addprefix $(BUILD)/,$(if $(filter 5.4,$(LUA_VERSION)),luff) libluff.a libluff.so)

# ---- What there is to build ------------------------------------------------------------------------------------------

version := $(shell sed -n 's/^.define LUFF_VERSION "\(.*\)"/\1/p' core/luff.h)
soname := libluff.so.$(firstword $(subst ., ,$(version)))

core_c := $(sort $(wildcard core/*.c core/*/*.c core/*/*/*.c))
host_c := bindings/host.c bindings/interrupt.c
module_c := $(filter-out $(host_c),$(sort $(wildcard bindings/*.c)))
headers := $(sort $(wildcard core/*.h core/*/*.h core/*/*/*.h bindings/*.h))
lua_files := $(sort $(wildcard lua/*/*.lua lua/*/*/*.lua lua/*/*/*/*.lua))
unit_c := $(sort $(wildcard spec/c/*.c))
fuzz_c := $(sort $(wildcard spec/fuzz/*.c))

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
core_o := $(call objects,$(core_c))
module_o := $(module_c:%.c=$(own)/obj/%.o) $(BUILD)/obj/embedded.o
host_o := $(host_c:%.c=$(own)/obj/%.o)
units := $(patsubst spec/c/%.c,$(BUILD)/unit/%,$(unit_c))
fuzzers := $(patsubst spec/fuzz/%.c,$(BUILD)/fuzz/%,$(fuzz_c))

# ---- Libraries -------------------------------------------------------------------------------------------------------
# What every run needs is linked. What only some runs need is opened at its first use (core/base/lazy.h), since it
# would cost each start more time than luff itself: of that, only the headers are used here.

lua_pkg := $(shell for p in $(LUA_VERSION) lua$(LUA_VERSION) lua-$(LUA_VERSION) lua$(subst .,,$(LUA_VERSION)) lua; do \
	case $$($(PKG_CONFIG) --modversion $$p 2>/dev/null) in \
	($(patsubst luajit,2.1,$(LUA_VERSION))*) echo $$p; break ;; esac; done)
linked := libcjson zlib libdeflate libzstd
opened := libcurl libmicrohttpd libedit libarchive liblzma wolfssl yaml-0.1 libpcre2-8
missing := $(if $(lua_pkg)$(LUA_INCDIR),,$(patsubst lualuajit,luajit,lua$(LUA_VERSION))) $(shell for p in $(linked) $(opened); do \
	$(PKG_CONFIG) --exists $$p 2>/dev/null || echo $$p; done; \
	printf '\043include <bzlib.h>\n' | $(CC) -E - >/dev/null 2>&1 || echo bzlib.h)
found := $(filter-out $(missing),$(linked) $(opened))

libs_of = $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null)
# $(call static,foo) is the path of libfoo.a where the compiler finds one, else nothing.
static = $(filter /%,$(shell $(CC) -print-file-name=lib$(1).a 2>/dev/null))

# Of a static libcrypto only the hash functions are taken, and hidden: half a millisecond less for each start.
crypto_libs := $(or $(call static,crypto),$(call libs_of,libcrypto))
ifeq ($(crypto_libs),)
crypto_libs := $(call libs_of,wolfssl)
crypto_flags := -DLUFF_HASH_WOLFSSL
endif
# wolfSSL's version is in its file's name, and changes often.
wolfssl_soname := $(shell readlink -f '$(shell $(CC) -print-file-name=libwolfssl.so 2>/dev/null)' 2>/dev/null | \
	sed -n 's|.*/\(libwolfssl\.so\.[0-9]*\).*|\1|p')
core_libs := $(crypto_libs) $(or $(call static,cjson),$(call libs_of,libcjson)) \
	$(or $(call static,deflate),$(call libs_of,libdeflate)) $(call libs_of,zlib libzstd) \
	-ldl -lm -pthread
hide_static := -Wl,--exclude-libs,libluff.a:libcrypto.a:libcjson.a:libdeflate.a

# Scripts may require C modules, and those take Lua's functions from the program: it carries and exports them all.
lua_static := $(call static,$(patsubst -l%,%,$(filter -llua%,$(call libs_of,$(lua_pkg)))))
lua_libs := -Wl,-E $(if $(lua_static),-Wl$(comma)--whole-archive $(lua_static) -Wl$(comma)--no-whole-archive,\
	$(call libs_of,$(lua_pkg)))

# ---- Flags -----------------------------------------------------------------------------------------------------------

warnings := -Wall -Wextra $(WERROR) -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2
cppflags := -D_GNU_SOURCE -Icore $(crypto_flags) -DLUFF_WOLFSSL=$(or $(wolfssl_soname),libwolfssl.so) \
	$(patsubst -I%,-isystem %,$(if $(found),$(shell $(PKG_CONFIG) --cflags $(found) 2>/dev/null)))
lua_cppflags := $(if $(LUA_INCDIR),-isystem $(LUA_INCDIR),$(if $(lua_pkg),\
	$(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(lua_pkg) 2>/dev/null))))
ifdef SANITIZE
hardening := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
link_flags := -fsanitize=$(SANITIZE)
else
hardening := $(if $(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) -fstack-protector-strong
link_flags := -Wl,-O1,--as-needed,-z,relro,-z,lazy
defined := -Wl,-z,defs
endif
compile = $(CC) -std=gnu11 $(warnings) $(cppflags) -fPIC -fvisibility=hidden -pthread $(hardening) $(CPPFLAGS) $(CFLAGS)
link = $(CC) $(link_flags) $(CFLAGS) $(LDFLAGS)

# A file that holds a text and changes only with it: what depends on it is made anew when flags or lists change.
define stamp
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(1))' | cmp -s - $@ || echo '$(subst ','\'',$(1))' > $@
endef
$(BUILD)/stamp/flags: FORCE
	$(call stamp,$(compile) $(link) $(core_libs))
$(own)/stamp/lua-flags: FORCE
	$(call stamp,$(strip $(lua_cppflags) $(lua_libs)))
$(BUILD)/stamp/sources: FORCE
	$(call stamp,$(core_c) $(module_c))
$(BUILD)/stamp/lua: FORCE
	$(call stamp,$(lua_files))

say = $(if $(V),,@printf '  %-5s %s\n' $(1) $@)

# ---- Building --------------------------------------------------------------------------------------------------------

have-libraries:
	@[ -z "$(strip $(missing))" ] || { \
		echo "make: pkg-config finds no $(strip $(missing)); run: make deps" >&2; exit 1; }

$(BUILD)/obj/%.o: %.c $(BUILD)/stamp/flags | have-libraries
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(compile) -MMD -MP -c -o $@ $<

$(own)/obj/bindings/%.o: bindings/%.c $(BUILD)/stamp/flags $(own)/stamp/lua-flags | have-libraries
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(compile) $(lua_cppflags) -MMD -MP -c -o $@ $<

$(BUILD)/embedded.c: bindings/embed.awk $(lua_files) $(BUILD)/stamp/lua
	$(call say,EMBED)
	$(Q)LC_ALL=C awk -f $< $(lua_files) > $@.new && mv $@.new $@

$(BUILD)/obj/embedded.o: $(BUILD)/embedded.c $(BUILD)/stamp/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(compile) -c -o $@ $<

$(BUILD)/libluff.a: $(core_o) $(BUILD)/stamp/sources
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $(core_o)

$(BUILD)/libluff.so: $(core_o) $(BUILD)/stamp/sources
	$(call say,LINK)
	$(Q)$(link) -shared -Wl,-soname,$(soname) $(defined) -o $@ $(core_o) $(hide_static) $(core_libs)
	@ln -sf $(@F) $(BUILD)/$(soname)

module: $(own)/luff.so

# The program that requires it brings Lua. Its threads forbid to unload it.
$(own)/luff.so: $(module_o) $(BUILD)/libluff.a $(BUILD)/stamp/sources
	$(call say,LINK)
	$(Q)$(link) -shared -Wl,-z,nodelete -o $@ $(module_o) $(BUILD)/libluff.a $(hide_static) $(core_libs)

# For programs that have Lua in them: all of it.
$(own)/libluff-lua$(lua_abi).a: $(core_o) $(module_o) $(BUILD)/stamp/sources
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $(core_o) $(module_o)

$(BUILD)/luff: $(host_o) $(module_o) $(BUILD)/libluff.a $(BUILD)/stamp/sources
	$(call say,LINK)
	$(Q)$(link) -o $@ $(host_o) $(module_o) $(BUILD)/libluff.a $(lua_libs) $(hide_static) $(core_libs)

# The units are programs of the core, but for those of the binding.
$(BUILD)/unit/states: $(module_o)
$(BUILD)/unit/states: unit_libs = $(module_o) $(BUILD)/libluff.a $(lua_libs)
$(BUILD)/unit/%: spec/c/%.c $(BUILD)/libluff.a
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(compile) $(lua_cppflags) -MMD -MP -o $@ $< $(or $(unit_libs),$(BUILD)/libluff.a) $(link_flags) $(LDFLAGS) $(core_libs)

$(BUILD)/fuzz/%: spec/fuzz/%.c $(BUILD)/libluff.a
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(compile) -fsanitize=fuzzer -MMD -MP -o $@ $< $(BUILD)/libluff.a $(link_flags) $(LDFLAGS) $(core_libs)

-include $(patsubst %.o,%.d,$(core_o) $(module_o) $(host_o)) $(addsuffix .d,$(units) $(fuzzers))

# ---- Running ---------------------------------------------------------------------------------------------------------
# What needs packages makes sure of them first, then starts over: this file looks for libraries when it is read.

again = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j $(shell nproc 2>/dev/null || echo 2))

deps:
	@sh .ci/deps build demo
deps-test:
	@sh .ci/deps test
deps-lint:
	@sh .ci/deps lint

demo: deps
	@$(again) all
	$(BUILD)/luff scripts/demo.lua $(IMAGE)

test: deps deps-test
	@$(again) test-run

# The module for every other Lua that is here, for the specs of those.
other_luas := $(if $(SANITIZE),,$(shell for v in 5.1 5.3 5.5 luajit; do p=$$(echo lua$$v | sed s/lualua/lua/); \
	command -v $$p >/dev/null && $(PKG_CONFIG) --exists $$p 2>/dev/null && echo $$v; done))
modules: all
	@set -e; for v in $(other_luas); do $(again) LUA_VERSION=$$v; done

# Everything, or one file: T=spec/copy_spec.lua, T=spec/c/json.c
test-run: all $(if $(and $(filter-out %versions_spec.lua %hosts_spec.lua,$(T)),$(filter lua5.4,$(LUA))),,modules) $(if $(T),$(patsubst spec/c/%.c,$(BUILD)/unit/%,$(filter %.c,$(T))),$(units))
	@BUILD='$(BUILD)' LUA='$(LUA)' CC='$(CC)' SANITIZE='$(SANITIZE)' spec/support/run $(T)

check-asan: deps deps-test
	@$(again) BUILD=$(BUILD)/asan SANITIZE=address,undefined CFLAGS='-O1 -g' test-run
check-tsan: deps deps-test
	@$(again) BUILD=$(BUILD)/tsan SANITIZE=thread CFLAGS='-O1 -g' test-run

# One fuzz target (T=name) for SECONDS=30, or each for a short while. What it finds is left in build/fuzz/.
fuzz_make = $(again) BUILD=$(BUILD)/fuzz CC=$(CLANG) CFLAGS='-O1 -g' \
	SANITIZE=address,undefined,fuzzer-no-link
fuzz: deps deps-lint
	@[ -n '$(T)' ] || { echo 'make: which one? make fuzz T=NAME, of: $(notdir $(fuzzers))' >&2; exit 1; }
	@$(fuzz_make) fuzz-run fuzz_c=spec/fuzz/$(T).c SECONDS=$(or $(SECONDS),30)
check-fuzz: deps deps-lint
	@$(fuzz_make) fuzz-run SECONDS=$(or $(SECONDS),3)
fuzz-run: $(fuzzers)
	@printf '%s\n' $(fuzzers) | xargs -P $(shell nproc 2>/dev/null || echo 2) -I FUZZER sh -ec ' \
		n=$${1##*/}; c=$(BUILD)/corpus/$$n; mkdir -p $$c; echo "fuzz $$n: $(SECONDS) s"; \
		$$1 -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
			-artifact_prefix=$(BUILD)/$$n- $$c $$(ls -d spec/fuzz/corpus/$$n 2>/dev/null) 2>&1 || \
			{ echo "fuzz $$n: FAILED"; exit 255; }' sh FUZZER

# One file that runs anywhere: static/Makefile.
static_sources := lua5.4 cjson zlib libdeflate libzstd bzip2 xz-utils libyaml pcre2 nghttp2 wolfssl curl libmicrohttpd libedit libisal libxcrypt
static: $(BUILD)/embedded.c
	@sh .ci/deps static
	@static/fetch $(BUILD)/static $(static_sources)
	+@$(again) -f static/Makefile BUILD=$(BUILD)/static CC='$(CC)' luff_c='$(core_c) $(module_c) $(host_c)' embedded=$<

check-static: static test-static
test-static: deps-test
	@$(again) test-run T=spec/static_spec.lua

# All that `luff help` knows, in one file.
doc: all
	$(call say,DOC)
	$(Q)$(BUILD)/luff -e 'io.write(require("luff.reference").markdown())' >$(BUILD)/reference.md.new
	@mv $(BUILD)/reference.md.new $(BUILD)/reference.md

bench: deps
	@$(again) all
	LUFF=$(abspath $(BUILD)/luff) spec/bench/run

# ---- Style -----------------------------------------------------------------------------------------------------------

all_c := $(core_c) $(module_c) $(wildcard $(host_c)) $(unit_c) $(fuzz_c) $(sort $(wildcard spec/c/*.h))
example_c := $(sort $(wildcard scripts/embed/c/*.c)) # these see the headers as they are installed
all_lua := $(lua_files) $(sort $(wildcard scripts/*.lua scripts/*/*.lua spec/*.lua spec/*/*.lua spec/*/*/*.lua)) .busted .luacheckrc
lint: deps deps-lint
	@$(MAKE) --no-print-directory -k lint-format lint-headers lint-tidy lint-cppcheck lint-lua
lint-format:
	$(Q)clang-format --dry-run -Werror $(all_c) $(example_c) $(headers)
# Each header stands alone; C++ programs include the public ones.
lint-headers: have-libraries
	$(Q)set -e; for h in $(headers); do \
		$(CC) -std=c11 $(warnings) $(cppflags) $(lua_cppflags) -fsyntax-only -x c $$h; done
	$(Q)set -e; for h in core/luff.h core/medium.h bindings/luaopen.h; do \
		$(CLANG) -std=c++17 -Wall -Wextra -Werror $(cppflags) -fsyntax-only -x c++ $$h; done
# Neither of these two knows the cleanup attribute (core/base/cleanup.h): leaks are check-asan's. What the analyzer
# cannot know: that luff_fail() returns no 0 (so it looks at one function at a time), that Lua's errors do not return.
no_return = $(foreach f,lua_error luaL_error luaL_argerror,"-D$(f)(...)=($(f)(__VA_ARGS__),__builtin_unreachable(),0)")
lint-tidy: have-libraries
	$(Q)printf '%s\n' $(filter %.c,$(all_c)) | xargs -P 2 -n 1 sh -c 'clang-tidy --quiet "$$0" -- \
		-std=gnu11 $(cppflags) $(lua_cppflags) $(no_return) -Xclang -analyzer-config -Xclang ipa=none 2>/dev/null'
lint-cppcheck:
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -j 2 \
		--suppress=memleak --suppress=missingIncludeSystem -D_GNU_SOURCE -Icore $(filter %.c,$(all_c))
lint-lua:
	$(Q)luacheck --quiet $(all_lua)

format:
	clang-format -i $(all_c) $(example_c) $(headers)

# ---- Installing ------------------------------------------------------------------------------------------------------

fill_in = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	-e 's|@VERSION@|$(version)|' -e 's|@LUA@|$(lua_pkg)|' -e 's|@ABI@|$(lua_abi)|' \
	-e 's|@LIBS@|$(foreach l,$(core_libs),$(patsubst lib%.a,-l%,$(notdir $l)))|'
install: all install-module $(own)/libluff-lua$(lua_abi).a
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(LIBDIR)/pkgconfig $(INCLUDEDIR)/luff)
	$(if $(filter 5.4,$(LUA_VERSION)),install -m 755 $(BUILD)/luff $(DESTDIR)$(BINDIR)/luff)
	install -m 644 $(BUILD)/libluff.a $(own)/libluff-lua$(lua_abi).a $(DESTDIR)$(LIBDIR)
	install -m 755 $(BUILD)/libluff.so $(DESTDIR)$(LIBDIR)/libluff.so.$(version)
	ln -sf libluff.so.$(version) $(DESTDIR)$(LIBDIR)/$(soname)
	ln -sf $(soname) $(DESTDIR)$(LIBDIR)/libluff.so
	install -m 644 core/luff.h $(DESTDIR)$(INCLUDEDIR)/luff.h
	install -m 644 core/medium.h $(DESTDIR)$(INCLUDEDIR)/luff/medium.h
	install -m 644 bindings/luaopen.h $(DESTDIR)$(INCLUDEDIR)/luff/lua.h
	$(fill_in) luff.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/luff.pc
	$(fill_in) luff-lua.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/luff-lua$(lua_abi).pc

# What a Lua program needs, and all that a rock holds. The Lua files are in luff.so; editors read meta.lua.
install-module: $(own)/luff.so
	install -d $(addprefix $(DESTDIR),$(LUA_CMODDIR) $(LUA_MODDIR)/luff)
	install -m 755 $(own)/luff.so $(DESTDIR)$(LUA_CMODDIR)/luff.so
	install -m 644 lua/luff/meta.lua $(DESTDIR)$(LUA_MODDIR)/luff/meta.lua

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/luff $(addprefix $(DESTDIR)$(LIBDIR)/,libluff.a libluff.so $(soname) libluff.so.$(version) \
		libluff-lua$(lua_abi).a pkgconfig/luff.pc pkgconfig/luff-lua$(lua_abi).pc) $(DESTDIR)$(INCLUDEDIR)/luff.h \
		$(DESTDIR)$(LUA_CMODDIR)/luff.so
	rm -rf $(DESTDIR)$(INCLUDEDIR)/luff $(DESTDIR)$(LUA_MODDIR)/luff

clean:
	rm -rf $(BUILD)

help:
	@echo 'make              build/luff, build/luff.so, build/libluff.a, build/libluff.so'
	@echo '                  LUA_VERSION=5.3: build/lua5.3/luff.so, the module for that Lua; likewise 5.1, 5.5, luajit'
	@echo 'make deps         install the packages that are missing'
	@echo 'make demo         see what luff does; IMAGE=docker.io/library/alpine:3 does it with that image'
	@echo 'make test         all specs; T=spec/copy_spec.lua or T=spec/c/json.c runs one; LUA=luajit, lua5.3 or lua5.1: those that'
	@echo '                  can run there'
	@echo 'make check-asan   all specs under the address, undefined and leak sanitizers; check-tsan: threads'
	@echo 'make fuzz T=NAME  one fuzz target for SECONDS=30; check-fuzz: each of them for 5'
	@echo 'make static       build/static/luff: one file with all libraries in it, for any Linux; check-static: its specs'
	@echo 'make doc          the reference of commands and Lua, build/reference.md'
	@echo 'make bench        time and memory beside the peers on PATH'
	@echo 'make lint         clang-format, clang-tidy, cppcheck, luacheck, headers alone; format: reformat'
	@echo 'make install      under PREFIX=/usr/local, below DESTDIR=; uninstall takes it away again'
	@echo 'make clean        remove build/'

.PHONY: all static check-static test-static module modules FORCE have-libraries deps deps-test deps-lint demo test test-run check-asan check-tsan fuzz \
	check-fuzz fuzz-run doc bench lint lint-format lint-headers lint-tidy lint-cppcheck lint-lua format install install-module \
	uninstall clean help
.DELETE_ON_ERROR:

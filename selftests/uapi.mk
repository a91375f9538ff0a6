# SPDX-License-Identifier: GPL-2.0-only
#
# The uapi_* programs, which test the raw kernel interface and need nothing but
# its header. Where a 32-bit compiler works some are built a second time, for
# 32-bit processes on a 64-bit kernel, as uapi_X_32: those where the width could
# make a difference. UAPI_32="mutex killed" builds others, UAPI_32=all all.
#
# Included before lib.mk.

LOCAL_HDRS += $(wildcard uapi*.h) all_processors.h

UAPI_ALL := $(patsubst uapi_%.c,%,$(wildcard uapi_*.c))
UAPI_32 ?= bad_input device layout name object other_arch waitgroup
override UAPI_32 := $(if $(filter all,$(UAPI_32)),$(UAPI_ALL),$(UAPI_32))

CC_32 ?= $(CROSS_COMPILE)gcc -m32
ifeq ($(shell echo 'int main(void) { return 0; }' | $(CC_32) -static -x c \
	-o /dev/null - 2>/dev/null && echo yes),yes)
TEST_GEN_PROGS += $(UAPI_32:%=uapi_%_32)
else
$(info ksync selftests: "$(CC_32) -static" does not work (Debian: \
	 gcc-multilib): no 32-bit programs)
endif

$(or $(OUTPUT),$(CURDIR))/uapi_%_32: uapi_%.c $(LOCAL_HDRS)
	$(call msg,CC,32,$@)
	$(Q)$(CC_32) $(CFLAGS) $(LDFLAGS) $< -o $@

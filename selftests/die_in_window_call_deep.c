// SPDX-License-Identifier: GPL-2.0-only
/*
 * As die_in_window, which has the fast path compiled into its own functions as
 * other programs have: here it is the library's functions that are called, as by
 * programs in other languages or without optimization.
 */
#define KSYNC_NO_INLINE

#include "die_in_window.c"

/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's names for what the C library has, for the state words. */
#ifndef KSYNC_HOST_LINUX_TYPES_H
#define KSYNC_HOST_LINUX_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include_next <linux/types.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef int32_t s32;
typedef unsigned long long u64;
typedef long long s64;

#define U32_MAX UINT32_MAX
#define S32_MAX INT32_MAX
#define S32_MIN INT32_MIN
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif /* KSYNC_HOST_LINUX_TYPES_H */

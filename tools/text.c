// SPDX-License-Identifier: GPL-2.0-only
/* Text that is safe to print whatever a name holds. */
#include <inttypes.h>
#include <string.h>

#include "tool.h"

static bool continues(const char *s, int from, int to)
{
	for (; from < to; from++)
		if (((unsigned char)s[from] & 0xc0) != 0x80)
			return false;
	return true;
}

int utf8_length(const char *s)
{
	unsigned char c = s[0], next = c ? s[1] : 0;

	if (c < 0x80)
		return 1;
	/* Overlong forms, surrogates and what is past U+10FFFF are none. */
	if (c >= 0xc2 && c <= 0xdf)
		return continues(s, 1, 2) ? 2 : 0;
	if (c >= 0xe0 && c <= 0xef) {
		if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f))
			return 0;
		return continues(s, 1, 3) ? 3 : 0;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		if ((c == 0xf0 && next < 0x90) || (c == 0xf4 && next > 0x8f))
			return 0;
		return continues(s, 1, 4) ? 4 : 0;
	}
	return 0;
}

/* Terminals obey these too (C1, U+0080 to U+009F). */
static bool is_control(const char *s, int length)
{
	unsigned char c = s[0];

	return (length == 1 && (c < ' ' || c == 0x7f)) ||
	       (length == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0);
}

const char *name_text(char *buf, const char *name)
{
	char *out = buf, *end = buf + NAME_TEXT - 1;

	while (*name) {
		int length = utf8_length(name);
		bool plain = length && !is_control(name, length) &&
			     *name != '\\';
		int i;

		if (!length)
			length = 1;
		if (end - out < 4 * length)
			break;
		for (i = 0; i < length; i++, name++) {
			if (plain)
				*out++ = *name;
			else
				out += sprintf(out, "\\x%02x",
					       (unsigned char)*name);
		}
	}
	*out = '\0';
	return buf;
}

void duration_text(char *buf, size_t size, uint64_t ns)
{
	uint64_t ms = ns / 1000000, s = ms / 1000;

	if (ms < 1000)
		snprintf(buf, size, "%" PRIu64 " ms", ms);
	else if (s < 100)
		snprintf(buf, size, "%" PRIu64 ".%" PRIu64 " s", s,
			 ms / 100 % 10);
	else if (s < 100 * 60)
		snprintf(buf, size, "%" PRIu64 " min", s / 60);
	else
		snprintf(buf, size, "%" PRIu64 " h", s / 3600);
}

void comm_text(char *buf, size_t size, pid_t pid)
{
	char path[32], raw[KSYNC_NAME_LEN] = "", text[NAME_TEXT];
	FILE *f;

	buf[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(raw, sizeof(raw), f)) {
		raw[strcspn(raw, "\n")] = '\0';
		snprintf(buf, size, "%s", name_text(text, raw));
	}
	fclose(f);
}

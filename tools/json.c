// SPDX-License-Identifier: GPL-2.0-only
/* Indented JSON on stdout. */
#include <inttypes.h>
#include <string.h>

#include "tool.h"

static void put_string(const char *s)
{
	putchar('"');
	while (*s) {
		int length = utf8_length(s);
		unsigned char c = *s;

		if (!length) {
			/* Not UTF-8: JSON has no bytes, U+FFFD stands in. */
			fputs("\\ufffd", stdout);
			s++;
			continue;
		}
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ' || c == 0x7f)
			printf("\\u%04x", c);
		else
			printf("%.*s", length, s);
		s += length;
	}
	putchar('"');
}

/* What stands before every value. */
static void put_key(struct json *j, const char *key)
{
	if (j->depth)
		printf("%s\n%*s", j->first ? "" : ",", 2 * j->depth, "");
	j->first = false;
	if (key) {
		put_string(key);
		fputs(": ", stdout);
	}
}

void json_open(struct json *j, const char *key, char bracket)
{
	put_key(j, key);
	putchar(bracket);
	j->depth++;
	j->first = true;
}

void json_close(struct json *j, char bracket)
{
	j->depth--;
	if (!j->first)
		printf("\n%*s", 2 * j->depth, "");
	putchar(bracket);
	j->first = false;
	if (!j->depth)
		putchar('\n');
}

void json_string(struct json *j, const char *key, const char *value)
{
	put_key(j, key);
	put_string(value);
}

void json_bytes(struct json *j, const char *key, const char *value)
{
	const char *s = value;

	json_string(j, key, value);
	while (*s && utf8_length(s))
		s += utf8_length(s);
	if (!*s)
		return;
	put_key(j, NULL);
	printf("\"%s_hex\": \"", key);
	for (s = value; *s; s++)
		printf("%02x", (unsigned char)*s);
	putchar('"');
}

void json_number(struct json *j, const char *key, uint64_t value)
{
	put_key(j, key);
	printf("%" PRIu64, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	put_key(j, key);
	fputs(value ? "true" : "false", stdout);
}

void json_null(struct json *j, const char *key)
{
	put_key(j, key);
	fputs("null", stdout);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* At which instructions of a call die_in_window stops, which includes this. */

/*
 * What only goes wrong when somebody came at one instruction and the victim died
 * at another, soon after.
 */
static bool stop_again(struct scene *s, uint64_t at)
{
	struct stop stop = { .at = at, .mate_comes = AT_STOP };
	unsigned int i;
	bool fine = true;

	for (i = 0; fine && i < AGAIN; i++) {
		stop.mate = s->w->mate[next_random(&s->random) % 2];
		stop.more = next_random(&s->random) % SOON;
		fine = !stop.mate || try_stop(s, &stop);
	}
	return fine;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	return b ? common_divisor(b, a % b) : a;
}

/* In an order such that, when the time is over, those done are spread evenly. */
static void stop_everywhere(struct scene *s, uint64_t stride)
{
	const char *seconds = getenv("KSYNC_WINDOW_SECONDS");
	uint64_t first = next_random(&s->random) % stride, n, step, i;
	uint64_t until = seconds ? now_ns() +
			 strtoull(seconds, NULL, 0) * NSEC_PER_SEC : UINT64_MAX;

	n = first > s->longest ? 0 : (s->longest - first) / stride + 1;
	for (step = n * 618 / 1000 + 1; common_divisor(n, step) > 1; step++)
		;
	for (i = 0; i < n && now_ns() < until; i++) {
		uint64_t at = first + i * step % n * stride;

		if (!stop_at(s, at, true) || !stop_again(s, at))
			return;
	}
	if (i < n)
		printf("# out of time: %llu instructions of %llu\n",
		       (unsigned long long)i, (unsigned long long)n);
}

/* Some, evenly over the length of the call. */
static void stop_somewhere(struct scene *s)
{
	uint64_t until = now_ns() + rounds_ns() / (machine_is_slow() ? 4 : 2);
	unsigned int least = machine_is_slow() && !run_is_deep() ? 2 : 4;
	uint32_t place = next_random(&s->random);
	unsigned int i;

	for (i = 0; i < least || now_ns() < until; i++) {
		place += 0x9e3779b9;	/* 2^32 / golden ratio */
		if (!stop_at(s, place * (s->longest + 1) >> 32, true))
			return;
	}
}

static bool is_left_out(struct scene *s)
{
	unsigned int one_in = strcmp(ksync_backend(), "futex") ? 3 : 8;

	return machine_is_slow() && !run_is_deep() &&
	       next_random(&s->random) % one_in;
}

/* Every so many instructions of a call of that length, 0: some of them. */
static unsigned long stride_of(const struct scene *s)
{
	const char *stride = getenv("KSYNC_WINDOW_STRIDE");
	const char *longest = getenv("KSYNC_WINDOW_LONGEST");

	if (!stride || (longest && s->longest > strtoul(longest, NULL, 0)))
		return 0;
	return strtoul(stride, NULL, 0);
}

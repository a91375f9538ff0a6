// SPDX-License-Identifier: GPL-2.0-only
/* What this machine is, its clocks, and whether anybody disturbed a run. */
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <ksync.h>

#include "bench.h"
#include "loops.h"

#define CALIBRATION_LOOPS	200000UL
#define CALIBRATIONS		25
#define SETTLE_TRIES		40
#define SETTLE_MS		20

static cpu_set_t allowed;	/* at the start */
static double ns_per_loop;	/* the best ever seen */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t own_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void sleep_ms(unsigned int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * NS_PER_MS };

	while (nanosleep(&t, &t))
		;
}

unsigned int nr_cpus(void)
{
	if (!CPU_COUNT(&allowed))
		sched_getaffinity(0, sizeof(allowed), &allowed);
	return CPU_COUNT(&allowed);
}

/* To the n-th of those that we may use, and round again. */
void pin(unsigned int n)
{
	unsigned int cpu, nr = nr_cpus();
	cpu_set_t one;

	n %= nr;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && !n--)
			break;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

void unpin(void)
{
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

static double time_of_a_loop(void)
{
	uint64_t begin = now_ns();

	busy(CALIBRATION_LOOPS);
	return (double)(now_ns() - begin) / CALIBRATION_LOOPS;
}

void calibrate(void)
{
	double ns;
	int i;

	nr_cpus();
	for (i = 0; i < CALIBRATIONS; i++) {
		ns = time_of_a_loop();
		if (!ns_per_loop || ns < ns_per_loop)
			ns_per_loop = ns;
	}
}

unsigned long loops_for(unsigned int ns)
{
	return ns / ns_per_loop;
}

static void read_cpu_times(struct load *l)
{
	unsigned long long user, nice, system, idle, iowait, irq, soft, steal;
	uint64_t tick = NS_PER_S / sysconf(_SC_CLK_TCK);
	FILE *f = fopen("/proc/stat", "r");

	l->busy_ns = 0;
	l->steal_ns = 0;
	if (!f)
		return;
	if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user,
		   &nice, &system, &idle, &iowait, &irq, &soft, &steal) == 8) {
		l->busy_ns = (user + nice + system + irq + soft) * tick;
		l->steal_ns = steal * tick;
	}
	fclose(f);
}

void load_begin(struct load *l)
{
	read_cpu_times(l);
	l->at_ns = now_ns();
}

/*
 * The counters of /proc/stat tick every 10 ms and on each CPU by itself, so a
 * little is allowed. What comes and goes between two ticks shows in our own
 * loop, which then takes longer than the shortest time ever seen.
 */
bool load_disturbed(const struct load *begin, uint64_t own_ns, bool alone)
{
	uint64_t elapsed = now_ns() - begin->at_ns, others;
	double now = time_of_a_loop(), again;
	struct load end;

	again = time_of_a_loop();
	if (again < now)
		now = again;
	if (now < ns_per_loop)
		ns_per_loop = now;
	if (now > ns_per_loop * 1.1)
		return true;
	read_cpu_times(&end);
	if (end.steal_ns - begin->steal_ns > 10 * NS_PER_MS + elapsed / 50)
		return true;
	others = end.busy_ns - begin->busy_ns;
	others = others > own_ns ? others - own_ns : 0;
	if (others > 20 * NS_PER_MS + elapsed / 20)
		return true;
	/* One worker with a CPU of its own has no reason to wait for it. */
	return alone && own_ns < elapsed * 9 / 10;
}

/* Counters that each CPU keeps for itself are added up; root may ask for it. */
static void refresh_counters(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		perror("/proc/sys/vm/stat_refresh");
	close(fd);
}

/* Free pages, and those that CPUs have put by for their next allocation. */
static uint64_t free_pages(void)
{
	unsigned long long nr, sum = 0;
	FILE *f = fopen("/proc/zoneinfo", "r");
	char line[128];

	refresh_counters();
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " nr_free_pages %llu", &nr) == 1 ||
		    sscanf(line, " count: %llu", &nr) == 1)
			sum += nr;
	if (f)
		fclose(f);
	return sum;
}

/* What was closed a moment ago may still be on its way back. */
uint64_t free_memory(void)
{
	uint64_t pages = free_pages(), before;
	int i;

	for (i = 0; i < SETTLE_TRIES; i++) {
		sleep_ms(SETTLE_MS);
		before = pages;
		pages = free_pages();
		if (pages == before)
			break;
	}
	return pages * sysconf(_SC_PAGESIZE);
}

static void print_cpu(const char *prefix)
{
	char line[256], *colon;
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && fgets(line, sizeof(line), f)) {
		colon = strchr(line, ':');
		if (strncmp(line, "model name", 10) || !colon)
			continue;
		printf("%sprocessor: %u x%s", prefix, nr_cpus(), colon + 1);
		break;
	}
	if (f)
		fclose(f);
}

void print_machine(const char *prefix)
{
	struct utsname u;
	char date[32];
	time_t now = time(NULL);

	uname(&u);
	strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&now));
	printf("%sdate: %s\n", prefix, date);
	print_cpu(prefix);
	printf("%skernel: %s %s %s\n", prefix, u.sysname, u.release, u.machine);
	printf("%slibc: glibc %s\n", prefix, gnu_get_libc_version());
	printf("%scompiler: gcc %s\n", prefix, __VERSION__);
	printf("%sksync: %s\n", prefix, ksync_version());
}

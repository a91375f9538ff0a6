# SPDX-License-Identifier: GPL-2.0-only
"""What was aimed at, and whether it was reached."""

from .data import PTHREAD_MUTEXES, number

MIB = 1 << 20
CELLS = [f"{section}-{procs}" for section in ("empty", "1us")
         for procs in (2, 4, 8)]


def at_most(limit):
    return lambda value: value <= limit


def at_least(limit):
    return lambda value: value >= limit


def best_pthread(data, cell):
    """The pthread mutex of the highest throughput."""
    found = [(data.get("counter", cell, p), p) for p in PTHREAD_MUTEXES]
    found = [f for f in found if f[0]]
    return min(found)[1] if found else None


def over_cells(data, worst, value):
    """The worst of the six, or None if one was not measured."""
    values = [value(data, c) for c in CELLS]
    return None if None in values else worst(values)


def throughput(backend):
    def value(data, cell):
        best = best_pthread(data, cell)
        r = data.ratio("counter", cell, f"ksync-{backend}-mutex", best) if best else None
        return 1 / r if r else None
    return lambda data: over_cells(data, min, value)


def fairness(backend):
    return lambda data: over_cells(
        data, min, lambda d, c: d.get("counter", c, f"ksync-{backend}-mutex", "fairness"))


def p99(backend):
    def value(data, cell):
        best = best_pthread(data, cell)
        return data.ratio("counter", cell, f"ksync-{backend}-mutex", best, "p99") if best else None
    return lambda data: over_cells(data, max, value)


def alone(kind, ours, theirs):
    """A pair by itself: time, or instructions where that is what there is."""
    return lambda data: (data.ratio("uncontended", kind, ours, theirs) or
                         data.ratio("instructions", kind, ours, theirs, "instructions"))


def scaling(peer):
    def value(data):
        one = data.get("readers", "only-1", peer)
        two = data.get("readers", "only-2", peer)
        return one / two if one and two else None
    return value


def inverse(f):
    def value(data):
        r = f(data)
        return 1 / r if r else None
    return value


def rows(backend):
    """(what, target, how it is measured, value from data, is it reached, unit)"""
    mutex, rw = f"ksync-{backend}-mutex", f"ksync-{backend}-rwlock"
    sem = f"ksync-{backend}-sem"

    def ratio(work, variant, ours, theirs):
        return lambda data: data.ratio(work, variant, ours, theirs)

    return [
        ("mutex lock + unlock, alone", "≤ 0.60 × pthread mutex", "alone",
         alone("lock", mutex, "pthread"), at_most(0.60), "×"),
        ("", "≤ 0.45 × pthread robust", "alone",
         alone("lock", mutex, "pthread-robust"), at_most(0.45), "×"),
        ("read lock + unlock, one reader", "≤ 0.15 × pthread rwlock", "alone",
         alone("read", rw, "pthread-rwlock"), at_most(0.15), "×"),
        ("two readers on two CPUs", "≥ 1.9 × one reader", "together",
         scaling(rw), at_least(1.9), "×"),
        ("semaphore acquire + release", "≤ 0.75 × sem_t", "alone",
         alone("permit", sem, "sem_t"), at_most(0.75), "×"),
        ("counter, worst of 2, 4, 8 processes, empty and 1 µs section",
         "throughput ≥ the best pthread mutex", "together",
         throughput(backend), at_least(1.0), "×"),
        ("", "fairness ≥ 0.5", "together", fairness(backend), at_least(0.5), ""),
        ("", "p99 wait ≤ that of the same", "together", p99(backend),
         at_most(1.0), "×"),
        ("95 % reads, 4 processes", "≥ 2 × pthread rwlock", "together",
         inverse(ratio("readers", "95-4", rw, "pthread-rwlock")), at_least(2.0), "×"),
        ("ping-pong across CPUs", "≤ 0.5 × bare futex", "together",
         ratio("pingpong", "across", mutex, "futex"), at_most(0.5), "×"),
        ("ping-pong on one CPU", "≤ 1.1 × bare futex", "together",
         ratio("pingpong", "one-cpu", mutex, "futex"), at_most(1.1), "×"),
        ("a thread ends, holding nothing", "≤ 300 instructions more", "counted",
         lambda d: d.get("instructions", "exit", mutex, "instructions"),
         at_most(300), ""),
        ("1,000,000 mutexes in one object, all used", "≤ 64 MiB", "memory",
         lambda d: scaled(d.get("million", "1000000", mutex, "touched"), MIB),
         at_most(64), " MiB"),
        ("", "created in ≤ 1 s", "together",
         lambda d: scaled(d.get("million", "1000000", mutex), 1e9), at_most(1.0), " s"),
    ]


def guarded_row():
    return ("guarded lock + unlock", "≤ 1800 instructions", "counted",
            lambda d: d.get("instructions", "lock", "ksync-guarded-mutex", "instructions"),
            at_most(1800), "")


def scaled(value, unit):
    return None if value is None else value / unit


# Where a row's figure comes from: the first that has it.
SOURCES = {
    "alone": ("native", "instructions"),
    "together": ("native", "emulated"),
    "counted": ("instructions",),
    "memory": ("emulated",),
}
MARKS = {"native": "", "instructions": " [#i]_", "emulated": " [#e]_"}


def judged(row, data):
    """(figure, verdict) of a row, as text."""
    _, _, how, value, reached, unit = row
    for source in SOURCES[how]:
        data[source].asked_disturbed = False
        v = value(data[source])
        if v is None:
            continue
        mark = MARKS[source] if how in ("alone", "together") else ""
        verdict = "reached" if reached(v) else "**missed**"
        if data[source].asked_disturbed:
            verdict += " ?"
        return number(v) + (f" {unit}" if unit == "×" else unit) + mark, verdict
    return "", "not measured"


def table(data):
    """Rows of text: what, target, and figure and verdict of each backend."""
    out = []
    for futex, kernel in zip(rows("futex"), rows("kernel")):
        out.append([futex[0] or "…", futex[1], *judged(futex, data), *judged(kernel, data)])
    row = guarded_row()
    out.insert(-3, [row[0], row[1], "", "", *judged(row, data)])
    return out

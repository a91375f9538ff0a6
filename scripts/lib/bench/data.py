# SPDX-License-Identifier: GPL-2.0-only
"""What was measured: reading it, and asking for figures."""

import os

PTHREAD_MUTEXES = ("pthread", "pthread-adaptive", "pthread-robust",
                   "pthread-robust-pi")


class Figure:
    def __init__(self, median, low, high, disturbed):
        self.median, self.low, self.high = median, low, high
        self.disturbed = disturbed


class Data:
    """The figures of one file; empty when there is no such file."""

    def __init__(self, path):
        self.facts = {}
        self.figures = {}
        self.asked_disturbed = False    # has get() given such a figure?
        if os.path.exists(path):
            with open(path) as f:
                for line in f:
                    self._take(line.rstrip("\n"))

    def __bool__(self):
        return bool(self.figures)

    def _take(self, line):
        if line.startswith("# "):
            name, colon, value = line[2:].partition(": ")
            if colon:
                self.facts[name] = value
            return
        fields = line.split("\t")
        if len(fields) != 9 or fields[0] == "work":
            return
        work, variant, peer, metric = fields[:4]
        self.figures[work, variant, peer, metric] = Figure(
            *map(float, fields[4:7]), int(fields[8]) > 0)

    def figure(self, work, variant, peer, metric="ns"):
        return self.figures.get((work, variant, peer, metric))

    def get(self, work, variant, peer, metric="ns"):
        """The median, or None."""
        f = self.figure(work, variant, peer, metric)
        self.asked_disturbed |= bool(f and f.disturbed)
        return f.median if f else None

    def ratio(self, work, variant, peer, other, metric="ns"):
        """How many times that of the other one; None if one is missing."""
        a = self.get(work, variant, peer, metric)
        b = self.get(work, variant, other, metric)
        return a / b if a is not None and b else None

    def peers(self, work, variant, metric="ns"):
        """Those that have the figure, in the order of the program."""
        return [p for w, v, p, m in self.figures
                if (w, v, m) == (work, variant, metric)]


def read_all(page):
    return {name: Data(os.path.join(page, name + ".tsv"))
            for name in ("native", "emulated", "instructions", "go")}


def label(peer):
    """As in the program's own tables."""
    names = {
        "nothing": "the loop itself",
        "cas-store": "compare-exchange + store",
        "cas-exchange": "compare-exchange + exchange",
        "getppid": "getppid",
        "ioctl": "ioctl that returns ENOTTY",
        "futex-wake": "futex wake of nobody",
        "spin": "bare spin lock",
        "futex": "bare futex mutex",
        "pthread": "pthread mutex",
        "pthread-adaptive": "pthread mutex, adaptive",
        "pthread-robust": "pthread mutex, robust",
        "pthread-robust-pi": "pthread mutex, robust + PI",
        "pthread-rwlock": "pthread rwlock",
        "sysv": "System V semop, SEM_UNDO",
        "ofd": "OFD lock",
        "eventfd": "eventfd semaphore",
        "ntsync-mutex": "ntsync mutex",
        "ntsync-sem": "ntsync semaphore",
        "ksync-futex-group": "ksync futex wait group",
        "ksync-kernel-group": "ksync kernel wait group",
        "ksync-guarded-group": "ksync guarded wait group",
        "go-mutex": "sync.Mutex",
        "go-rwmutex": "sync.RWMutex",
    }
    return names.get(peer, peer.replace("ksync-", "ksync ").replace(
        "futex-", "futex ").replace("kernel-", "kernel ").replace(
        "guarded-", "guarded "))


def number(value):
    """Three digits that mean something."""
    if value is None:
        return ""
    if abs(value) >= 1e7:
        return f"{value / 1e6:.0f} M"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"

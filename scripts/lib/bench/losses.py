# SPDX-License-Identifier: GPL-2.0-only
"""Where something else is faster, however unsafe it is."""

from .data import label, number

FLOORS = ("spin", "futex")
# What of ours does the same work as the peers do.
OURS = {
    ("uncontended", "lock"): "mutex",
    ("uncontended", "read"): "rwlock",
    ("uncontended", "permit"): "sem",
    "counter": "mutex",
    "pingpong": "mutex",
    "readers": "rwlock",
    "crowd": "sem",
    "fanin": "group",
    "creation": "mutex",
}
SLACK = 1.05    # below, it is noise


def cells(data):
    """(work, variant), in the order of the program."""
    return list(dict.fromkeys((w, v) for w, v, _, m in data.figures if m == "ns"))


def loss(data, work, variant, ours):
    """A row of the table, or None where we are no slower than the best."""
    own = data.get(work, variant, ours)
    others = [(data.get(work, variant, p), p) for p in data.peers(work, variant)
              if not p.startswith("ksync") and p not in FLOORS]
    if own is None or not others:
        return None
    best, peer = min(others)
    if own <= best * SLACK:
        return None
    return [f"{work}, {variant}", label(ours), number(own), label(peer), number(best),
            f"{own / best:.1f} ×"]


def table(data):
    rows = []
    for work, variant in cells(data):
        noun = OURS.get((work, variant)) or OURS.get(work)
        for backend in ("futex", "kernel"):
            row = noun and loss(data, work, variant, f"ksync-{backend}-{noun}")
            if row:
                rows.append(row)
    return rows

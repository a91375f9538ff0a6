# SPDX-License-Identifier: GPL-2.0-only
"""Charts, drawn by gnuplot as SVG."""

import os
import re
import subprocess

from .data import label, number

LINES = {
    "futex": "#999999", "pthread": "#1f77b4", "pthread-adaptive": "#17becf",
    "pthread-robust": "#9467bd", "pthread-robust-pi": "#8c564b",
    "pthread-rwlock": "#1f77b4", "sem_t": "#bcbd22", "sysv": "#e377c2",
    "flock": "#2ca02c", "ofd": "#98df8a", "eventfd": "#7f7f7f",
    "ntsync-mutex": "#ff9896",
    "ksync-futex-mutex": "#d62728", "ksync-kernel-mutex": "#ff7f0e",
    "ksync-guarded-mutex": "#ffbb78",
    "ksync-futex-rwlock": "#d62728", "ksync-kernel-rwlock": "#ff7f0e",
    "ksync-guarded-rwlock": "#ffbb78",
}
MUTEXES = ("futex", "pthread", "pthread-adaptive", "pthread-robust",
           "pthread-robust-pi", "sem_t", "ksync-futex-mutex", "ksync-kernel-mutex")


def color(peer):
    """For bars: ours, floors, others."""
    if peer.startswith("ksync"):
        return 0xd62728
    return 0xaaaaaa if peer in ("futex", "spin") else 0x1f77b4


def quoted(text):
    return '"' + text.replace("_", r"\\_") + '"'


def draw(path, height, commands):
    setup = [
        f'set terminal svg size 760,{height} dynamic font "sans-serif,12" background "white"',
        f'set output "{path}"', "set border 3", "set tics nomirror out",
        "set grid lc rgb '#dddddd'",
    ]
    subprocess.run(["gnuplot"], input="\n".join(setup + commands) + "\n",
                   text=True, check=True)
    with open(path) as f:
        svg = f.read()
    # What changes with every drawing is taken out, and the licence put in.
    svg = re.sub(r"[ \t]+$", "", svg, flags=re.M)
    head, _, rest = svg.partition("?>")
    licence = "\n<!-- SPDX-License-Identifier: GPL-2.0-only -->"
    with open(path, "w") as f:
        f.write(head + "?>" + licence + rest)


def bars(path, title, unit, values, log=False):
    """Horizontal bars, the shortest above. values: [(peer, value)]"""
    values = sorted((v for v in values if v[1] is not None), key=lambda v: -v[1])
    if not values:
        return False
    low = min(v for _, v in values) / 2 if log else 0
    tics = ", ".join(f"{quoted(label(p))} {i}" for i, (p, _) in enumerate(values))
    commands = [
        f"set title {quoted(title)}", f"set xlabel {quoted(unit)}",
        f"set ytics ({tics})", f"set yrange [-0.7:{len(values) - 0.3}]",
        "set style fill solid", "unset key", "set lmargin 30",
        f"set xrange [{low}:{max(v for _, v in values) * (3 if log else 1.12)}]",
        "set logscale x" if log else "",
        "$d << END",
        *(f"{low} {i} {low} {v} {i - 0.36} {i + 0.36} {color(p)} {quoted(number(v))}"
          for i, (p, v) in enumerate(values)),
        "END",
        "plot $d using 1:2:3:4:5:6:7 with boxxyerror lc rgb variable, "
        "$d using 4:2:8 with labels left offset 0.5,0",
    ]
    draw(path, 90 + 24 * len(values), commands)
    return True


def curve(data, work, variants, peer, metric, scale):
    points = [(x, data.get(work, v, peer, metric)) for x, v in variants]
    return [(x, scale(y)) for x, y in points if y]


def panel(data, title, unit, work, variants, peers, metric, scale, log, key):
    """Commands for curves over the number of processes."""
    curves = [(p, curve(data, work, variants, p, metric, scale)) for p in peers]
    curves = [(p, c) for p, c in curves if c]
    if not curves:
        return []
    commands = [
        f"set title {quoted(title)}", f"set ylabel {quoted(unit)}",
        "set xlabel 'processes'", "set logscale x 2",
        "set xtics (" + ", ".join(str(x) for x, _ in variants) + ")",
        f"set xrange [{variants[0][0] * 0.9}:{variants[-1][0] * 1.1}]",
        "set yrange [*:*]" if log else "set yrange [0:*]",
        "set logscale y" if log else "unset logscale y",
        f"set key {key}",
    ]
    for i, (_, points) in enumerate(curves):
        commands += [f"$c{i} << END", *(f"{x} {y}" for x, y in points), "END"]
    commands.append("plot " + ", ".join(
        f"$c{i} using 1:2 with linespoints pt 7 ps 0.6 "
        f"lw {3 if p.startswith('ksync') else 1.5} "
        f"lc rgb '{LINES.get(p, '#000000')}' title {quoted(label(p))}"
        for i, (p, _) in enumerate(curves)))
    return commands


def counters(path, data, title, unit, metric, scale, log):
    """Side by side: empty section, section of 1 us."""
    def variants(section):
        return [(n, f"{section}-{n}") for n in (2, 4, 8, 16)]

    commands = []
    for section, name in (("empty", "empty section"), ("1us", "section of 1 µs")):
        commands += panel(data, f"{title}, {name}", unit, "counter", variants(section),
                          MUTEXES, metric, scale, log,
                          "off" if section == "empty" else
                          "outside below center horizontal maxcols 3")
    if not commands:
        return False
    draw(path, 860, ["set multiplot layout 2,1", *commands, "unset multiplot"])
    return True


def all_charts(page, data):
    """Draws what there are figures for; returns the names of the files."""
    native, counted = data["native"], data["instructions"]
    drawn = []

    def chart(name, function, *args):
        if function(os.path.join(page, name), *args):
            drawn.append(name)

    def alone(variant):
        return [(p, native.get("uncontended", variant, p))
                for p in native.peers("uncontended", variant)]

    def rate(ns):
        return 1e3 / ns

    chart("uncontended.svg", bars, "Lock + unlock, nobody else there", "ns", alone("lock"), True)
    chart("read.svg", bars, "Read lock + unlock, nobody else there", "ns", alone("read"), True)
    chart("throughput.svg", counters, native, "Throughput", "million per second",
          "ns", rate, False)
    chart("fairness.svg", counters, native, "Fairness", "slowest / fastest process",
          "fairness", float, False)
    chart("p99.svg", counters, native, "Wait, 99th percentile", "µs", "p99",
          lambda ns: ns / 1e3, True)
    for name, variant, where in (("across", "across", "between two CPUs"),
                                 ("one-cpu", "one-cpu", "on one CPU")):
        chart(f"pingpong-{name}.svg", bars, f"Hand-over {where}", "ns",
              [(p, native.get("pingpong", variant, p))
               for p in native.peers("pingpong", variant)], True)
    readers = [(n, f"only-{n}") for n in (1, 2, 4, 8)]
    commands = panel(native, "Readers", "million read locks per second", "readers", readers,
                     ("pthread-rwlock", "flock", "ofd", "ksync-futex-rwlock",
                      "ksync-kernel-rwlock"), "ns", rate, True,
                     "outside below center horizontal maxcols 3")
    if commands:
        draw(os.path.join(page, "readers.svg"), 460, commands)
        drawn.append("readers.svg")
    chart("instructions.svg", bars, "Lock + unlock, nobody else there", "instructions",
          [(p, counted.get("instructions", "lock", p, "instructions"))
           for p in counted.peers("instructions", "lock", "instructions")], True)
    return drawn

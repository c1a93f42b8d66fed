"""The measuring that lib/measure.ts does in JavaScript, for contenders in Python."""

import os
import time


def status(field):
    for line in open("/proc/self/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024


def measure(compute, describe, repeat):
    """Calls `compute` once with its peak memory measured, then several times for its time alone.

    `describe` makes a dictionary of the first call's result, when nothing is timed. `repeat` is as in lib/protocol.ts.
    """
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = status("VmRSS")
    start = time.perf_counter()
    result = compute()
    first = time.perf_counter() - start
    peak = status("VmHWM") - before
    described = describe(result)
    del result
    calls = []
    while len(calls) < repeat["least"] or (len(calls) < repeat["most"] and sum(calls) < repeat["seconds"]):
        start = time.perf_counter()
        compute()
        calls.append(time.perf_counter() - start)
    return {
        "firstSeconds": first,
        "seconds": calls,
        "peakBytes": max(0, peak),
        "cpuSeconds": sum(os.times()[:2]),
        **described,
    }

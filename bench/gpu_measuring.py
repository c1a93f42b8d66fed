"""The measuring of contenders in Python on a GPU: several tasks in one process, which starts slowly."""

import json
import time


def measure(compute, wait, read, repeat):
    """Times `compute`, after a first call, until the GPU is done, and again until the result is in the host's memory.

    `wait` waits for a result, `read` copies it; `repeat` is as in lib/protocol.ts.
    """

    def times(finish):
        calls = []
        while len(calls) < repeat["least"] or (len(calls) < repeat["most"] and sum(calls) < repeat["seconds"]):
            start = time.perf_counter()
            finish(compute())
            calls.append(time.perf_counter() - start)
        return calls

    start = time.perf_counter()
    wait(compute())
    first = time.perf_counter() - start
    return {"first": first, "resident": times(wait), "seconds": times(read)}


def answer(tasks, perform):
    """Prints for each task what `perform` makes of it, or why it could not."""
    for task in tasks:
        try:
            result = perform(task)
        except Exception as error:
            result = {"cannot": (str(error) or type(error).__name__).splitlines()[0]}
        print(json.dumps({"task": task, "result": result}), flush=True)

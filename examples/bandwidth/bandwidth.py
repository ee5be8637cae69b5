"""How fast memory is copied, while nothing else goes on and while a task of JavaScript keeps a core busy."""

import time

import numpy


def measure(ctx):
    """Goes through the phases; the store tells the other task which one it is, and this one that it has seen it."""
    mib = ctx.params.get("mib", 64)
    source = numpy.ones(mib << 17)
    target = numpy.empty_like(source)
    found = {}
    for number, phase in enumerate(("idle", "loaded")):
        ctx.store.set("phase", phase)
        ctx.store.wait_for("seen", lambda seen, phase=phase: seen == phase)
        found[phase] = copies(source, target, ctx.params.get("seconds", 1))
        ctx.events.emit("measured", {"phase": phase, **found[phase]})
        ctx.progress((number + 1) / 2, phase)
    ctx.store.set("phase", "done")
    return {**found, "share": found["loaded"]["median"] / found["idle"]["median"], "numpy": numpy.__version__}


def copies(source, target, seconds):
    """Copies until the time is over. GiB a second: the median, and the range in which nine of ten copies lie."""
    rates = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(rates) < 3:
        since = time.perf_counter()
        numpy.copyto(target, source)
        rates.append(source.nbytes / (time.perf_counter() - since) / 2**30)
    low, median, high = numpy.percentile(rates, [5, 50, 95])
    return {"median": median, "low": low, "high": high, "copies": len(rates)}

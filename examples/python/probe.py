"""Samples until the store says that it is enough. Uses only the standard library. Run with --serve."""

import json
import os
import platform
import time
import urllib.error
import urllib.request


def ask(method, path, body=None):
    """Asks the executor that runs us; returns the answer's JSON, or None if there is no such key."""
    request = urllib.request.Request(
        os.environ["OUTRIDER_URL"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": "Bearer " + os.environ["OUTRIDER_TOKEN"],
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            return json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise SystemExit(f"{method} {path}: {error.read().decode()}")


with open(os.environ["OUTRIDER_PARAMS"]) as file:
    params = json.load(file)

samples = []
while ask("GET", "/store/enough") is None:
    before = time.perf_counter()
    time.sleep(params["every"])
    late = (time.perf_counter() - before - params["every"]) * 1000
    samples.append(late)
    ask("POST", "/events", {"type": "sample", "detail": round(late, 3)})

print(f"{len(samples)} samples, the last {samples[-1]:.3f} ms late")

with open(os.environ["OUTRIDER_OUTPUT"], "w") as file:
    json.dump({"samples": samples, "python": platform.python_version()}, file)

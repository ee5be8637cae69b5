"""Runs tasks of netUnicorn's graphs for Outrider: opens the graph, tells what is in it, and forks for each task.

Owns what netUnicorn's tasks see (previous_steps) and what their results become. It is read behind runner.py, in the
same namespace, and must not know more of the line to the executor than a runner does.
Invariant: only a value that JSON has word for word is told as JSON; every other one is told as its pickle. What a task
does to this process is undone with its fork, unless the pipeline wants none.
"""

import atexit
import base64
import collections
import faulthandler
import gc
import importlib
import itertools
import json
import math
import os
import re
import select
import signal
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional

if TYPE_CHECKING:
    # What stands before this, in the same names.
    from runner import (
        HALF,
        LINE,
        MAX_DEPTH,
        MAX_INTEGER,
        Cancelled,
        Context,
        Runner,
        ValueRuleError,
        error_of,
        exit_code,
        set_mask,
    )

PACKAGES = {"cloudpickle": "cloudpickle", "netunicorn.base": "netunicorn-base", "returns.result": "returns"}
MAX_SHOWN = 1000
#: Looked through where the system does not tell what is open.
MAX_DESCRIPTORS = 1024
MAX_NAME = 200
RESERVED = ("__proto__", "constructor", "prototype")
UNPRINTED = re.compile(r"\s+")


class GraphError(Exception):
    """The graph can't be opened, in words."""


GraphError.__name__ = GraphError.__qualname__ = "GraphError"


# --- the graph --------------------------------------------------------------------------------------------------------


def modules() -> None:
    """Imports what graphs need, or says all that is missing."""
    missing = []
    for name, package in PACKAGES.items():
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(package)
    if missing:
        raise GraphError(
            "%s (%s) lacks %s: run %s -m pip install %s, or name another Python by OUTRIDER_PYTHON"
            % (sys.executable, version_of(), ", ".join(missing), sys.executable, " ".join(missing))
        )


def version_of() -> str:
    return "Python %d.%d.%d" % sys.version_info[:3]


class Graph:
    """A graph of netUnicorn's, opened."""

    def __init__(self, data: bytes) -> None:
        modules()
        from netunicorn.base.execution_graph import ExecutionGraph

        self.whole = self._opened(data)
        if not isinstance(self.whole, ExecutionGraph):
            raise GraphError("It holds a %s, and no execution graph of netUnicorn's" % type(self.whole).__name__)
        try:
            ExecutionGraph.is_execution_graph_valid(self.whole)
        except Exception as error:
            raise GraphError("netUnicorn finds the graph wrong: %s" % error) from error
        self.nodes = list(self.whole.graph.nodes)
        self.names = good_names([self._name(node) for node in self.nodes])

    @staticmethod
    def _opened(data: bytes) -> Any:
        import cloudpickle

        try:
            return cloudpickle.loads(data)
        except ModuleNotFoundError as error:
            raise GraphError(
                "The graph needs the module %s, which %s (%s) lacks: install it"
                % (error.name, sys.executable, version_of())
            ) from error
        except Exception as error:
            raise GraphError("%s can't open the graph: %s: %s" % (version_of(), type(error).__name__, error)) from error

    @staticmethod
    def _name(node: Any) -> str:
        from netunicorn.base.task import Task, TaskDispatcher

        if isinstance(node, TaskDispatcher):
            raise GraphError(
                "The task %s is a dispatcher yet: netUnicorn's client chooses the task as it deploys the graph"
                % node.name
            )
        if isinstance(node, Task):
            return str(node.name)
        return "stage %d" % node if isinstance(node, int) else str(node)

    def task(self, node: int) -> Any:
        from netunicorn.base.task import Task

        if node >= len(self.nodes) or not isinstance(self.nodes[node], Task):
            raise GraphError("The graph has no task at node %d: import it anew" % node)
        return self.nodes[node]

    def told(self) -> Dict[str, Any]:
        """What the executor has to know of it."""
        from netunicorn.base.task import Task

        at = {node: index for index, node in enumerate(self.nodes)}
        return {
            "name": str(self.whole.name),
            "earlyStopping": bool(self.whole.early_stopping),
            "report": bool(self.whole.report_results),
            "nodes": [
                {"task": True, "name": name, "type": type(node).__qualname__}
                if isinstance(node, Task)
                else {"task": False, "name": name}
                for node, name in zip(self.nodes, self.names)
            ],
            "edges": [
                self._edge(at[before], at[after], details)
                for before, after, details in self.whole.graph.edges(data=True)
            ],
        }

    @staticmethod
    def _edge(before: int, after: int, details: Dict[str, Any]) -> Dict[str, Any]:
        told: Dict[str, Any] = {"from": before, "to": after, "weak": details.get("type", "strong") == "weak"}
        if details.get("counter") is not None:
            told["times"] = int(details["counter"])
        if details.get("traverse_on") is not None:
            told["on"] = details["traverse_on"]
        return told


def good_names(names: List[str]) -> List[str]:
    """Names as pipelines have them, and none twice."""
    taken = set()
    good = []
    for name in names:
        plain = "".join(character if character.isprintable() else " " for character in name)
        plain = UNPRINTED.sub(" ", plain).strip()[: MAX_NAME - 10].strip()
        first = own = "unnamed" if plain in ("",) + RESERVED else plain
        copy = 2
        while own in taken:
            own = "%s (%d)" % (first, copy)
            copy += 1
        taken.add(own)
        good.append(own)
    return good


# --- results ----------------------------------------------------------------------------------------------------------


def is_exact(value: Any, depth: int = 0) -> bool:
    """Whether its JSON says all of it, also to who reads it in another language: 2.0 would be read as 2."""
    kind = type(value)
    if value is None or kind is bool or kind is bytes:
        return True
    if kind is str:
        return HALF.search(value) is None
    if kind is int:
        return bool(-MAX_INTEGER <= value <= MAX_INTEGER)
    if kind is float:
        return math.isfinite(value) and not value.is_integer()
    if depth >= MAX_DEPTH:
        return False
    if kind is list:
        return all(is_exact(item, depth + 1) for item in value)
    if kind is dict:
        return "$pickle" not in value and bool(
            all(type(key) is str and is_exact(key) and is_exact(item, depth + 1) for key, item in value.items())
        )
    return False


def told_as(value: Any) -> Any:
    """The value as journals have it."""
    if is_exact(value):
        return value
    import cloudpickle

    return {"$pickle": cloudpickle.dumps(value), "text": shown(value)}


def shown(value: Any) -> str:
    try:
        return repr(value)[:MAX_SHOWN]
    except Exception as error:
        return "<repr() of it has raised %s>" % type(error).__name__


def value_of(value: Any) -> Any:
    """The value of what journals have."""
    if isinstance(value, dict) and isinstance(value.get("$pickle"), bytes):
        import pickle

        return pickle.loads(value["$pickle"])
    return value


class PreviousSteps(collections.defaultdict):  # type: ignore[type-arg]
    """Results of the tasks so far, by their names: fetched at the first look."""

    def __init__(self, fetch: Callable[[], Dict[str, List[Any]]]) -> None:
        super().__init__(list)
        self._fetch: Optional[Callable[[], Dict[str, List[Any]]]] = fetch

    def _look(self) -> None:
        if self._fetch is not None:
            fetch, self._fetch = self._fetch, None
            self.update(fetch())

    def copy(self) -> Any:
        return collections.defaultdict(list, dict(self.items()))

    __copy__ = copy

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __reduce__(self) -> Any:
        return collections.defaultdict, (list, dict(self.items()))


def looking(name: str) -> Callable[..., Any]:
    plain = getattr(collections.defaultdict, name)

    def method(self: PreviousSteps, *given: Any, **named: Any) -> Any:
        self._look()
        return plain(self, *given, **named)

    return method


for _name in (
    "__getitem__ __iter__ __len__ __contains__ __repr__ __eq__ __ne__ __reversed__ __setitem__ __delitem__ "
    "get items keys values pop popitem setdefault clear"
).split():
    setattr(PreviousSteps, _name, looking(_name))


def results_of(attempts: List[Dict[str, Any]]) -> List[Any]:
    """One result for each time that a task ran."""
    from returns.result import Failure, Success

    last = {attempt["iteration"]: attempt for attempt in attempts}
    results = []
    for attempt in last.values():
        if attempt["outcome"] == "skipped" or "worker" not in attempt:
            continue
        if attempt["outcome"] == "succeeded":
            results.append(Success(value_of(attempt.get("value"))))
        elif "value" in attempt:
            results.append(Failure(value_of(attempt["value"])))
        else:
            error = attempt.get("error") or {}
            results.append(
                Failure(error.get("stack") or error.get("message") or attempt.get("because") or attempt["outcome"])
            )
    return results


# --- the process ------------------------------------------------------------------------------------------------------


class GraphRunner(Runner):
    """A process that runs tasks of one graph."""

    graph: Optional[Graph] = None
    data = b""
    #: What the attempt that runs has come to.
    made: Optional[Dict[str, Any]] = None

    def setup(self, order: Dict[str, Any]) -> None:
        if "graph" in order:
            self.data = base64.b64decode(order["graph"])
        else:
            with open(order["file"], "rb") as file:
                self.data = file.read()
        if order["open"]:
            self.opened()
        super().setup(order)

    def opened(self) -> Graph:
        if self.graph is None:
            # Nothing of it is ever garbage: looking for that takes time, in each fork too.
            gc.disable()
            self.graph = Graph(self.data)
            self.data = b""
            gc.freeze()
            gc.enable()
        return self.graph

    def unfit(self) -> Optional[str]:
        """What a task starts may outlive it, and ends with this process."""
        return None

    def outcome(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Joins what came back of a fork to what the runner makes of a function."""
        ended = super().outcome(order)
        made = self.made
        self.made = None
        return ended if made is None or "cancelled" in ended else made

    def function(self, work: Dict[str, Any]) -> Callable[[Context], Any]:
        if work.get("tell"):
            return lambda context: self.opened().told()
        task = self.opened().task(work["node"])
        if work["isolation"] == "none":
            return lambda context: self.run_here(task, context)
        return lambda context: self.run_apart(task, context)

    def run_here(self, task: Any, context: Context) -> None:
        self.made = self.result(task, context)

    def result(self, task: Any, context: Context) -> Dict[str, Any]:
        """Runs a task, and says what it came to."""
        from returns.result import Result, Success

        task.previous_steps = PreviousSteps(lambda: self.previous(context))
        try:
            result = task.run()
        except Exception as error:
            return {"error": error_of(error), "memory": isinstance(error, MemoryError)}
        if not isinstance(result, Result):
            result = Success(result)
        inner = result._inner_value
        try:
            if isinstance(result, Success):
                return {} if inner is None else {"value": self.text_of(told_as(inner), context.task)}
            if isinstance(inner, str):
                return {"error": {"name": "Failure", "message": inner}}
            told = {"name": "Failure", "message": shown(inner)}
            return {"error": told, "value": self.text_of(told_as(inner), context.task)}
        except ValueRuleError as wrong:
            return {"error": error_of(wrong)}
        except Exception as wrong:
            return {
                "error": error_of(GraphError("The result can't be pickled: %s: %s" % (type(wrong).__name__, wrong)))
            }

    def previous(self, context: Context) -> Dict[str, List[Any]]:
        graph = self.opened()
        own = {name: str(getattr(node, "name", name)) for node, name in zip(graph.nodes, graph.names)}
        steps: Dict[str, List[Any]] = {}
        for name, attempts in context.previous().items():
            results = results_of(attempts)
            if results:
                steps.setdefault(own.get(name, name), []).extend(results)
        return steps

    def run_apart(self, task: Any, context: Context) -> None:
        """Runs a task in a fork of this process, which ends as that does where that has not told what it came to."""
        self.flush()
        reading, writing = os.pipe()
        # A signal is heard by both once each is where it can be told what it is about.
        mask = set_mask(signal.SIG_BLOCK, (signal.SIGTERM,))
        child = forked()
        if child == 0:
            os.close(reading)
            self.in_child(task, context, writing, mask)
        os.close(writing)
        told = Told(reading)
        stopped = False
        while True:
            try:
                set_mask(signal.SIG_SETMASK, mask)
                status = told.until_end_of(child)
                break
            except Cancelled:
                # The whole group got the signal: the task tidies up, and is waited for until the executor kills.
                stopped = True
        os.close(reading)
        self.made = told.message()
        if stopped:
            raise Cancelled
        if self.made is None:
            end_as(status)

    def in_child(self, task: Any, context: Context, writing: int, mask: Any) -> None:
        code, own = 1, os.getpid()
        try:
            signal.signal(signal.SIGTERM, self.on_terminate)
            set_mask(signal.SIG_SETMASK, mask)
            self.line.forked = False
            # Numbers that the process before the fork never gives.
            self.line._numbers = itertools.count((context._seq << 20) + (1 << 19))
            try:
                made = self.result(task, context)
            except SystemExit as error:
                code = exit_code(error)
            else:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                if os.getpid() == own:
                    self.flush()
                    release(writing)
                    write_all(writing, json.dumps(made).encode("ascii"))
                code = 0
        except Cancelled:
            pass
        except BaseException:
            traceback.print_exc()
        finally:
            self.flush()
            os._exit(code)


class Told:
    """What a fork tells as the last that it does: a length of eight bytes, and so many.

    It ends then, which takes longer than many a task: who has heard all does not wait for that. What it has started may
    live on with its end of the pipe.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._bytes = bytearray()
        self._open = True
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def until_end_of(self, child: int) -> int:
        """Waits until the fork has told all, or has ended; returns how it did, if so."""
        while True:
            if self._whole:
                return 0
            if self._read(50):
                continue
            pid, status = os.waitpid(child, os.WNOHANG if self._open else 0)
            if pid:
                while self._read(0):
                    pass
                return status

    @property
    def _whole(self) -> bool:
        return len(self._bytes) >= 8 and len(self._bytes) == 8 + int.from_bytes(self._bytes[:8], "big")

    def message(self) -> Optional[Dict[str, Any]]:
        return json.loads(self._bytes[8:]) if self._whole else None

    def _read(self, ms: int) -> bool:
        """Whether there was something to read."""
        if not self._open or not self._poll.poll(ms):
            return False
        data = os.read(self._descriptor, 1 << 20)
        self._bytes += data
        self._open = bool(data)
        return self._open


def forked() -> int:
    with warnings.catch_warnings():
        # The thread that looks whether the executor is still there holds nothing that a fork could miss.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def end_as(status: int) -> None:
    """Ends this process as its fork has ended."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        faulthandler.disable()
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def release(kept: int) -> None:
    """Closes all but the outputs and one more: a port or a lock of a task is free when the next one runs."""
    try:
        opened = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        opened = list(range(LINE, MAX_DESCRIPTORS))
    for descriptor in opened:
        if descriptor >= LINE and descriptor != kept:
            os.closerange(descriptor, descriptor + 1)


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(len(data).to_bytes(8, "big") + data)
    while view:
        view = view[os.write(descriptor, view) :]


def children_left(_patience: float) -> bool:
    """What a task of netUnicorn's starts may outlive it: another may stop it. Whoever has ended is reaped."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    return False


GraphRunner().work()
# What tasks want done at the end is done; taking apart all that was imported takes longer than many a task.
atexit._run_exitfuncs()
os._exit(0)

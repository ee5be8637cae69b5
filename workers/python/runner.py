"""Runs functions of Python modules for Outrider, one after the other, in a process that stays warm.

Owns the process's end of the line to its executor (docs/process-protocol.md), what a task is given (ctx), and the value
rule in Python. Must not know the executor, only the protocol; standard library alone, CPython 3.8 and newer.
Invariant: what a task's function does to streams, descriptors, signals or the working folder is undone before the next
one, or the process ends; nothing of the line is ever cut in two by a signal.
"""

import sys

# The folder that the executor runs in is no place for modules, least of all for those imported below.
sys.path[:] = [folder for folder in sys.path if folder not in ("", ".")]

import base64  # noqa: E402
import binascii  # noqa: E402
import builtins  # noqa: E402
import collections  # noqa: E402
import errno  # noqa: E402
import faulthandler  # noqa: E402
import functools  # noqa: E402
import gc  # noqa: E402
import importlib  # noqa: E402
import io  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import linecache  # noqa: E402
import math  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import select  # noqa: E402
import signal  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
from os import urandom  # noqa: E402
from typing import Any, Callable, Deque, Dict, Iterator, List, NamedTuple, NoReturn, Optional, Tuple, Union  # noqa: E402

PROTOCOL = 1
LINE = 3
OWN_FILE = "<outrider>"
MAX_DEPTH = 500
MAX_INTEGER = 2**53 - 1
MAX_FRAMES = 50
MAX_TEXT = 20_000
MAX_CAUSES = 8
MAX_ERRORS = 32
MAX_FIELDS = 16
MAX_FIELD = 1000
FORK_SECONDS = 0.3
ENDING_SECONDS = 0.05
MAX_NAMES = 200
POLL_MS = 10_000
READ = 1 << 16
WAIT = "30s"
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)\Z")
ESCAPED = re.compile(r"\$+bytes\Z")
HALF = re.compile("[\ud800-\udfff]")
NAME = re.compile(r"[A-Za-z_$][\w$]*\Z")
#: What may be derived of, and what makes the plain value of it, whatever the derived class has overridden.
BASES: Any = ((str, str.__str__), (int, int.__pos__), (float, float.__pos__))
#: What those of Python's own say of themselves, beside what is in `__dict__`.
FIELDS: Any = {
    OSError: ("errno", "filename", "filename2"),
    SyntaxError: ("filename", "lineno", "offset"),
    ImportError: ("name", "path"),
    NameError: ("name",),
    AttributeError: ("name",),
    UnicodeError: ("encoding", "start", "end", "reason"),
    StopIteration: ("value",),
}
MAX_SKIP_REASON = 1_000
LEVELS = ("debug", "info", "warn", "error", "critical")

Duration = Union[int, float, str]


class Cancelled(BaseException):
    """The attempt is to end: its time is over, or the run is cancelled. No Exception, so that little catches it."""


class Skipped(BaseException):
    """The attempt has found that there is nothing to do. No Exception, so that little catches it."""


def is_of_skips(error: BaseException) -> bool:
    """Whether it stands for skips alone: a task group raises a group, of one too. Python before 3.11 has none."""
    group = getattr(builtins, "BaseExceptionGroup", None)
    return group is not None and isinstance(error, group) and error.split(Skipped)[1] is None


class ValueRuleError(TypeError):
    """A value that can't be sent. The message names the path."""


class StoreError(Exception):
    """Something that the store, the events or the flags refuse; nothing has been changed."""

    code = ""


class ConflictError(StoreError):
    """`if_version` is not the key's version."""


class FileError(Exception):
    """A file that is not kept, or not given. `code` says why."""

    code = ""


class WaitTimeoutError(TimeoutError):
    """A wait that has reached its limit."""


ValueRuleError.__name__ = ValueRuleError.__qualname__ = "ValueError"
WaitTimeoutError.__name__ = WaitTimeoutError.__qualname__ = "TimeoutError"


# --- values -----------------------------------------------------------------------------------------------------------


def encode(value: Any, name: str) -> str:
    """The JSON text of a value; what is neither JSON nor bytes is an error with its path."""
    with Deep():
        return dumps(plain(value, name, 0))


def decode(text: str) -> Any:
    """The value of a text that `encode` made."""
    with Deep():
        value = json.loads(text)
        return unescape(value) if 'bytes"' in text else value


def dumps(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if text.isascii() or not HALF.search(text):
        return text
    # Half of a pair alone, which UTF-8 has no word for.
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


class Deep:
    """Lets the deepest value that there may be be walked through, whatever the limit is and wherever it is used."""

    def __enter__(self) -> None:
        self._limit = sys.getrecursionlimit()
        sys.setrecursionlimit(self._limit + 5 * MAX_DEPTH)

    def __exit__(self, *_: object) -> None:
        sys.setrecursionlimit(self._limit)


def plain(value: Any, path: str, depth: int) -> Any:
    """The value with nothing in it but what JSON has words for."""
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return whole(value, path)
    if kind is float:
        return finite(value, path)
    if kind in (bytes, bytearray, memoryview):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if depth >= MAX_DEPTH:
        raise ValueRuleError("%s… is nested more than %d deep, or holds itself" % (path[:80], MAX_DEPTH))
    if kind is list or kind is tuple:
        return [plain(item, "%s[%d]" % (path, at), depth + 1) for at, item in enumerate(value)]
    if kind is dict:
        return plain_dict(value, path, depth)
    return plain_other(value, path, depth)


def plain_dict(value: Dict[Any, Any], path: str, depth: int) -> Dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise ValueRuleError("%s has the key %.80r, which is no text: use str(key)" % (path, key))
    escaped = "$" if len(value) == 1 and ESCAPED.match(next(iter(value))) else ""
    return {escaped + key: plain(item, path_of(path, key), depth + 1) for key, item in value.items()}


def plain_other(value: Any, path: str, depth: int) -> Any:
    """What is none of the plain types: numpy's scalars, and what is derived of a plain type."""
    for base, exact in BASES:
        if isinstance(value, base):
            return plain(exact(value), path, depth)
    item = getattr(value, "item", None)
    shape = getattr(value, "shape", None)
    if callable(item) and shape == ():
        inner = item()
        if type(inner) is not type(value):
            return plain(inner, path, depth)
    kind = type(value)
    name = (
        kind.__qualname__
        if kind.__module__ in ("builtins", "__main__")
        else "%s.%s" % (kind.__module__, kind.__qualname__)
    )
    raise ValueRuleError("%s is a %s: %s" % (path, name, advice(value, shape)))


def advice(value: Any, shape: Any) -> str:
    if shape is not None and hasattr(value, "tolist"):
        return "use .tolist(), or .tobytes()"
    if isinstance(value, (set, frozenset)):
        return "use a list, such as sorted(value)"
    if isinstance(value, dict):
        return "use dict(value)"
    if isinstance(value, (list, tuple)):
        return "use list(value)"
    if hasattr(value, "isoformat"):
        return "use .isoformat()"
    if isinstance(value, BaseException):
        return "raise it, or use str(value)"
    if callable(value):
        return "a value is made of dicts, lists, texts, numbers and bytes"
    if hasattr(value, "__await__"):
        return "await it"
    return "a value is made of dicts, lists, texts, numbers and bytes: vars(value) may do"


def whole(value: int, path: str) -> int:
    if -MAX_INTEGER <= value <= MAX_INTEGER:
        return value
    raise ValueRuleError("%s is an integer beyond 2^53 - 1, which not every reader can hold: use str(value)" % path)


def finite(value: float, path: str) -> float:
    if math.isfinite(value):
        return value
    raise ValueRuleError("%s is %r, which JSON can't hold: use None or a text" % (path, value))


def path_of(path: str, key: str) -> str:
    return "%s.%s" % (path, key) if NAME.match(key) else "%s[%s]" % (path, json.dumps(key))


def unescape(value: Any) -> Any:
    if isinstance(value, list):
        return [unescape(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        return {key: unescape(item) for key, item in value.items()}
    [(key, item)] = value.items()
    if key == "$bytes" and isinstance(item, str):
        return base64.b64decode(item)
    return {key[1:] if ESCAPED.match(key) else key: unescape(item)}


def seconds(duration: Duration, what: str) -> float:
    """A number is seconds, as everywhere in Python; a text is a duration as pipelines have it."""
    if isinstance(duration, (int, float)) and not isinstance(duration, bool) and 0 <= duration < math.inf:
        return float(duration)
    found = DURATION.match(duration) if isinstance(duration, str) else None
    if found:
        return float(found.group(1)) * UNITS[found.group(2)]
    raise ValueError('%s must be seconds, or a text such as "30s": %r' % (what, duration))


# --- the line to the executor -----------------------------------------------------------------------------------------


class Shield:
    """Keeps the signal that ends an attempt from raising in the midst of our own work in the main thread."""

    def __init__(self) -> None:
        self.depth = 1
        self.pending = False
        self.interrupt: Callable[[], None] = lambda: None
        self._main = threading.get_ident()

    def __enter__(self) -> None:
        if threading.get_ident() == self._main:
            self.depth += 1

    def __exit__(self, *_: object) -> None:
        if threading.get_ident() == self._main:
            self.depth -= 1
            self.check()

    def check(self) -> None:
        if self.pending and self.depth == 0 and threading.get_ident() == self._main:
            self.pending = False
            self.interrupt()


class Line:
    """Descriptor 3: frames of a length (four bytes, the highest first) and so many bytes of JSON."""

    def __init__(self, shield: Shield) -> None:
        self.shield = shield
        self.max_frame = 1 << 20
        self.forked = False
        self._numbers = itertools.count(1)
        self._sending = threading.Lock()
        self._news = threading.Condition()
        self._reading = False
        self._buffer = bytearray()
        self._orders: Deque[Dict[str, Any]] = collections.deque()
        self._replies: Dict[int, Dict[str, Any]] = {}
        self._wake, self._waker = os.pipe()
        #: What the process stands on, by descriptor; replaced outputs are put right, and are not among it.
        self.held = {each: file_of(each) for each in (LINE, self._wake, self._waker)}
        os.set_blocking(LINE, True)
        os.set_blocking(self._waker, False)
        self._poll = select.poll()
        self._poll.register(LINE, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)

    def send(self, message: Dict[str, Any]) -> None:
        if self.forked:
            raise RuntimeError("ctx works in the task's own process alone: return to it what it is to tell")
        data = dumps(message).encode("utf-8")
        if len(data) > self.max_frame:
            raise ValueRuleError(
                "%d bytes are more than the %d that can be sent at a time: write them to a file and return the path"
                % (len(data), self.max_frame)
            )
        self.tell(data)

    def tell(self, data: bytes) -> None:
        with self.shield, self._sending:
            self.check()
            send_all(len(data).to_bytes(4, "big") + data)

    def check(self) -> None:
        """Ends the process if a task has closed the line or put another in its place: nobody would hear of more."""
        if file_of(LINE) != self.held[LINE]:
            spoiled(LINE)

    def check_all(self) -> None:
        """The same for all that the next attempt would stand on."""
        for descriptor, file in self.held.items():
            if file_of(descriptor) != file:
                spoiled(descriptor)

    def call(self, seq: int, call: str, /, **arguments: Any) -> Any:
        """Asks the executor something."""
        number = next(self._numbers)
        with self.shield:
            self.send({"t": "call", "id": number, "seq": seq, "call": call, "with": arguments})
            reply = self._receive(lambda: self._replies.pop(number, None))
        if "error" in reply:
            raise revived(reply["error"])
        return reply.get("result")

    def order(self) -> Dict[str, Any]:
        """What the executor wants next."""
        return self._receive(lambda: self._orders.popleft() if self._orders else None)

    def wake(self) -> None:
        """Lets the main thread look whether it is to end, if it waits here. Called by a signal's handler."""
        try:
            os.write(self._waker, b"!")
        except BlockingIOError:
            pass

    def _receive(self, taken: Callable[[], Optional[Dict[str, Any]]]) -> Dict[str, Any]:
        """Whoever waits reads for all."""
        while True:
            with self._news:
                message = taken()
                if message is not None:
                    return message
                if self.shield.pending and self._interruptible():
                    self.shield.pending = False
                    raise Cancelled
                leads = not self._reading
                if leads:
                    self._reading = True
                else:
                    self._news.wait(0.05)
            if leads:
                try:
                    self._read()
                finally:
                    with self._news:
                        self._reading = False
                        self._news.notify_all()

    def _interruptible(self) -> bool:
        return self.shield.depth == 1 and threading.current_thread() is threading.main_thread()

    def _read(self) -> None:
        for descriptor, _ in self._poll.poll():
            if descriptor == self._wake:
                os.read(self._wake, 64)
                continue
            # So much is allocated, however little comes.
            data = os.read(LINE, READ if len(self._buffer) < READ else 16 * READ)
            if not data:
                os._exit(0)
            self._buffer += data
        self._cut()

    def _cut(self) -> None:
        at = 0
        while len(self._buffer) - at >= 4:
            end = at + 4 + int.from_bytes(self._buffer[at : at + 4], "big")
            if len(self._buffer) < end:
                break
            message = json.loads(self._buffer[at + 4 : end])
            at = end
            with self._news:
                if message["t"] == "reply":
                    self._replies[message["id"]] = message
                else:
                    self._orders.append(message)
        del self._buffer[:at]


def file_of(descriptor: int) -> Optional[Tuple[int, int]]:
    """What a descriptor stands for; nothing if it is closed."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def spoiled(descriptor: int) -> None:
    what = "the line to the executor" if descriptor == LINE else "on which its process stands"
    text = "Descriptor %d, %s, was closed or replaced: leave it alone\n" % (descriptor, what)
    try:
        os.write(2, text.encode("ascii"))
    finally:
        os._exit(70)


def send_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(LINE, view) :]
        except BlockingIOError:
            # The task has made the line such that writes don't wait for room.
            os.set_blocking(LINE, True)


def revived(error: Dict[str, Any]) -> Exception:
    name, message, code = error.get("name"), str(error.get("message")), error.get("code")
    made: Exception
    if name == "ConflictError":
        made = ConflictError(message)
    elif name == "TimeoutError":
        made = WaitTimeoutError(message)
    elif name == "TypeError":
        made = TypeError(message)
    else:
        made = StoreError(message)
    if isinstance(made, StoreError) and isinstance(code, str):
        made.code = code
    return made


# --- what a task is given ---------------------------------------------------------------------------------------------


class Wait:
    """A wait with an end: asks again and again, each time for as long as one question may take."""

    def __init__(self, timeout: Duration, what: str) -> None:
        self._seconds = seconds(timeout, "timeout")
        self._until = time.monotonic() + self._seconds
        self._what = what

    def ms(self) -> int:
        """How long the next question may take. Raises when the time is over."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise WaitTimeoutError("%s within %g s" % (self._what, self._seconds))
        return min(POLL_MS, math.ceil(left * 1000))


class Entry(NamedTuple):
    """A value of the store with its version."""

    key: str
    value: Any
    version: int


class Event(NamedTuple):
    """Something published by a task or by the executor."""

    id: int
    type: str
    detail: Any
    at: float
    task: Optional[str]


class Asks:
    """What asks the executor in the name of an attempt."""

    def __init__(self, line: Line, seq: int) -> None:
        self._line = line
        self._seq = seq

    def _call(self, call: str, /, **arguments: Any) -> Any:
        given = {key: value for key, value in arguments.items() if value is not None}
        return self._line.call(self._seq, call, **given)


class Store(Asks):
    """What all tasks of the run share."""

    ConflictError = ConflictError
    Error = StoreError
    ABSENT: Any = object()

    def get(self, key: str, default: Any = None) -> Any:
        found = self.entry(key)
        return default if found is None else found.value

    def entry(self, key: str) -> Optional[Entry]:
        found = self._call("store.get", key=key)
        return None if found is None else Entry(key, decode(found["value"]), found["version"])

    def has(self, key: str) -> bool:
        return self._call("store.get", key=key) is not None

    def set(
        self, key: str, value: Any, *, if_version: Optional[int] = None, expires_in: Optional[Duration] = None
    ) -> int:
        """Returns the new version. `if_version=0`: only if there is no such key."""
        ms = None if expires_in is None else seconds(expires_in, "expires_in") * 1000
        text = encode(value, key)
        return int(self._call("store.set", key=key, value=text, ifVersion=if_version, expiresInMs=ms))

    def delete(self, key: str, *, if_version: Optional[int] = None) -> bool:
        return bool(self._call("store.delete", key=key, ifVersion=if_version))

    def keys(self, prefix: str = "") -> List[str]:
        found: List[str] = []
        cursor: Optional[str] = None
        while True:
            page = self._call("store.keys", prefix=prefix, cursor=cursor)
            found += page["keys"]
            cursor = page.get("cursor")
            if cursor is None:
                return found

    def increment(self, key: str, by: float = 1) -> float:
        return self._call("store.increment", key=key, by=by)  # type: ignore[no-any-return]

    def compare_and_set(self, key: str, expected: Any, value: Any) -> bool:
        """Sets the value only if the present one equals `expected`; `Store.ABSENT`: if there is no such key."""
        known = None if expected is Store.ABSENT else encode(expected, key)
        return bool(self._call("store.compareAndSet", key=key, expected=known, value=encode(value, key)))

    def wait_for(self, key: str, predicate: Optional[Callable[[Any], bool]] = None, *, timeout: Duration = WAIT) -> Any:
        """The first value that satisfies the predicate, the present one included. Without one: any value."""
        wait = Wait(timeout, "The store's %s has not become what was waited for" % json.dumps(key))
        since, ms = 0, 0
        while True:
            change = self._call("store.nextChange", key=key, since=since, timeoutMs=ms)
            if change is not None:
                since = change["version"]
                if "value" in change:
                    value = decode(change["value"])
                    if predicate is None or predicate(value):
                        return value
            ms = wait.ms()


class Events(Asks):
    """Events between the tasks of the run. They are numbered and kept: who asks late with `since` misses nothing."""

    def emit(self, type: str, detail: Any = None) -> int:
        text = None if detail is None else encode(detail, "%s detail" % type)
        return int(self._call("events.emit", type=type, detail=text))

    def on(self, type: str, *, since: Optional[int] = None) -> Iterator[Event]:
        """Events of the type ("*": of all types), from now on or after `since`, without end."""
        start = self._call("events.last") if since is None else since
        return self._events(type, int(start), None)

    def once(self, type: str, *, since: Optional[int] = None, timeout: Duration = WAIT) -> Event:
        wait = Wait(timeout, "No event %s has been emitted" % json.dumps(type))
        start = self._call("events.last") if since is None else since
        return next(self._events(type, int(start), wait))

    def _events(self, type: str, since: int, wait: Optional[Wait]) -> Iterator[Event]:
        ms = 0
        while True:
            page = self._call("events.next", type=type, since=since, timeoutMs=ms)
            if page["missed"]:
                first = since + page["missed"]
                raise StoreError(
                    "Events %d to %d are no longer kept, %s may be among them: go on with since=%d"
                    % (since + 1, first, json.dumps(type), first)
                )
            for event in page["events"]:
                detail = event.get("detail")
                value = None if detail is None else decode(detail)
                task = (event.get("from") or {}).get("task")
                yield Event(event["id"], event["type"], value, event["at"] / 1000, task)
            since = page["upTo"]
            ms = POLL_MS if wait is None else wait.ms()


class Flags(Asks):
    """What all executors of the experiment share, through the gateway."""

    def get(self, name: str, default: Any = None) -> Any:
        text = self._call("flags.get", name=name)
        return default if text is None else decode(text)

    def set(self, name: str, value: Any) -> None:
        self._call("flags.set", name=name, value=encode(value, name))

    def increment(self, name: str, by: float = 1) -> float:
        return self._call("flags.count", name=name, by=by)  # type: ignore[no-any-return]

    def decrement(self, name: str, by: float = 1) -> float:
        return self.increment(name, -by)

    def wait_for(
        self, name: str, predicate: Optional[Callable[[Any], bool]] = None, *, timeout: Duration = WAIT
    ) -> Any:
        wait = Wait(timeout, "Flag %s has not become what was waited for" % json.dumps(name))
        text = self._call("flags.get", name=name)
        while True:
            if text is not None:
                value = decode(text)
                if predicate is None or predicate(value):
                    return value
            changed = self._call("flags.change", name=name, known=text, timeoutMs=wait.ms())
            text = text if changed is None else changed


class Files(Asks):
    """Files that the run keeps: what is too large for a value. No byte of them comes by here."""

    def keep(self, path: "Union[str, os.PathLike[str]]", *, name: Optional[str] = None) -> Dict[str, Any]:
        """Keeps a copy of a regular file as it is now, and gives a value that stands for it."""
        return {"$file": self._told(self._call("files.keep", path=os.path.abspath(os.fspath(path)), name=name))}

    def of(self, task: str) -> List[Dict[str, Any]]:
        """The files that a task's last attempt with any has kept: name, sha256, bytes, and the path to read it at."""
        return self._told(self._call("files.of", task=task))  # type: ignore[no-any-return]

    def path(self, file: Dict[str, Any]) -> str:
        """Where a file that another task has kept can be read."""
        return self._told(self._call("files.path", file=file.get("$file")))  # type: ignore[no-any-return]

    def _told(self, answer: Any) -> Any:
        if not isinstance(answer, dict) or "refused" not in answer:
            return answer
        error = FileError(answer["message"])
        error.code = answer["refused"]
        raise error


class Log:
    """Writes to the combined log: `ctx.log("text")`, or with a level, `ctx.log.warn("text")`."""

    def __init__(self, line: Line, seq: int) -> None:
        self._line = line
        self._seq = seq

    def __call__(self, *texts: object, level: str = "info") -> None:
        if level not in LEVELS:
            raise ValueError("There is no level %r: it is one of %s" % (level, ", ".join(LEVELS)))
        text = " ".join(str(text) for text in texts)
        self._line.send({"t": "log", "seq": self._seq, "level": level, "text": text})

    def debug(self, *texts: object) -> None:
        self(*texts, level="debug")

    def info(self, *texts: object) -> None:
        self(*texts, level="info")

    def warn(self, *texts: object) -> None:
        self(*texts, level="warn")

    warning = warn

    def error(self, *texts: object) -> None:
        self(*texts, level="error")

    def critical(self, *texts: object) -> None:
        self(*texts, level="critical")


class Context:
    """What a task's function is given."""

    def __init__(self, line: Line, run: str, order: Dict[str, Any]) -> None:
        given = order["given"]
        self._line = line
        self._seq: int = order["seq"]
        self._gone = False
        self._skipped: Optional[str] = None
        #: Values of the tasks needed, by the key given to the need; absent where the need has no value.
        self.inputs: Dict[str, Any] = unescaped_each(given.get("i", {}))
        #: The task's params, with those given to the run laid over them.
        self.params: Dict[str, Any] = unescaped_each(given.get("p", {}))
        place = given.get("n")
        #: The item that a mapped task is run for, as in `inputs`; None for any other task.
        self.item: Any = None if place is None else self.inputs[place[1]]
        #: Which item of the list that is, from 0; None for a task that is not mapped.
        self.index: Optional[int] = None if place is None else place[0]
        self.task: str = given["t"]
        self.run = run
        self.iteration: int = order["iteration"]
        self.attempt: int = order["attempt"]
        self.store = Store(line, self._seq)
        self.events = Events(line, self._seq)
        self.flags = Flags(line, self._seq)
        self.files = Files(line, self._seq)
        self.log = Log(line, self._seq)

    @property
    def cancelled(self) -> bool:
        """Whether the attempt is to end. The main thread gets a Cancelled; other threads look here."""
        return self._gone

    @property
    def skipped(self) -> Optional[str]:
        """Why the attempt ends as skipped, once it has said so."""
        return self._skipped

    def progress(self, fraction: float, text: Optional[str] = None) -> None:
        """Shows how far the task is, 0 to 1."""
        message = {"t": "progress", "seq": self._seq, "fraction": finite(float(fraction), "fraction")}
        self._line.send(message if text is None else {**message, "text": str(text)})

    def skip(self, reason: str) -> NoReturn:
        """Ends the attempt as skipped, by raising: it is no failure, and is not tried again."""
        if not isinstance(reason, str):
            raise TypeError("The reason of a skip is a str; received %s" % type(reason).__name__)
        # Nothing is cut off: of a secret only a whole one is found.
        length = len(reason.encode("utf-16-le", "surrogatepass")) // 2
        if not 1 <= length <= MAX_SKIP_REASON:
            raise ValueError("The reason of a skip has 1 to %d characters; received %d" % (MAX_SKIP_REASON, length))
        if self._skipped is None:
            self._skipped = reason
        raise Skipped(reason)

    def previous(self) -> Dict[str, List[Dict[str, Any]]]:
        """All outcomes so far, by task."""
        found: Dict[str, List[Dict[str, Any]]] = decode(self._line.call(self._seq, "previous"))
        return found


def unescaped_each(values: Dict[str, Any]) -> Dict[str, Any]:
    if not values:
        return {}
    with Deep():
        return {key: unescape(value) for key, value in values.items()}


# --- how an attempt ends ----------------------------------------------------------------------------------------------


def error_of(error: BaseException) -> Dict[str, Any]:
    """An exception as data, with those behind it; our own frames are left out."""
    return Telling().error(error, ())


class Telling:
    """Makes data of one exception, with all that is behind it, within bounds; what is left out is counted."""

    def __init__(self) -> None:
        self._errors = 0

    def error(self, error: BaseException, above: Tuple[BaseException, ...]) -> Dict[str, Any]:
        """`above` are those that it is behind."""
        self._errors += 1
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != OWN_FILE]
        shown = frames[-MAX_FRAMES:]
        made: Dict[str, Any] = {
            "name": type(error).__name__,
            "message": text_of(error)[:MAX_TEXT],
            "stack": stack_of(error, shown),
            "frames": [
                {"file": frame.filename, "line": frame.lineno or 0, "function": frame.name, "code": frame.line or ""}
                for frame in shown
            ],
        }
        code = code_of(error)
        if code is not None:
            made["code"] = code
        notes = getattr(error, "__notes__", None)
        if isinstance(notes, list) and notes:
            made["notes"] = [str(note)[:MAX_TEXT] for note in notes[:20]]
        fields, omitted = fields_of(error)
        if fields:
            made["fields"] = fields
        path = (*above, error)
        group = getattr(error, "exceptions", None)
        inner = [each for each in group if isinstance(each, BaseException)] if isinstance(group, (tuple, list)) else []
        errors, left = self._each(inner, path)
        if errors:
            made["errors"] = errors
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        causes, more = self._each([] if cause is None else [cause], path)
        if causes:
            made["cause"] = causes[0]
        if omitted + left + more:
            made["omitted"] = omitted + left + more
        return made

    def _each(self, errors: List[BaseException], path: Tuple[BaseException, ...]) -> Tuple[List[Dict[str, Any]], int]:
        """Those that are told, and how many are not. One that they are behind themselves is told of there."""
        told: List[Dict[str, Any]] = []
        left = 0
        for each in errors:
            if any(each is one for one in path):
                continue
            if len(path) > MAX_CAUSES or self._errors >= MAX_ERRORS:
                left += 1
            else:
                told.append(self.error(each, path))
        return told, left


def stack_of(error: BaseException, frames: List[traceback.FrameSummary]) -> str:
    try:
        only = traceback.format_exception_only(type(error), error)
    except Exception:
        only = [type(error).__name__]
    head = ["Traceback (most recent call last):\n"] if frames else []
    return "".join(head + traceback.format_list(frames) + only)[:MAX_TEXT].rstrip("\n")


def code_of(error: BaseException) -> Union[str, int, None]:
    """What programs know it by: `ENOENT` of an OSError, or what it calls its code."""
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return errno.errorcode.get(error.errno)
    code = getattr(error, "code", None)
    return code if type(code) is str or type(code) is int and abs(code) <= MAX_INTEGER else None


def fields_of(error: BaseException) -> Tuple[Dict[str, Any], int]:
    """What it says of itself beside its text, and how many that can't be told."""
    said: Dict[str, Any] = {}
    for name in FIELDS.get(next((base for base in type(error).__mro__ if base in FIELDS), type(None)), ()):
        said[name] = getattr(error, name, None)
    try:
        said.update(vars(error))
    except TypeError:
        pass
    told: Dict[str, Any] = {}
    omitted = 0
    for name, value in said.items():
        if name.startswith("_") or name in ("code", "exceptions") or value is None:
            continue
        field = field_of(value, name)
        if field is None or len(told) >= MAX_FIELDS:
            omitted += 1
        else:
            told[name] = field
    return told, omitted


def field_of(value: Any, name: str) -> Any:
    """As it is told; None if it can't be."""
    try:
        if isinstance(value, str):
            more = len(value) - MAX_FIELD
            return value if more <= 0 else "%s… (%d more characters)" % (value[:MAX_FIELD], more)
        if isinstance(value, BaseException):
            return ("%s: %s" % (type(value).__name__, text_of(value)))[:MAX_FIELD]
        if isinstance(value, os.PathLike) or isinstance(value, int) and abs(value) > MAX_INTEGER:
            return str(value)[:MAX_FIELD]
        text = encode(value, name)
        return json.loads(text) if len(text) <= MAX_FIELD else None
    except Exception:
        return None


def text_of(error: BaseException) -> str:
    try:
        if isinstance(error, SyntaxError) and error.filename is not None:
            return "%s (%s, line %s, column %s)" % (error.msg, error.filename, error.lineno, error.offset)
        return str(error)
    except Exception as wrong:
        return "<str() of it has raised %s>" % type(wrong).__name__


def exit_code(error: SystemExit) -> int:
    """As the interpreter ends; a text is printed."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


#: What signal.signal calls, without the making of enumerations around it.
set_handler: Any = importlib.import_module("_signal").signal
get_handler: Any = importlib.import_module("_signal").getsignal
set_mask: Any = importlib.import_module("_signal").pthread_sigmask


def write_mark(descriptor: int, mark: bytes) -> None:
    try:
        os.write(descriptor, mark)
    except BlockingIOError:
        # The task has made the pipe such that writes don't wait for room.
        os.set_blocking(descriptor, True)
        os.write(descriptor, mark)
    except OSError:
        # It is closed, of which is told when all are looked at.
        pass


def stream_of(descriptor: int) -> Any:
    """A new stream of an output, where a task has closed the one that there was."""
    raw: Any = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def is_usable(stream: Any) -> bool:
    try:
        return not stream.closed
    except ValueError:
        # What it writes to was taken out of it.
        return False


def threads_left(most: int) -> bool:
    """Whether there are more threads than so many; one that is about to end gets a moment."""
    until = time.monotonic() + ENDING_SECONDS
    while threading.active_count() > most:
        if time.monotonic() >= until:
            return True
        time.sleep(0.002)
    return False


def stop_helpers() -> None:
    """multiprocessing keeps processes of its own, which it starts anew when it needs them."""
    for name, held in (
        ("multiprocessing.forkserver", "_forkserver"),
        ("multiprocessing.resource_tracker", "_resource_tracker"),
    ):
        stop = getattr(getattr(sys.modules.get(name), held, None), "_stop", None)
        if stop is not None:
            try:
                stop()
            except Exception:
                pass


def children_left(patience: float) -> bool:
    """Whether a process that the task has started is left after so many seconds; those that have ended are reaped."""
    until = time.monotonic() + patience
    try:
        while True:
            if os.waitpid(-1, os.WNOHANG)[0] != 0:
                continue
            if time.monotonic() >= until:
                return True
            time.sleep(0.005)
    except ChildProcessError:
        return False


class Runner:
    """The process: it waits for orders and carries them out."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.shield = Shield()
        self.line = Line(self.shield)
        self.context: Optional[Context] = None
        self.loop: Any = None
        self.main_task: Any = None
        self.run_id = ""
        #: One entry for each fork. It is added without a line of Python, which a signal could break off.
        self.forks: List[None] = []
        self.cwd = os.getcwd()
        self.kept = (os.dup(1), os.dup(2))
        self.line.held.update((each, file_of(each)) for each in self.kept)
        self.umask = os.umask(0o022)
        os.umask(self.umask)
        self.streams = (sys.stdout, sys.stderr)
        for stream in self.streams:
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                # By lines, although the interpreter was started with -u, which is for what C code prints.
                reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True, write_through=False)
        #: What every task finds: what a module sets while it is imported stays, since it is imported once.
        self.environment = dict(os.environ)
        self.limit = sys.getrecursionlimit()
        self.shield.interrupt = self.interrupt
        faulthandler.enable(self.kept[1])
        self.handler = self.on_terminate
        signal.signal(signal.SIGTERM, self.handler)
        os.register_at_fork(after_in_parent=functools.partial(self.forks.append, None), after_in_child=self.in_fork)
        #: Every signal that a task may have handled, and what else is as the system has it.
        found = ((number, get_handler(number)) for number in range(1, signal.NSIG))
        self.handlers = tuple((number, handler) for number, handler in found if handler is not None)
        self.mask = set_mask(signal.SIG_BLOCK, ())
        self.priority = os.getpriority(os.PRIO_PROCESS, 0)
        self.group = os.getpgrp()
        threading.Thread(target=self.watch, name="outrider", daemon=True).start()
        self.threads = threading.active_count()

    def work(self) -> None:
        while True:
            order = self.line.order()
            if order["t"] == "setup":
                self.setup(order)
            elif order["t"] == "run":
                self.attempt(order)
            elif order["t"] == "end":
                return

    def setup(self, order: Dict[str, Any]) -> None:
        self.run_id = order["run"]
        self.line.max_frame = order["maxFrameBytes"]
        self.max_value: int = order["maxValueBytes"]
        limit = order.get("memoryBytes")
        if limit is not None:
            import resource

            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        sys.path[:0] = order.get("path", [])
        version = "python %d.%d.%d" % sys.version_info[:3]
        self.line.send({"t": "ready", "protocol": PROTOCOL, "runner": version, "pid": self.pid})

    def attempt(self, order: Dict[str, Any]) -> None:
        self.restore()
        seq = order["seq"]
        self.line.tell(b'{"t":"began","seq":%d}' % seq)
        ended = self.outcome(order)
        self.context = self.loop = self.main_task = None
        self.shield.pending = False
        if os.getpid() != self.pid:
            # A fork of ours has come back from the function as well.
            data = json.dumps({"t": "twice", "seq": seq}).encode("ascii")
            send_all(len(data).to_bytes(4, "big") + data)
            os._exit(70)
        self.flush()
        code = ended.pop("exit", None)
        if code is not None:
            os._exit(code)
        stop_helpers()
        unfit = self.unfit()
        if unfit is not None:
            ended["spent"] = True
            text = "It ended and left %s: its process ends, and the next task gets another" % unfit
            self.line.send({"t": "log", "seq": seq, "level": "warn", "text": text})
        # A fork may be about to come back from the function too, which it says before it ends.
        if children_left(FORK_SECONDS if self.forks else 0):
            ended["left"] = True
        mark = binascii.hexlify(urandom(16)).decode("ascii")
        for descriptor in self.kept:
            write_mark(descriptor, b"\0outrider:%s\n" % mark.encode("ascii"))
        # Whoever reads is woken by the marks, and waits for the rest.
        self.line.check_all()
        done = {"t": "done", "seq": seq, "mark": mark}
        try:
            self.line.send({**done, **ended})
        except ValueRuleError as error:
            self.line.send({**done, "error": error_of(error)})

    def outcome(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """What the function comes to."""
        try:
            context = self.context = Context(self.line, self.run_id, order)
            function = self.function(order["work"])
            value = self.called(function, context)
            if context.skipped is not None:
                # Its code has caught what was raised to end it.
                return {"skipped": context.skipped}
            return {} if value is None else {"value": self.text_of(value, context.task)}
        except Cancelled:
            return {"cancelled": True}
        except Skipped as error:
            skipped = context.skipped
            return {"error": error_of(error)} if skipped is None else {"skipped": skipped}
        except SystemExit as error:
            return {"exit": exit_code(error)}
        except MemoryError as error:
            return {"error": error_of(error), "memory": True}
        except BaseException as error:
            if is_of_skips(error) and context.skipped is not None:
                return {"skipped": context.skipped}
            return {"error": error_of(error)}

    def text_of(self, value: Any, task: str) -> str:
        text = encode(value, task)
        size = len(text) if text.isascii() or len(text) * 4 <= self.max_value else len(text.encode("utf-8"))
        if size <= self.max_value:
            return text
        raise ValueRuleError(
            "%s has %d bytes as JSON, more than the %d that a value may have: write it to a file and return the path"
            % (task, size, self.max_value)
        )

    def function(self, work: Dict[str, Any]) -> Callable[[Context], Any]:
        name: str = work["function"]
        is_new = work["module"] not in sys.modules
        self.lower()
        try:
            module = importlib.import_module(work["module"])
        finally:
            self.shield.depth = 1
        if is_new:
            self.environment = dict(os.environ)
        found = getattr(module, "__file__", None)
        if found != work["file"] and not (found and os.path.samefile(found, work["file"])):
            raise ImportError(
                "%s is hidden by %s: give it another name" % (work["file"], found or "a module of Python's own")
            )
        function = getattr(module, name, None)
        if function is None:
            raise AttributeError("%s has no function %s" % (work["file"], name))
        if not callable(function):
            raise TypeError("%s of %s is a %s and no function" % (name, work["file"], type(function).__name__))
        return function  # type: ignore[no-any-return]

    def called(self, function: Callable[[Context], Any], context: Context) -> Any:
        """Calls it with nothing of ours around it that a signal could cut in two."""
        self.lower()
        try:
            value = function(context)
            return self.awaited(value) if hasattr(value, "__await__") else value
        finally:
            self.shield.depth = 1

    def lower(self) -> None:
        self.shield.depth = 0
        self.shield.check()

    def awaited(self, value: Any) -> Any:
        import asyncio

        async def main() -> Any:
            self.main_task = asyncio.current_task()
            self.loop = asyncio.get_running_loop()
            return await value

        try:
            return asyncio.run(main())
        except asyncio.CancelledError:
            if self.context is not None and self.context.cancelled:
                raise Cancelled from None
            raise

    def restore(self) -> None:
        """Undoes what the last task may have done to what all share."""
        self.forks.clear()
        for at, kept in enumerate(self.kept):
            os.dup2(kept, at + 1)
        if not all(map(is_usable, self.streams)):
            self.streams = (stream_of(1), stream_of(2))
        for name, stream in zip(("stdout", "stderr", "__stdout__", "__stderr__"), self.streams * 2):
            setattr(sys, name, stream)
        sys.setrecursionlimit(self.limit)
        sys.settrace(None)
        sys.setprofile(None)
        gc.enable()
        os.umask(self.umask)
        self.restore_environment()
        self.restore_signals()
        try:
            if os.getcwd() != self.cwd:
                os.chdir(self.cwd)
        except OSError:
            os.chdir(self.cwd)
        linecache.checkcache()

    def restore_environment(self) -> None:
        if os.environ == self.environment:
            return
        for name in [name for name in os.environ if name not in self.environment]:
            del os.environ[name]
        os.environ.update(self.environment)

    def restore_signals(self) -> None:
        """Nothing of a task's is to come in the midst of the next one, and the end of an attempt is to be heard."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.set_wakeup_fd(-1)
        faulthandler.cancel_dump_traceback_later()
        for number, handler in self.handlers:
            if get_handler(number) is not handler:
                set_handler(number, handler)
        set_mask(signal.SIG_SETMASK, self.mask)

    def unfit(self) -> Optional[str]:
        """What makes the process unfit for another task and can't be put right, if there is something."""
        if threads_left(self.threads):
            names = [each.name for each in threading.enumerate()[self.threads :]]
            return "threads running (%s)" % ", ".join(names[:3])[:MAX_NAMES]
        if os.getpgrp() != self.group:
            return "its process group"
        if os.getpriority(os.PRIO_PROCESS, 0) != self.priority:
            return "its process with another priority"
        return None

    def flush(self) -> None:
        for stream in {sys.stdout, sys.stderr, *self.streams}:
            try:
                stream.flush()
            except Exception:
                pass

    def on_terminate(self, *_: object) -> None:
        context = self.context
        if context is None:
            return
        context._gone = True
        if self.shield.depth > 0:
            self.shield.pending = True
            self.line.wake()
        else:
            self.interrupt()

    def interrupt(self) -> None:
        """Ends what the main thread does: a coroutine by its loop, all else by an exception."""
        if self.loop is not None and self.loop.is_running():
            self.loop.call_soon_threadsafe(self.main_task.cancel)
        else:
            raise Cancelled

    def in_fork(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.line.forked = True

    def watch(self) -> None:
        """Ends the process, and what it has started, when its executor is gone."""
        poll = select.poll()
        poll.register(LINE, 0)
        poll.poll()
        if os.getpgrp() == self.pid:
            os.killpg(self.pid, signal.SIGKILL)
        os._exit(0)


if __name__ == "__main__":
    Runner().work()

"""What runs in an environment's process: it answers requests about one framework, one by one.

execnet carries this module's source to the other interpreter, so it uses the standard library and
numpy only, and no syntax newer than Python 3.8. Messages are dicts of plain values.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import inspect
import json
import os
import re
import shutil
import sys
import time
import traceback
import warnings
from typing import Any

MAX_PRINTED = 20000
"""Bytes of output that are kept of one trial: its end."""
NEW_OBJECTS = 100000
"""After so many Python looks for garbage in cycles; by itself it does so hundreds of times in the
import of a framework, which makes none."""


def serve(channel: Any) -> None:
    """Receive the adapter, say what is there, and answer requests until the channel closes."""
    gc.set_threshold(NEW_OBJECTS)
    worker = os.getpid()
    os.register_at_fork(after_in_child=lambda: let_go(channel))
    setup = channel.receive()
    heartbeats = int(os.environ.pop("CONFORM_HEARTBEATS"))
    if setup["heartbeats"] is not None:
        setup["heartbeats"].setcallback(lambda _: os.write(heartbeats, b"."))
    # The supervisor made it and removes it. MindSpore drops files where it runs, and its graph mode
    # reads a Cell's module from its file.
    folder = os.getcwd()
    output = Output(os.path.join(folder, "output.txt"))
    channel.send({"pid": os.getpid(), "folder": folder})
    sys.path.insert(0, folder)
    for name, text in setup["files"].items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    began = time.perf_counter()
    try:
        adapter = importlib.import_module(setup["module"])
        description = adapter.describe()
    except Exception as error:
        end_if_forked(worker)
        if is_absent(setup["framework"], error):
            channel.send({"failure": "%s: %s" % (type(error).__name__, error), "missing": True})
        else:
            channel.send({"failure": traceback.format_exc(limit=-3), "missing": False})
        return
    description["python"] = sys.version.split()[0]
    description["printed"] = output.taken()
    description["seconds"] = time.perf_counter() - began
    channel.send(description)
    # MindSpore collects garbage before it compiles a graph. What was imported is none, and takes
    # 0.1 s to look through each time.
    gc.freeze()
    for text in channel:  # as JSON, since execnet takes dicts apart in Python
        request = json.loads(text)
        asked = request.pop("id")
        channel.send(dict(answer(adapter, request, output), id=asked))
    shutil.rmtree(folder, ignore_errors=True)  # the harness is gone, and perhaps the supervisor


def is_absent(framework: str, error: Exception) -> bool:
    """Whether a failed import means that a framework is not installed; otherwise it is broken.

    On a bare Python numpy, which every adapter imports too, may be the first that is missing.
    """
    return isinstance(error, ModuleNotFoundError) and (
        error.name == framework
        or (error.name == "numpy" and importlib.util.find_spec(framework) is None)
    )


def let_go(channel: Any) -> None:
    """Take the harness's pipes from a forked process: it can neither write nor keep them open."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for file in (channel.gateway._io.infile, channel.gateway._io.outfile):
        os.dup2(nowhere, file.fileno())
    os.close(nowhere)


def end_if_forked(worker: int) -> None:
    """End a process that was forked from the worker and has come back from the framework."""
    if os.getpid() != worker:
        os._exit(0)


def answer(adapter: Any, request: dict[str, Any], output: Output) -> dict[str, Any]:
    """One observation: what was seen, raised, warned of and printed."""
    output.taken()
    sequences: dict[str, Any] = {}

    def report(name: str, rates: Any) -> None:
        if getattr(rates, "ndim", 1) != 1:
            observation["misshapen"] = "%s rates of shape %s" % (name, rates.shape)
            return
        sequences[name] = {"precision": str(rates.dtype), "data": rates.astype("<f8").tobytes()}

    observation: dict[str, Any] = {"sequences": sequences}
    began = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if hasattr(adapter, "prepare"):
                adapter.prepare(request)
            if request["ask"] == "signature":
                observation["signature"] = signature(request["api"])
                observation["deprecation"] = deprecation(request["api"])
            else:
                ranges = request["ranges"]
                steps = [step for start, stop in ranges for step in range(start, stop)]
                adapter.run(dict(request, steps=steps), report)
        except Exception as error:
            if getattr(error, "misshapen", False):
                observation["misshapen"] = plain(error)
            else:
                observation["raised"] = {
                    "type": type(error).__name__,
                    "bases": [base.__name__ for base in type(error).__mro__[1:-1]],
                    "message": plain(error),
                }
    observation["seconds"] = time.perf_counter() - began
    said = ["%s: %s" % (w.category.__name__, plain(w.message)) for w in caught]
    observation["warnings"] = list(dict.fromkeys(said))
    observation["printed"] = output.taken()
    return observation


def plain(message: object) -> str:
    """A text that can be sent, whatever an exception's own text does."""
    try:
        return str(message)[:MAX_PRINTED].encode("utf-8", "replace").decode("utf-8")
    except Exception as error:
        return "(its text cannot be had: %s)" % type(error).__name__


def signature(api: str) -> list[dict[str, Any]]:
    """Name, kind and default of every parameter of a public API, without `self`."""
    target = resolved(api)
    skip = 0
    if inspect.isclass(target):
        target, skip = target.__init__, 1
    parameters = list(inspect.signature(target).parameters.values())[skip:]
    return [
        {
            "name": parameter.name,
            "kind": parameter.kind.name,
            "default": None
            if parameter.default is inspect.Parameter.empty
            else repr(parameter.default),
        }
        for parameter in parameters
    ]


def deprecation(api: str) -> str:
    """The first line of an API's documentation that speaks of its end."""
    lines = (inspect.getdoc(resolved(api)) or "").splitlines()
    said = [line.strip() for line in lines if re.search("deprecated|will be removed", line)]
    return said[0] if said else ""


def resolved(api: str) -> Any:
    """What a full name stands for."""
    module, _, name = api.rpartition(".")
    return getattr(importlib.import_module(module), name)


class Output:
    """What the process writes to its standard output and error, by Python or below it.

    The file holds what came since the last call of `taken`, so that after a crash it holds the
    last words of the trial.
    """

    def __init__(self, path: str) -> None:
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for descriptor in (1, 2):
            os.dup2(target, descriptor)
        os.close(target)
        sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)
        sys.stderr = open(2, "w", encoding="utf-8", errors="replace", closefd=False)
        self._file = open(path, "rb")
        self._worker = os.getpid()

    def taken(self) -> str:
        """What came since the last call; for the worker alone, and not for what it forks."""
        end_if_forked(self._worker)
        sys.stdout.flush()
        sys.stderr.flush()
        self._file.seek(max(0, os.fstat(1).st_size - MAX_PRINTED))
        text = self._file.read().decode("utf-8", "replace")
        os.ftruncate(1, 0)
        return text


if __name__ == "__channelexec__":
    _worker = os.getpid()
    try:
        serve(globals()["channel"])  # execnet puts it there
    finally:
        end_if_forked(_worker)

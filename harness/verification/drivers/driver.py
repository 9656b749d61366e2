"""Steps what a user's `build` returns through a training, and writes down its rates.

Run as `python driver.py FOLDER`: `FOLDER/request.json` says what to run. Each sequence of rates
grows in a file of float64 of its own, `events.jsonl` says what happens, and what the script prints
goes to `output.txt`, so that whatever kills the process leaves what it has seen.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.util
import inspect
import json
import linecache
import os
import shutil
import sys
import sysconfig
import threading
import time
import traceback
from typing import Any

with contextlib.suppress(ImportError):  # `main` says so
    import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
FLUSH_UPDATES, FLUSH_SECONDS = 1000, 0.5
"""How many updates, or for how long, rates are kept before they are written."""
KEYS = {
    "optimizer", "scheduler", "schedulers", "learning_rate", "per", "metrics", "save", "load",
}  # fmt: skip


class Unusable(Exception):
    """What `build` returned cannot be run: a sentence for its author."""


class Made:
    """What `build` returned, by its parts.

    `per` has one entry for each scheduler, "epoch" or "step"; `metrics` gives the metric of a
    scheduler's n-th step; `save` and `load` are the script's own way to resume.
    """

    def __init__(self, optimizer: Any, schedulers: list[Any], options: dict[str, Any]) -> None:
        self.optimizer = optimizer
        self.schedulers = schedulers
        self.per: list[str] = options["per"]
        self.metrics: Any = options.get("metrics")
        self.save: Any = options.get("save")
        self.load: Any = options.get("load")
        self.stepped = [0 for _ in schedulers]
        for scheduler in schedulers:
            if self.metrics is None and _wants_metric(scheduler):
                raise Unusable(
                    "%s.step() wants a metric: let build return a mapping with 'metrics', a list "
                    "or a function of the number of steps made" % type(scheduler).__name__
                )

    def advance(self, done: int, steps_per_epoch: int) -> bool:
        """Step each scheduler that is due after `done` updates; whether any was."""
        stepped = False
        for number, scheduler in enumerate(self.schedulers):
            if self.per[number] == "epoch" and done % steps_per_epoch:
                continue
            scheduler.step(*self._metric(scheduler, self.stepped[number]))
            self.stepped[number] += 1
            stepped = True
        return stepped

    def _metric(self, scheduler: Any, count: int) -> list[Any]:
        if not _wants_metric(scheduler):
            return []
        return [self.metrics(count) if callable(self.metrics) else self.metrics[count]]


def _wants_metric(scheduler: Any) -> bool:
    return "metrics" in inspect.signature(scheduler.step).parameters


def parts_of(returned: Any) -> tuple[list[Any], dict[str, Any]]:
    """What a `build` may return as a list of objects, and the options of the protocol."""
    if dataclasses.is_dataclass(returned) and not isinstance(returned, type):
        names = [field.name for field in dataclasses.fields(returned)]
        returned = {name: getattr(returned, name) for name in names}
    elif hasattr(returned, "_asdict"):
        returned = returned._asdict()
    if not isinstance(returned, dict):
        return (list(returned) if isinstance(returned, tuple) else [returned]), {}
    options = {key: value for key, value in returned.items() if key in KEYS}
    if not options:
        raise Unusable(
            "build returned a mapping with the keys %s; known are %s"
            % (", ".join(sorted(map(str, returned))) or "(none)", ", ".join(sorted(KEYS)))
        )
    parts: list[Any] = []
    for key in ("optimizer", "learning_rate", "scheduler", "schedulers"):
        value = options.pop(key, None)
        if value is not None:
            parts.extend(value if key == "schedulers" else [value])
    return parts, options


def with_per(options: dict[str, Any], schedulers: list[Any], asked: str | None) -> dict[str, Any]:
    """The options with `per` as one word for each scheduler; the command line goes first."""
    per = asked or options.get("per") or "epoch"
    words = [per] * len(schedulers) if isinstance(per, str) else list(per)
    given = {per} if isinstance(per, str) else set(words)
    if len(words) != len(schedulers) or not given <= {"epoch", "step"}:
        raise Unusable(
            "'per' is %r; 'epoch' or 'step' was due, or a list of them, one for each of the %d "
            "schedulers" % (options.get("per"), len(schedulers))
        )
    return dict(options, per=words)


def is_scheduler(value: Any) -> bool:
    """Whether it can be stepped as one; a scheduler of one's own need not derive from theirs."""
    return callable(getattr(value, "step", None)) and not hasattr(value, "zero_grad")


def types_of(parts: list[Any]) -> str:
    """What was returned, by the packages and names of its types."""
    names = ["%s's %s" % (type(p).__module__.split(".")[0], type(p).__name__) for p in parts]
    return ", ".join(names).replace("builtins's ", "") or "nothing"


def check_is_another(old: Any, new: Any) -> None:
    """A training that goes on in a new process has new objects; so is it here."""
    if old is new:
        raise Unusable(
            "build returned the same %s again; to resume, it has to make a new one with each call"
            % type(old).__name__
        )


class Script:
    """The user's file and function."""

    def __init__(self, place: str, function: str, is_file: bool) -> None:
        if is_file:
            sys.path.insert(0, os.path.dirname(os.path.abspath(place)))
            name = os.path.splitext(os.path.basename(place))[0]
            # Under its own name, since MindSpore reads the source of what it compiles.
            spec = importlib.util.spec_from_file_location(name, place)
            assert spec is not None and spec.loader is not None
            self.module = importlib.util.module_from_spec(spec)
            sys.modules[name] = self.module
            sys.argv = [place]
            spec.loader.exec_module(self.module)
        else:
            sys.path.insert(0, os.getcwd())
            self.module = importlib.import_module(place)
        self.function = getattr(self.module, function, None)

    def names(self) -> list[str]:
        """The functions that it has."""
        return [
            name
            for name, value in vars(self.module).items()
            if callable(value) and getattr(value, "__module__", None) == self.module.__name__
        ]

    def build(self, start_step: int = 0) -> Any:
        """Call `build`, and tell it at which update the training goes on if it wants to know."""
        assert self.function is not None
        if "start_step" in inspect.signature(self.function).parameters:
            return self.function(start_step=start_step)
        return self.function()

    @property
    def resumes_by_itself(self) -> bool:
        """Whether `build` takes the number of the update at which the training goes on."""
        return "start_step" in inspect.signature(self.function or (lambda: None)).parameters


class Recording:
    """The folder in which the rates grow."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._events = open(os.path.join(folder, "events.jsonl"), "a", encoding="utf-8")
        self._files: dict[str, Any] = {}
        self._rates: dict[str, list[Any]] = {}
        self._kept = 0
        self._since = time.monotonic()
        self._notes: set[str] = set()

    def say(self, event: str, **more: Any) -> None:
        """One event, at once."""
        self._events.write(json.dumps(dict(more, event=event)) + "\n")
        self._events.flush()

    def note(self, text: str) -> None:
        """Something that a reader of the report has to know, once."""
        if text not in self._notes:
            self._notes.add(text)
            self.say("note", text=text)

    def add(self, rates: dict[str, Any]) -> None:
        """The rates of one update or of several, by the names of the sequences."""
        for name, values in rates.items():
            self._rates.setdefault(name, []).extend(values)
        self._kept += len(next(iter(rates.values()), []))
        if self._kept >= FLUSH_UPDATES or time.monotonic() - self._since > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is kept. A sequence's file appears with its first rates."""
        for name, values in self._rates.items():
            if name not in self._files:
                path = os.path.join(self.folder, name + ".f8")
                self._files[name] = open(path, "ab", buffering=0)
            self._files[name].write(np.asarray(values, dtype="<f8").tobytes())
            values.clear()
        self._kept, self._since = 0, time.monotonic()


def run(request: dict[str, Any], recording: Recording) -> None:
    """Load the script, build what it trains with, and step it to the end."""
    sys.path.insert(0, HERE)
    framework = importlib.import_module("%s_driver" % request["framework"])
    sys.path.remove(HERE)
    framework.prepare()
    script = Script(request["place"], request["function"], request["is_file"])
    if script.function is None or not callable(script.function):
        recording.say(
            "unusable", what="no function", function=request["function"], known=script.names()
        )
        return
    training = framework.begin(script, request, recording)
    recording.say("started", **training.description())
    resumptions = set(request["resume_at"])
    steps_per_epoch = request["steps_per_epoch"]
    for update in range(request["steps"]):
        if update in resumptions:
            training.settle()
            training = training.resumed(script, update)
        training.update()
        training.advance(update + 1, steps_per_epoch)
    training.settle()
    recording.flush()
    recording.say("done")


def failure(error: BaseException) -> dict[str, Any]:
    """An exception for its author: its type and text, and the frames that are theirs."""
    theirs, raised_in = [], ""
    not_theirs = (HERE, sysconfig.get_paths()["stdlib"], *_site_packages(), "<frozen")
    for frame in traceback.extract_tb(error.__traceback__):
        inside = frame.filename.startswith(not_theirs)
        if not inside:
            line = linecache.getline(frame.filename, frame.lineno or 0).strip()
            theirs.append([frame.filename, frame.lineno, frame.name, line])
        raised_in = "%s:%s" % (frame.filename, frame.lineno) if inside else ""
    if isinstance(error, SyntaxError) and error.filename:
        theirs.append([error.filename, error.lineno, "", (error.text or "").strip()])
    return {
        "text": in_short(error),
        "frames": theirs[-8:],
        "raised_in": raised_in,
        "missing": getattr(error, "name", None) if isinstance(error, ImportError) else None,
    }


def in_short(error: BaseException) -> str:
    """An exception's type and the first line of its text that says something."""
    lines = [line.strip() for line in str(error).splitlines()]
    # MindSpore frames its headings in dashes, and says the matter below them.
    saying = [line for line in lines if line.strip("-") and not line.startswith("- ")]
    return ": ".join([type(error).__name__, *saying[:1]])


def _site_packages() -> list[str]:
    paths = sysconfig.get_paths()
    return [paths["purelib"], paths["platlib"]]


def _die_with(parent: int, folder: str) -> None:
    """End this process when the one that started it is gone, whatever the script is doing."""
    while os.getppid() == parent:
        time.sleep(1.0)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def main() -> None:
    """The program."""
    folder = os.path.abspath(sys.argv[1])
    sys.path.remove(HERE)
    with open(os.path.join(folder, "request.json"), encoding="utf-8") as file:
        request = json.load(file)
    # Where MindSpore puts a graph that it cannot compile, instead of beside the script.
    os.environ.setdefault("MS_OM_PATH", folder)
    threading.Thread(target=_die_with, args=(request["parent"], folder), daemon=True).start()
    recording = Recording(folder)
    try:
        importlib.import_module("numpy")
        run(request, recording)
    except Unusable as error:
        recording.flush()
        recording.say("unusable", what=str(error))
    except BaseException as error:
        recording.flush()
        recording.say("failed", **failure(error))
    sys.stdout.flush()
    sys.stderr.flush()
    # A framework's own threads may keep a process that has said all it had to say.
    os._exit(0)


if __name__ == "__main__":
    # The framework's module imports this one, and is to find the same classes.
    sys.modules["driver"] = sys.modules["__main__"]
    main()

"""Steps what a user's `build` returns through a training, and writes down its rates.

`FOLDER/request.json` says what to run. Each sequence of rates grows in a file of float64 of its
own, `events.jsonl` says what happens, and what the script prints goes to `output.txt`, so that
whatever kills the process leaves what it has seen.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import json
import os
import shutil
import signal
import sys
import threading
import time
from typing import Any

with contextlib.suppress(ImportError):  # `main` says so
    from .recording import Recording, failure
    from .returned import Unusable

POLL_SECONDS = 0.5


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
        if self.resumes_by_itself:
            return self.function(start_step=start_step)
        return self.function()

    @property
    def resumes_by_itself(self) -> bool:
        """Whether `build` takes the number of the update at which the training goes on."""
        return "start_step" in inspect.signature(self.function or (lambda: None)).parameters


def run(request: dict[str, Any], recording: Any) -> None:
    """Load the script, build what it trains with, and step it to the end."""
    framework = importlib.import_module(".%s_driver" % request["framework"], __package__)
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
    for scheduler, steps in zip(training.made.schedulers, training.made.stepped):
        if not steps:
            recording.note("%s was never stepped in this time" % type(scheduler).__name__)
    recording.say("done")


def _watch(parent: int, folder: str) -> None:
    """End all that was started here when the one that asked is gone."""
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    # The other script's folder lies beside this one's.
    shutil.rmtree(os.path.dirname(folder), ignore_errors=True)
    with contextlib.suppress(OSError):
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main(folder: str) -> None:
    """The program."""
    folder = os.path.abspath(folder)
    with open(os.path.join(folder, "request.json"), encoding="utf-8") as file:
        request = json.load(file)
    watch = (request["parent"], folder)
    threading.Thread(target=_watch, args=watch, daemon=True).start()
    # Where MindSpore puts a graph that it cannot compile, instead of beside the script.
    os.environ.setdefault("MS_OM_PATH", folder)
    try:
        importlib.import_module("numpy")
    except ImportError as error:
        _say_missing(folder, error)
        return
    _run(request, folder)


def _say_missing(folder: str, error: ImportError) -> None:
    event = {"event": "failed", "text": str(error), "frames": [], "raised_in": ""}
    with open(os.path.join(folder, "events.jsonl"), "w", encoding="utf-8") as file:
        file.write(json.dumps(dict(event, missing="numpy")) + "\n")


def _run(request: dict[str, Any], folder: str) -> None:
    recording = Recording(folder)
    try:
        run(request, recording)
    except Unusable as error:
        recording.say("unusable", what=str(error))
    except BaseException as error:
        recording.say("failed", **failure(error))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    # A framework's own threads may keep a process that has said all it had to say.
    os._exit(0)

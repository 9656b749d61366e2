"""What is seen of a script, written to files as it comes."""

from __future__ import annotations

import json
import linecache
import os
import struct
import sysconfig
import traceback
from typing import Any, Dict

from .returned import coarsest

HERE = os.path.dirname(os.path.abspath(__file__))
FLOAT64 = struct.Struct("<d")
LONGEST_TEXT = 500


class Recording:
    """The folder in which the rates grow; each is written at once, whatever happens next.

    A process that the script forks is not the one that was asked: it ends instead of answering.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._process = os.getpid()
        self._events = open(os.path.join(folder, "events.jsonl"), "a", encoding="utf-8")
        self._files: Dict[str, Any] = {}
        self._precision: Dict[str, str] = {}
        self._seen = 0
        self._notes: set[str] = set()

    def end_if_forked(self) -> None:
        """End this process if it is not the one that was asked."""
        if os.getpid() != self._process:
            os._exit(0)

    def say(self, event: str, **more: Any) -> None:
        """One event, at once."""
        self.end_if_forked()
        self._events.write(json.dumps(dict(more, event=event)) + "\n")
        self._events.flush()

    def note(self, text: str) -> None:
        """Something that a reader of the report has to know, once."""
        if text not in self._notes:
            self._notes.add(text)
            self.say("note", text=text)

    def add(self, rates: Dict[str, float], precision: Dict[str, str]) -> None:
        """The rates of one update by the names of the sequences, and how each is held."""
        for name, held in precision.items():
            if self._precision.get(name) != held:
                self._hold(name, held)
        self.end_if_forked()
        for name, value in rates.items():
            if name not in self._files:
                path = os.path.join(self.folder, name + ".f8")
                self._files[name] = open(path, "ab", buffering=0)
            self._files[name].write(FLOAT64.pack(value))
        self._seen += 1

    def _hold(self, name: str, held: str) -> None:
        """From now on a sequence is held so; it is compared in the coarsest of its precisions."""
        before = self._precision.get(name, held)
        held = coarsest((before, held))
        if self._precision.get(name) == held:
            return
        if name in self._precision:
            self.note(
                "%s: %s before update %d, and %s from there on; compared as %s"
                % (name, before, self._seen, held, held)
            )
        self._precision[name] = held
        self.say("precision", name=name, precision=held)


def failure(error: BaseException) -> Dict[str, Any]:
    """An exception for its author: its type and text, and the frames that are theirs."""
    theirs, raised_in = [], ""
    paths = sysconfig.get_paths()
    not_theirs = (HERE, paths["stdlib"], paths["purelib"], paths["platlib"], "<frozen")
    for frame in traceback.extract_tb(error.__traceback__):
        inside = frame.filename.startswith(not_theirs)
        if not inside:
            line = linecache.getline(frame.filename, frame.lineno or 0).strip()
            theirs.append([printable(frame.filename), frame.lineno, frame.name, printable(line)])
        raised_in = "%s:%s" % (frame.filename, frame.lineno) if inside else ""
    if isinstance(error, SyntaxError) and isinstance(error.filename, str):
        text = error.text if isinstance(error.text, str) else ""
        number = error.lineno if isinstance(error.lineno, int) else 0
        theirs.append([printable(error.filename), number, "", printable(text.strip())])
    name = getattr(error, "name", None) if isinstance(error, ImportError) else None
    return {
        "text": in_short(error),
        "frames": theirs[-8:],
        "raised_in": raised_in,
        "missing": name if isinstance(name, str) else None,
    }


def in_short(error: BaseException) -> str:
    """An exception's type and the first line of its text that says something."""
    try:
        lines = [line.strip() for line in str(error).splitlines()]
    except BaseException as another:
        return "%s, whose text cannot be shown: its __str__ raises %s" % (
            type(error).__name__,
            type(another).__name__,
        )
    # MindSpore frames its headings in dashes, and says the matter below them.
    saying = [line for line in lines if line.strip("-") and not line.startswith("- ")]
    return printable(": ".join([type(error).__name__, *saying[:1]]))


def printable(value: Any) -> str:
    """A text that every terminal can be given, and not too long."""
    text = str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 3] + "..."

"""Every error that a user can see: what is wrong, where, and the remedy."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any


class ConformError(Exception):
    """Ends a command with `exit_code` and its own text, without a traceback."""

    exit_code = 2


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with one case file.

    `line` counts from 1; `key` is the path inside the file, such as `cases[0].schedule.base_lr`.
    """

    file: str
    line: int
    key: str
    what: str
    remedy: str

    def __str__(self) -> str:
        key = f" {self.key}:" if self.key else ""
        return f"{self.file}:{self.line}:{key} {self.what}\n    remedy: {self.remedy}"


class InvalidCases(ConformError):
    """At least one case file cannot be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class NoCurrentFolder(ConformError):
    """The folder that the command was called in cannot be used."""

    def __init__(self, error: OSError) -> None:
        gone = isinstance(error, FileNotFoundError)
        what = "was deleted" if gone else f"cannot be used: {error.strerror}"
        super().__init__(f"the current folder {what}; go to another one (cd), and call it there")


class EnvironmentsUnusable(InvalidCases):
    """The file that declares environments cannot be used."""


class EnvironmentUnmakable(ConformError):
    """An environment that could not be made: `missing` where it lacks no more than a Python."""

    def __init__(self, name: str, what: str, missing: bool = False) -> None:
        self.name, self.what, self.missing = name, what, missing
        super().__init__(f"environment {name}: {what}")


FEW = 10
"""So many names stand in an error themselves."""
_LISTED = {
    "case": "conform list cases",
    "device": "conform list targets",
    "environment": "conform environments list",
    "implementation": "conform list implementations",
}


class UnknownName(ConformError):
    """A name on the command line that fits nothing."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name = kind, name
        known = sorted(known)
        listed = _LISTED.get(kind) if len(known) >= FEW else None
        hint = f"; see: {listed}" if listed else f"; there are: {', '.join(known)}"
        super().__init__(f"no {kind} fits {name!r}{did_you_mean(name, known) or hint}")


class NothingSelected(ConformError):
    """The options leave no trial to run."""


class NothingToRun(ConformError):
    """No framework could be started, so not a single trial was run."""

    exit_code = 3


class EnvironmentUnusable(ConformError):
    """What was said of an environment cannot be used, whatever there is at the other end."""

    def __init__(self, name: str, key: str, what: str, remedy: str) -> None:
        self.name, self.key, self.what, self.remedy = name, key, what, remedy
        super().__init__(f"environment {name!r}: {key}: {what}\n    remedy: {remedy}")


class DeviceAbsent(ConformError):
    """A device that was asked for is in no environment: nothing could be run on it."""

    exit_code = 3

    def __init__(self, pattern: str, reasons: Iterable[str]) -> None:
        listed = "\n".join(f"  {reason}" for reason in reasons)
        super().__init__(
            f"no device here fits {pattern!r}, so nothing was run:\n{listed}\n"
            "remedy: ask for a device that is here, or go where this one is; "
            "see: conform list targets"
        )


class ScriptUnusable(ConformError):
    """A user's script that is not there, raises, returns the wrong thing, hangs or crashes."""


class TraceUnreadable(ConformError):
    """What was to be a trace is none, or holds what no trace may."""


class Untranslatable(ConformError):
    """A call that cannot be written anew: it is not understood, or no schedule of the catalogue."""

    def __init__(self, where: str, what: str) -> None:
        short = where if len(where) <= 200 else f"{where[:197]}..."
        super().__init__(f"{short}: {what}")


class ReportUnwritable(ConformError):
    """The folder for the report cannot be written."""


class ReportUnreadable(ConformError):
    """What was to be a report is none, or none that this version of the suite reads."""


class ReportsDisagree(ConformError):
    """Reports that cannot be made one: they speak of different things by the same name."""


class NoBaseline(ConformError):
    """There is no baseline to compare with."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"there is no baseline {path}; to make one of a run that is as it should be: "
            f"conform baseline update --baseline {typed(path)}"
        )


class BaselineUnusable(ConformError):
    """A baseline that cannot be read or written."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        super().__init__(
            f"{path} {what}; restore it, or replace it, whatever it held: "
            f"conform baseline update --allow-missing '*' --baseline {typed(path)}"
        )


class OldBaseline(BaselineUnusable):
    """A baseline of an earlier format; `trials` are those that it holds, by their ids."""

    def __init__(self, path: Path, number: int, reads: int, trials: Any) -> None:
        self.path, self.trials = path, trials if isinstance(trials, dict) else {}
        ConformError.__init__(
            self,
            f"{path} has the format {number}, and this suite reads {reads}; to rewrite it: "
            f"conform run && conform baseline update --baseline {typed(path)}",
        )


class DuplicateKey(ConformError):
    """A key that stands twice in one object of a JSON file."""

    def __init__(self, key: str) -> None:
        super().__init__(f"has the key {key!r} twice")


class DurationsUnusable(ConformError):
    """A file of durations that cannot be read or written."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"{path} {what}; to make it anew: remove it, and conform run && conform baseline update"
        )


class PartialReport(ConformError):
    """A report on a part of the suite, where the whole was due."""


class UnfitForBaseline(ConformError):
    """A report in which something is amiss that a baseline is not to hold."""

    exit_code = 1


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest of `known`, or an empty text."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def typed(path: object) -> str:
    """A path as a word of a command that somebody may copy.

    >>> typed("my runs/a"), typed("-x"), typed("runs/a")
    ("'my runs/a'", './-x', 'runs/a')
    """
    word = str(path)
    return shlex.quote(f"./{word}" if word.startswith("-") else word)

"""One of the two scripts: where it is, and how it is to be run."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.errors import NothingToRun, ScriptUnusable, did_you_mean

FUNCTION = "build"
"""The function that is called where none is named."""


@dataclass(frozen=True)
class Side:
    """A function that returns what a script trains with, and the interpreter that runs it.

    `place` is a Python file, or the name of a module; `stepping` ("epoch", "step") and `mode`
    ("graph", "jit", "pynative") are None where the script decides.
    """

    framework: str
    place: str
    function: str = FUNCTION
    python: str = sys.executable
    stepping: str | None = None
    mode: str | None = None

    @property
    def is_file(self) -> bool:
        """Whether it is a file, and not a module to be imported."""
        return self.place.endswith(".py")

    @property
    def source(self) -> str:
        """As people write it."""
        return f"{self.place}:{self.function}"


def side(
    framework: str,
    text: str,
    python: str | None = None,
    stepping: str | None = None,
    mode: str | None = None,
) -> Side:
    """The side that `FILE.py`, `FILE.py:FUNCTION` or `package.module:FUNCTION` names.

    Raises:
        ScriptUnusable: there is no such file.
        NothingToRun: there is no such interpreter.

    >>> side("torch", "package.training:make").source
    'package.training:make'
    """
    place, colon, function = text.rpartition(":")
    if not colon or not function.isidentifier():
        place, function = text, FUNCTION
    interpreter = shutil.which(python) if python else sys.executable
    if interpreter is None:
        raise NothingToRun(f"there is no interpreter {python!r} to run {text} with")
    if not place.endswith(".py") and not all(map(str.isidentifier, place.split("."))):
        raise ScriptUnusable(f"{place} is neither a Python file nor the name of a module")
    found = Side(framework, place, function, interpreter, stepping, mode)
    if found.is_file and not Path(place).is_file():
        folder = Path(place).parent
        beside = [str(path) for path in sorted(folder.glob("*.py"))]
        raise ScriptUnusable(f"there is no file {place}{did_you_mean(place, beside)}")
    return found

"""The commands in a document, with the output that it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# What may be another number elsewhere: with a decimal point or an exponent, and versions.
_UNSTABLE = re.compile(r"\d+(\.\d+)+([+\w]*)?(e[-+]?\d+)?|\d+e[-+]?\d+|0\b")


@dataclass(frozen=True)
class Command:
    """A command, and the lines that follow it in its block."""

    line: int
    text: str
    shown: tuple[str, ...]


def commands(document: Path) -> Iterator[Command]:
    """Each indented block that begins with `$`."""
    lines = document.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        if not lines[at].startswith("    $ "):
            at += 1
            continue
        end = at + 1
        while end < len(lines) and lines[end].startswith("    ") and "    $ " not in lines[end]:
            end += 1
        yield Command(at + 1, lines[at][6:], tuple(line[4:] for line in lines[at + 1 : end]))
        at = end


def stable(lines: tuple[str, ...]) -> list[str]:
    """The lines without what is another number on another machine."""
    masked = (re.sub(r"(error #.*) at update [\d,]+", r"\1", _UNSTABLE.sub("#", s)) for s in lines)
    return [line.rstrip() for line in masked]

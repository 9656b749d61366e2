"""Reading files that a user names or keeps among others: regular ones only, up to a size.

A named pipe may never answer and a device may never end, so neither is opened.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

MOST = 1 << 30
"""Bytes that a file may have where its reader says no other limit."""
PART = 1 << 20
"""Bytes that are read at a time."""
PIPE = "a named pipe"
_KINDS = {
    stat.S_IFIFO: PIPE,
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class TooLarge(OSError):
    """A file of more bytes than its reader takes."""

    def __init__(self, path: Path, most: int) -> None:
        self.what = f"larger than {most:,} bytes"
        super().__init__(errno.EFBIG, self.what, str(path))


def special(mode: int) -> str:
    """What a file is that is neither a regular one nor a folder, by its mode; otherwise empty.

    >>> special(stat.S_IFIFO | 0o600), special(stat.S_IFREG | 0o600)
    ('a named pipe', '')
    """
    return _KINDS.get(stat.S_IFMT(mode), "")


def special_at(path: Path) -> str:
    """The same by its path, links followed; empty where nothing is there."""
    try:
        return special(path.stat().st_mode)
    except OSError:
        return ""


def read_bytes(path: Path, most: int = MOST) -> bytes:
    """The content of a regular file.

    Raises:
        TooLarge: it has more than `most` bytes; it is not read to its end.
        OSError: it cannot be read, or is not a regular file.
    """
    _check(path, path.stat(), most)
    # Path.open takes no opener.
    with open(path, "rb", opener=_without_waiting) as file:
        _check(path, os.fstat(file.fileno()), most)  # it may be another one by now
        parts, left = [], most
        while part := file.read(PART):  # files of /proc have more than their size, which is 0
            left -= len(part)
            if left < 0:
                raise TooLarge(path, most)
            parts.append(part)
    return b"".join(parts)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _check(path: Path, about: os.stat_result, most: int) -> None:
    kind = special(about.st_mode)
    if kind:
        raise OSError(errno.EINVAL, f"it is {kind}, not a file", str(path))
    if stat.S_ISREG(about.st_mode) and about.st_size > most:
        raise TooLarge(path, most)


_made: list[Path] = []
_undone: list[Callable[[], None]] = []


def when_interrupted(undo: Callable[[], None]) -> None:
    """Have something undone if the command is interrupted."""
    _undone.append(undo)


def interrupted() -> None:
    """Undo what is to be undone where a command is interrupted."""
    while _undone:
        _undone.pop()()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; if they stay empty, `remove_empty` takes them away.

    Raises:
        OSError: it cannot be made.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    _made.extend(reversed(missing))
    folder.mkdir(parents=True, exist_ok=True)


def remove_empty() -> None:
    """Take the folders away that `make_folder` has made, and nobody has put anything into.

    It is the end of the command: what was to be undone stays.
    """
    _undone.clear()
    while _made:
        with suppress(OSError):
            _made.pop().rmdir()

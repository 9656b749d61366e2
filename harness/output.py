"""What is written to the terminal: it cannot act on it, and a stream that fails ends no run.

What cases, frameworks and files say is data. On its way out each character that a terminal would
obey, or that hides or turns others, is replaced by one that can be seen; and no line begins like a
command to the CI system that reads the log.
"""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from harness.faults import SPACE

_COMMAND = re.compile(r"^([^\S\n]*):(?=:)", re.MULTILINE)
_OLD_COMMAND = re.compile(r"##(?=\w*\[)")
_HIDDEN = {"Cc", "Cf", "Zl", "Zp"}


class _Shown(dict[int, int | None]):
    """Code point to the one that is shown, worked out when it is first met."""

    def __missing__(self, code: int) -> int | None:
        shown = code
        if unicodedata.category(chr(code)) in _HIDDEN and chr(code) not in "\n\t":
            shown = 0x2400 + code if code < 0x20 else 0x2421 if code == 0x7F else 0xFFFD
        self[code] = shown
        return shown


_SHOWN = _Shown()


def neutral(text: str) -> str:
    """A text that a terminal and a CI system's log show, and do not obey.

    >>> neutral("a\\x1b[2Jb\\r\\u202ec")
    'a␛[2Jb␍�c'
    >>> neutral("  ::error::x, and ##[group]y")
    '  : :error::x, and # #[group]y'
    """
    shown = _COMMAND.sub(r"\1: ", text.translate(_SHOWN))
    return _OLD_COMMAND.sub("# #", shown)


def escaped(json: str) -> str:
    """JSON whose texts have no character that `neutral` would replace: it is escaped instead.

    >>> escaped('"a\\u202eb"')
    '"a\\\\u202eb"'
    """
    if json.isascii():
        return json
    return "".join(
        f"\\u{ord(c):04x}" if ord(c) > 0x7E and _SHOWN[ord(c)] != ord(c) else c for c in json
    )


class Stream(io.TextIOBase):
    """Standard output or error, as it is.

    A stream that cannot be written is given up: the run goes on, and `failure` says why. Who closed
    the other end of a pipe has read enough, which is no failure. What the encoding lacks is written
    as an escape.
    """

    def __init__(self, stream: IO[str] | None) -> None:
        self.failure: OSError | None = None
        self._is_closed = stream is None
        self._stream = stream or io.StringIO()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What it is written in."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """What is done with what the encoding lacks."""
        return "backslashreplace"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Its descriptor."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Write a text, or lose it."""
        if self._is_closed:
            self.failure = self.failure or OSError(errno.EBADF, os.strerror(errno.EBADF))
            return len(text)
        try:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                kept = text.encode(self.encoding, "backslashreplace")
                self._stream.write(kept.decode(self.encoding))
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Write what is still held back."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Write nowhere from now on."""
        if error.errno != errno.EPIPE:
            self.failure = self.failure or error
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            self._stream.flush()


class Output(Stream):
    """The same for what is data: what is written comes out neutral.

    rich, which writes the terminal's own commands, finds the stream as it is.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)  # type: ignore[arg-type]
        self.rich_proxied_file = stream
        self._is_blank = True
        """Whether nothing but blanks stands in the line so far."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """As others see it, who give it every character."""
        return "utf-8"

    def write(self, text: str) -> int:
        """Write what is neutral of it."""
        shown = neutral(text) if self._is_blank else neutral(f"-{text}")[1:]
        _, newline, last = text.rpartition("\n")
        self._is_blank = not last.strip() and (self._is_blank or bool(newline))
        super().write(shown)
        return len(text)


def commands(text: str) -> None:
    """Write a line to standard output that a CI system is to obey; all data in it is escaped."""
    print(text, file=getattr(sys.stdout, "rich_proxied_file", sys.stdout), flush=True)


@contextmanager
def guarded() -> Iterator[Stream]:
    """Standard output and error neutral and without failures; gives standard output.

    Descriptors that were closed when the process began are opened on nothing, or the next file
    that is opened would take their place.
    """
    _open_descriptors()
    before = sys.stdout, sys.stderr
    out, err = Stream(sys.stdout), Stream(sys.stderr)
    sys.stdout, sys.stderr = Output(out), Output(err)
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def lost(failure: OSError) -> str:
    """That standard output could not be written, and the remedy."""
    remedy = SPACE if failure.errno in {errno.ENOSPC, errno.EDQUOT} else "give it a place to write"
    return f"cannot write to standard output: {failure.strerror}; {remedy}"


def _open_descriptors() -> None:
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)

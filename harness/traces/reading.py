"""From a file, or the name of a case, to a trace; docs/traces.md says what may stand in a file."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import IO

from harness.errors import TraceUnreadable
from harness.files import PIPE, special_at
from harness.traces import event_files, json_lines, tables
from harness.traces.trace import Trace

LOOKED_AT = 1 << 16
MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read(path: Path, columns: Sequence[str] = ()) -> Trace:
    """The trace in a file: JSON Lines, a table or event files, by what stands in it.

    Args:
        path: the file; for event files their folder too.
        columns: names that the rate may have in a file other than the recorder's; the first that
            the file has is taken.

    Raises:
        TraceUnreadable: there is none, with the reason and the line.
    """
    source = str(path)
    kind = special_at(path)
    if kind not in {"", PIPE}:
        raise TraceUnreadable(f"{source} is {kind}, not a file")
    try:
        if event_files.is_event_file(path):
            return event_files.read(source, path, columns)
        if path.is_dir():
            raise TraceUnreadable(f"{source} is a folder without event files")
        with _opened(path) as file:
            return _read_text(source, file, columns)
    except UnicodeError:
        raise TraceUnreadable(f"{source} is no text in UTF-8") from None
    except OSError as error:
        raise TraceUnreadable(f"{source} cannot be read: {error.strerror}") from None


def _opened(path: Path) -> IO[bytes]:
    """The file as UTF-8, after its mark."""
    file: IO[bytes] = path.open("rb")
    if not file.seekable():  # a pipe
        with file:
            file = BytesIO(file.read())
    start = file.read(4)
    if start.startswith(MARKS):
        with file:
            return BytesIO((start + file.read()).decode("utf-16").encode())
    file.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
    return file


def _read_text(source: str, file: IO[bytes], columns: Sequence[str]) -> Trace:
    begin = file.tell()
    start = file.read(LOOKED_AT).lstrip()
    file.seek(begin)
    if not start.rstrip(b"\0"):
        raise TraceUnreadable(f"{source}: it is empty")
    if start.startswith(b"{"):
        return json_lines.read(source, file, columns)
    if b"\0" in start:
        raise TraceUnreadable(
            f"{source} is neither text nor an event file (whose name has 'tfevents' in it)"
        )
    if start.startswith(b"["):
        raise TraceUnreadable(f"{source} is one JSON list; a trace has one object a line")
    with TextIOWrapper(file, "utf-8", newline="") as table:
        return tables.read(source, table, columns)

"""Writing the files of a report: all of them whole, or none."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import current_thread, main_thread

from harness.errors import ReportUnwritable
from harness.files import make_folder
from harness.report import badge, ctrf, json_file, junit, page, summary
from harness.report.model import Report

#: Each file of a report, and what draws it.
FILES = {
    "report.json": json_file.render,
    "index.html": page.render,
    "junit.xml": junit.render,
    "ctrf-report.json": ctrf.render,
    "summary.md": summary.render,
    "badge.json": badge.render,
}


def ensure_writable(folder: Path, what: str = "the report", option: str = "--report") -> None:
    """Make the folder, and find out before a long run that nothing could be written there.

    Raises:
        ReportUnwritable: with the reason.
    """
    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ReportUnwritable(
            f"cannot write {what} to {folder}: {error.strerror}; name another with {option}"
        ) from None


def write(report: Report, folder: Path) -> None:
    """Write every file of the report into `folder`, replacing those of the report before.

    Each is written in full beside its place first, so an interruption leaves the report before.

    Raises:
        ReportUnwritable: with the reason; the report before is still whole.
    """
    write_texts(((name, render(report)) for name, render in FILES.items()), folder)


def write_texts(texts: Iterable[tuple[str, str]], folder: Path) -> None:
    """Write files of these names and texts into `folder`, as `write` does, one by one.

    Raises:
        ReportUnwritable: with the reason; what was there before is still whole.
    """
    ensure_writable(folder)
    names = []
    with ExitStack() as to_end:
        with _writing(folder):
            made = tempfile.TemporaryDirectory(prefix=".new-", dir=folder)
            aside = Path(to_end.enter_context(made))
        for name, text in texts:
            names.append(name)
            with _writing(folder):
                _write_through(aside / name, text)
                if (folder / name).is_dir():
                    raise IsADirectoryError(0, f"{name} is a folder")
            del text  # before the next one is made
        with _writing(folder), _interrupts_held():
            for name in names:
                (aside / name).replace(folder / name)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Say where it could not be written, and why; not of what fails while a text is made."""
    try:
        yield
    except OSError as error:
        raise ReportUnwritable(f"cannot write the report to {folder}: {error.strerror}") from None


def _write_through(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let no signal come between two files of one report."""
    held = {signal.SIGINT, signal.SIGTERM}
    if current_thread() is not main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

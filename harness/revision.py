"""Which commit of the suite is running, and of which commit the files around are."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from harness.project import REPORTS, ROOT

RUN_DEPENDS_ON = {".py", ".yaml", ".yml"}
"""Files by which uncommitted changes are told from each other."""


@dataclass(frozen=True)
class Checkout:
    """The git repository of the working directory.

    `commit` is None without one, and in the suite's own repository, which `revision` is about.
    `uncommitted` is a digest of code and cases that are not as in the commit, empty where all are.
    """

    commit: str | None = None
    uncommitted: str = ""


@cache
def revision() -> str | None:
    """The git commit of the suite's source tree, with a + where it was changed; None without git.

    >>> commit = revision()
    >>> commit is None or len(commit.rstrip("+")) == 12
    True
    """
    if not (ROOT / ".git").exists():  # installed, perhaps below somebody else's repository
        return None
    return _described(ROOT)


def checkout(report: Path | None = None) -> Checkout:
    """The repository of the working directory; what lies in folders for reports is left out."""
    found = _git(Path.cwd(), "rev-parse", "--show-toplevel")
    if not found:
        return Checkout()
    top = Path(found).resolve()
    apart = [REPORTS.resolve(), *([] if report is None else [report.resolve()])]
    return Checkout(
        commit=None if top == ROOT else _described(top),
        uncommitted=_uncommitted(top, apart),
    )


def _described(top: Path) -> str | None:
    return _git(top, "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*") or None


def _uncommitted(top: Path, apart: list[Path]) -> str:
    """A digest of the files that are changed, new or gone; empty where there are none."""
    said = _git(top, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal")
    if said is None:
        return "unknown"
    names = sorted(entry[3:] for entry in said.split("\0") if entry)
    found = "\n".join(
        f"{file.relative_to(top)} {sha256(file.read_bytes()).hexdigest() if file.is_file() else ''}"
        for name in names
        for file in _files(top / name)
        if file.suffix in RUN_DEPENDS_ON and not any(map(file.is_relative_to, apart))
    )
    return sha256(found.encode(errors="surrogateescape")).hexdigest()[:16] if found else ""


def _files(place: Path) -> Iterable[Path]:
    """A changed file, or those in a new folder, unless it is hidden or a virtual environment."""
    if not place.is_dir():
        return [place]
    is_apart = place.name.startswith(".") or (place / "pyvenv.cfg").exists()
    return [] if is_apart else sorted(place.rglob("*"))


def _git(folder: Path, *words: str) -> str | None:
    """What git says in a folder, without the newline at the end; None where it cannot say it."""
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.rstrip("\n") if done.returncode == 0 else None

"""Makes environments: a virtual environment each, of the packages that are pinned for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.environments.declared import Declared
from harness.errors import EnvironmentUnmakable

MARK = ".made"
"""A file in an environment that is whole: what it was made of."""
LIMIT = 3600.0
"""Seconds that an installation may take."""
ISOLATED = ("-I",)
"""Neither the working directory nor PYTHONPATH has modules of venv and pip."""


@dataclass(frozen=True)
class Making:
    """What came of an environment."""

    name: str
    made: bool
    """Whether it was made now, and not there already."""
    folder: Path


def make(declared: Declared, anew: bool = False) -> Making:
    """Make an environment, unless it is there and of the same packages.

    It takes its place once it is whole: what is interrupted leaves nothing half made.

    Raises:
        EnvironmentUnmakable: there is no such Python here, or the packages cannot be installed.
    """
    folder = declared.folder
    if folder.is_symlink():
        what = f"{folder} is a link, which is not followed; remedy: remove the link"
        raise EnvironmentUnmakable(declared.name, what)
    contents = "\n".join([f"python {declared.python}", *declared.packages, ""])
    mark = folder / MARK
    if not anew and mark.is_file() and mark.read_text(encoding="utf-8") == contents:
        return Making(declared.name, False, folder)
    if declared.python is None:
        what = f"its interpreter is {declared.path}, which is not the suite's to make"
        raise EnvironmentUnmakable(declared.name, what)
    python = find_python(declared.python)
    if python is None:
        what = f"there is no Python {declared.python} here: not on the PATH, nor of pyenv"
        raise EnvironmentUnmakable(declared.name, what, missing=True)
    remove(declared)
    try:
        folder.parent.mkdir(exist_ok=True)
        # An environment knows its own path, so it is made where it stays.
        _call(declared.name, [python, *ISOLATED, "-m", "venv", str(folder)])
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as wanted:
            wanted.write("\n".join(declared.packages))
            wanted.flush()
            pip = [str(folder / "bin" / "python"), *ISOLATED, "-m", "pip", "install", "--quiet"]
            options = ["--disable-pip-version-check", "--only-binary", ":all:"]
            _call(declared.name, [*pip, *options, "-r", wanted.name])
    except BaseException:
        remove(declared)
        with suppress(OSError):  # others may be there
            folder.parent.rmdir()
        raise
    mark.write_text(contents, encoding="utf-8")
    return Making(declared.name, True, folder)


def remove(declared: Declared) -> bool:
    """Take an environment away that the suite made; whether there was one.

    Of a link in its place, only the link is removed.
    """
    folder = declared.folder
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
        return True
    if not folder.is_dir():
        return False
    (folder / MARK).unlink(missing_ok=True)
    shutil.rmtree(folder)
    return True


def find_python(version: str) -> str | None:
    """The path of a Python of that version, such as `3.9`, that starts; None if there is none.

    Looked for in the one that runs this, on the PATH, and among those of pyenv.
    """
    return next((path for path in _candidates(version) if _version_of(path) == version), None)


def _candidates(version: str) -> Iterator[str]:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        yield sys.executable
    for name in (f"python{version}", "python3"):
        found = shutil.which(name)
        if found:
            yield found
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True))


def _version_of(path: str) -> str | None:
    script = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    command = [path, *ISOLATED, "-c", script]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _call(name: str, command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        raise EnvironmentUnmakable(name, f"{command[0]} took longer than {LIMIT:g} s") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
        raise EnvironmentUnmakable(name, "\n".join(said[-5:]) or f"exit status {done.returncode}")

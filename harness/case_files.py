"""Case files and their names: where they are, and what can be wrong between one and another.

Nothing here reads a case, so commands that need no more than names import no more than this.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from harness.errors import Problem, did_you_mean
from harness.files import special
from harness.naming import Named

MAX_BYTES = 1 << 20
"""A case file of more than 1 MiB is refused unread."""
MAX_DEPTH = 32
"""Folders in folders that are searched."""
ENDINGS = (".yaml", ".yml")
"""How the names of case files end."""
_WRITTEN = re.compile(r"(.+)(\.ya?ml)(?![a-z0-9])", re.IGNORECASE)
_LEFT_BY_EDITORS = re.compile(r"\.#.*|#.*#|.*~|\..*\.sw[a-p]")


class Placed(Named, Protocol):
    """A case or a known divergence, and where it stands."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...


class Record(Placed, Protocol):
    """A known divergence, and the names of its cases."""

    @property
    def cases(self) -> Sequence[str]: ...


def files_below(paths: Iterable[Path], problems: list[Problem]) -> Iterator[Path]:
    """The case files at or below `paths`, each once; links are followed.

    `problems` gets what is passed over although it may be meant as cases: what cannot be read, what
    is not a regular file, what is named almost like a case file, and folders without any. A file
    that is named itself may have any name.
    """
    search = _Search(problems)
    for path in paths:
        yield from search.at(path)


@dataclass
class _Search:
    """Goes through folders, and reads nothing but their lists of names."""

    problems: list[Problem]
    _files: set[str] = field(default_factory=set)
    _folders: set[str] = field(default_factory=set)

    def at(self, path: Path) -> Iterator[Path]:
        """The case files at a path that somebody named."""
        mode = self._mode(path)
        if mode is None:
            return
        if not stat.S_ISDIR(mode):
            yield from self._file(path, mode)
        elif not (yield from self._below(path)):
            self._problem(path, "no *.yaml below", "put a case file there, or name another folder")

    def _below(self, folder: Path, depth: int = 0) -> Generator[Path, None, bool]:
        """The case files below a folder; in the end, whether there was any, or a problem."""
        here = os.path.realpath(folder)
        if here in self._folders:
            return True
        self._folders.add(here)
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError as error:
            self._problem(folder, f"cannot be read: {error.strerror}", "make it readable")
            return True
        found, empty = False, []
        for path in (folder / name for name in names if not _LEFT_BY_EDITORS.fullmatch(name)):
            if (yield from self._entry(path, here, depth)):
                found = True
            elif path.is_dir() and path.name != "__pycache__" and not path.name.startswith("."):
                empty.append(path)
        for path in empty if found else ():
            remedy = "put a case file there, or move the folder out of the cases"
            self._problem(path, "no *.yaml below", remedy)
        return found

    def _entry(self, path: Path, here: str, depth: int) -> Generator[Path, None, bool]:
        """The same of what is in the folder `here`."""
        mode = self._mode(path)
        if mode is None:
            return True
        if stat.S_ISDIR(mode):
            if path.name.endswith(ENDINGS):
                self._problem(path, "a folder, not a file", "name it otherwise, or remove it")
                return True
            if path.is_symlink() and Path(here).is_relative_to(path.resolve()):
                self._problem(path, "a link to a folder that holds it", "remove the link")
                return True
            if depth == MAX_DEPTH:
                self._problem(path, f"more than {MAX_DEPTH} folders deep", "flatten the folders")
                return True
            return (yield from self._below(path, depth + 1))
        if path.name.endswith(ENDINGS) or special(mode):
            yield from self._file(path, mode)
            return True
        meant = _meant(path)
        if meant:
            what = f"not read, since its name does not end in {' or '.join(ENDINGS)}"
            self._problem(path, what, f"name it {meant}, or move it out of the cases")
        return bool(meant)

    def _file(self, path: Path, mode: int) -> Iterator[Path]:
        kind, real = special(mode), os.path.realpath(path)
        if kind:
            self._problem(path, f"{kind}, not a file", "put a file in its place, or remove it")
        elif real != _as_text(real):
            self._problem(path, "its name is not UTF-8", "rename it")
        elif real not in self._files:
            self._files.add(real)
            yield path

    def _mode(self, path: Path) -> int | None:
        """What is at a path, links followed; None where that is a problem."""
        try:
            return path.stat().st_mode
        except OSError as error:
            what, remedy = f"cannot be read: {error.strerror}", "make it readable"
            if error.errno == errno.ELOOP:
                what, remedy = "a link that leads to itself", "remove it"
            elif error.errno == errno.ENOENT and path.is_symlink():
                what, remedy = f"a link to {path.readlink()}, which is not there", "mend the link"
            elif error.errno in {errno.ENOENT, errno.ENOTDIR}:
                what, remedy = "no such file or folder", "check the path"
            self._problem(path, what, remedy)
            return None

    def _problem(self, path: Path, what: str, remedy: str) -> None:
        file, what, remedy = map(_as_text, (str(path), what, remedy))
        self.problems.append(Problem(file, 1, "", what, remedy))


def _as_text(name: str) -> str:
    """A name, or a text with one in it, as UTF-8 can say it."""
    return name.encode(errors="backslashreplace").decode()


def _meant(path: Path) -> str:
    """The name of the case file that a file is probably meant to be, or nothing.

    >>> [_meant(Path(name)) for name in ("a.YAML", "a.yaml.txt", "a.ymal", "a.md", "yaml.json")]
    ['a.yaml', 'a.yaml', 'a.yaml', '', '']
    """
    written = _WRITTEN.match(path.name)
    if written:
        return f"{written[1]}{written[2].lower()}"
    ending = path.suffix.lower()
    slip = ending[1:2] == "y" and get_close_matches(ending, ENDINGS, n=1, cutoff=0.75)
    return f"{path.stem}.yaml" if slip else ""


def shown(path: Path) -> str:
    """The path as a person would type it: relative where it lies below here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def duplicate_names(items: Iterable[Placed]) -> list[Problem]:
    """A problem for each item whose name another one before it has."""
    first: dict[str, Placed] = {}
    problems = []
    for item in items:
        known = first.setdefault(item.name, item)
        if known is not item:
            problems.append(
                Problem(
                    item.file,
                    item.line,
                    "name",
                    f"{item.name!r} is taken by {known.file}:{known.line}",
                    "choose another name",
                )
            )
    return problems


def unknown_cases(records: Iterable[Record], names: Collection[str]) -> Iterator[Problem]:
    """A problem for each case that a record names and that is not among `names`."""
    for record in records:
        for name in record.cases:
            if name not in names:
                yield Problem(
                    record.file,
                    record.line,
                    f"{record.name}: cases",
                    f"there is no case {name!r}{did_you_mean(name, names)}",
                    "name the case that shows the divergence, or remove the record",
                )

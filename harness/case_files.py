"""Case files and their names: where they are, and what can be wrong between one and another.

Nothing here reads a case, so commands that need no more than names import no more than this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from harness.errors import Problem, did_you_mean
from harness.naming import Named

MAX_BYTES = 1 << 20
"""A case file of more than 1 MiB is refused unread."""


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
    """The case files at or below `paths`, each once; `problems` gets what is wrong with a path."""
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found = sorted([*path.rglob("*.yaml"), *path.rglob("*.yml")])
            if not found:
                problems.append(Problem(str(path), 1, "", "no *.yaml below", "name another folder"))
        elif path.exists():
            found = [path]
        else:
            problems.append(Problem(str(path), 1, "", "no such file or folder", "check the path"))
            continue
        for file in found:
            if not file.is_file():
                what = "cannot be read: not a file"
                problems.append(Problem(str(file), 1, "", what, "name a YAML file"))
            elif (resolved := file.resolve()) not in seen:
                seen.add(resolved)
                yield file


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

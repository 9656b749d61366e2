"""The names and places of all cases and known divergences.

What a valid file holds is remembered by the digest of its content, so that a file that has not
changed need not be loaded again, which is most of the work of commands that need names only. A
problem is never remembered: what is said of an invalid file comes from loading it. Once anything of
the harness has changed, or of the packages that it works with, every file is loaded again.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.case_files import MAX_BYTES, duplicate_names, files_below, shown
from harness.changed.surroundings import digest, of_the_harness
from harness.errors import Problem
from harness.files import read_bytes
from harness.project import CACHE, CASES

if TYPE_CHECKING:
    from harness.case import Case

FILE = "cases.json"


class CaseRow(NamedTuple):
    """What is known of a case by its name."""

    name: str
    line: int
    family: str
    steps: int
    tags: list[str]
    description: str
    apis: list[str]
    file: str = ""


class RecordRow(NamedTuple):
    """What is known of a known divergence by its name."""

    name: str
    line: int
    cases: list[str]
    file: str = ""


@dataclass(frozen=True)
class Contents:
    """What one file holds; `consistent` says that the numbers of its cases were checked too."""

    consistent: bool
    cases: list[CaseRow]
    records: list[RecordRow]


@dataclass
class Index:
    """What some case files hold, and what is wrong with them.

    `paths` has the path of each file by what is shown of it; `remembered` of these files were not
    loaded.
    """

    cases: list[CaseRow] = field(default_factory=list)
    records: list[RecordRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    paths: dict[str, Path] = field(default_factory=dict)
    remembered: int = 0


def index(
    paths: Sequence[Path],
    consistent: bool = False,
    cached: bool = True,
    folder: Path | None = None,
) -> Index:
    """The cases and the known divergences below `paths`, in the order of their files.

    Args:
        paths: folders and files.
        consistent: whether the numbers of cases are checked against the reference model too.
        cached: whether valid files that have not changed need not be loaded again.
        folder: where that is remembered of the suite's own cases, by default `CACHE`.
    """
    found = Index()
    files = list(files_below(paths, found.problems))
    memory = _Memory(folder or CACHE) if cached and files else None
    valid = {}
    for file in files:
        content = _content(file) if memory is not None else ""
        held = memory.of(content) if memory is not None else None
        if held is not None and held.consistent >= consistent:
            valid[content] = held
            found.remembered += 1
        else:
            problems: list[Problem] = []
            held = _loaded(file, consistent, problems)
            if content and not problems and content == _content(file):
                valid[content] = held
            found.problems += problems
        where = shown(file)
        found.paths[where] = file
        found.cases += [row._replace(file=where) for row in held.cases]
        found.records += [row._replace(file=where) for row in held.records]
    found.problems += duplicate_names(found.cases) + duplicate_names(found.records)
    found.problems.sort()
    if memory is not None and CASES.resolve() in {path.resolve() for path in paths}:
        memory.keep(valid)
    return found


def _content(file: Path) -> str:
    """The digest of a file's content; empty where it cannot be read, or is too large for a case."""
    try:
        return digest(file) if file.stat().st_size <= MAX_BYTES else ""
    except OSError:
        return ""


def _loaded(file: Path, consistent: bool, problems: list[Problem]) -> Contents:
    """What a file holds; what is wrong with it is added to `problems`."""
    from harness.load import load_file

    loaded = load_file(file, problems)
    if consistent:
        from harness.consistency import inconsistencies

        problems += inconsistencies(loaded)
    records = [RecordRow(r.name, r.line, r.cases) for r in loaded.known_divergences]
    return Contents(consistent, [case_row(case) for case in loaded.cases], records)


def case_row(case: Case) -> CaseRow:
    """What is said of a case where cases are listed."""
    from harness.case import ScheduleCase
    from harness.plan import family_of, implementations_of

    return CaseRow(
        name=case.name,
        line=case.line,
        family=family_of(case),
        steps=len(case.observed_steps) if isinstance(case, ScheduleCase) else 0,
        tags=case.tags,
        description=case.description,
        apis=[each.api for each in implementations_of(case)],
        file=case.file,
    )


class _Memory:
    """What was remembered of valid files, by the digests of their contents."""

    def __init__(self, folder: Path) -> None:
        self._file, self._harness = folder / FILE, of_the_harness()
        self._held = self._read()

    def of(self, content: str) -> Contents | None:
        """What a file of that content holds, if it is remembered."""
        if content not in self._held:
            return None
        consistent, cases, records = self._held[content]
        return Contents(
            consistent, [CaseRow(*row) for row in cases], [RecordRow(*row) for row in records]
        )

    def keep(self, valid: dict[str, Contents]) -> None:
        """Remember these, and no others; that they cannot be written does no harm."""
        if {content: each.consistent for content, each in valid.items()} == {
            content: each[0] for content, each in self._held.items()
        }:
            return
        text = json.dumps(
            {
                content: [
                    each.consistent,
                    *([r[:-1] for r in rows] for rows in (each.cases, each.records)),
                ]
                for content, each in valid.items()
            }
        )
        with suppress(OSError):
            folder = self._file.parent
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
            with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as aside:
                new = Path(aside) / FILE
                new.write_text(f"{self._seal(text)}\n{text}", encoding="utf-8")
                new.replace(self._file)

    def _read(self) -> dict[str, Any]:
        """Nothing where the file is absent or damaged, or was written by another harness."""
        try:
            seal, _, text = read_bytes(self._file).decode().partition("\n")
        except (OSError, ValueError):
            return {}
        held: dict[str, Any] = json.loads(text) if seal == self._seal(text) else {}
        return held

    def _seal(self, text: str) -> str:
        return sha256(f"{self._harness}\n{text}".encode()).hexdigest()

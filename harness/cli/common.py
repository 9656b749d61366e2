"""What several commands share: options, exit codes, and where cases come from."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.errors import BaselineUnusable, InvalidCases
from harness.files import special_at
from harness.naming import one_of
from harness.project import CASES, REPORTS, own_folders, own_records

if TYPE_CHECKING:
    from harness.case import Case, Tolerance
    from harness.index import CaseRow
    from harness.load import Loaded
    from harness.report.model import Report
    from harness.workers import EnvironmentSpec

UNUSABLE = 2
INTERRUPTED = 130
OWN_FAULT = 70
EXIT_CODES = """\b
Exit codes:
  0    all as expected
  1    something diverges, is stale, crashed or timed out
  2    wrong usage, a case file or folder that cannot be used, or a machine that lacks disk
       space, memory or file handles
  3    nothing could be run: no framework found, or not the device
  70   a fault of the suite itself
  130  interrupted; the report before is left as it was"""


class Finite(click.FloatRange):
    """A number that is neither infinite nor NaN."""

    @classmethod
    def of(cls, kind: click.ParamType[Any]) -> click.ParamType[Any]:
        """The same kind of parameter, if it is a number with a fraction."""
        if not isinstance(kind, click.types.FloatParamType) or isinstance(kind, cls):
            return kind
        if isinstance(kind, click.FloatRange):
            return cls(kind.min, kind.max, kind.min_open, kind.max_open, kind.clamp)
        return cls()

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number, checked."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


class Folder(click.Path):
    """A folder to write to, which need not be there yet."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path, checked."""
        if not str(value).strip():
            self.fail("it is blank; name a folder", param, ctx)
        return Path(os.fspath(super().convert(value, param, ctx)))  # type: ignore[arg-type]


class Readable(click.Path):
    """A path of the user's that is not a pipe, a socket or a device, which might never end."""

    def __init__(self, dir_okay: bool = True) -> None:
        super().__init__(dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path, checked."""
        path = Path(value)
        kind = special_at(path)
        if kind:
            self.fail(f"{path} is {kind}, not a file; name a file in its place", param, ctx)
        super().convert(value, param, ctx)
        return path


PATHS = click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
FAMILIES = click.option("--family", "families", multiple=True, help="Only this family (glob).")
IMPLEMENTATIONS = click.option(
    "--implementation",
    "implementations",
    multiple=True,
    help="Only this API: its full name or its last part (glob).",
)

ENVIRONMENTS_FILE = click.option(
    "--environments",
    "file",
    type=Readable(dir_okay=False),
    default=None,
    help="The file that declares them.  [default: the suite's environments.yaml]",
)

F = TypeVar("F", bound=Callable[..., Any])


def report_folder(what: str, default: str) -> Callable[[F], F]:
    """The option `--report`: a folder, `what` it is for, and which it is where none is named."""
    return click.option(
        "--report",
        type=Folder(),
        default=None,
        help=f"{what}  [default: {default}]",
    )


def tolerances(command: F) -> F:
    """The options that let another error pass than what two correct implementations may have."""
    for name, what in (
        ("--max-ulp", "The same, in ULP."),
        ("--atol", "The same, absolute."),
        ("--rtol", "Let this relative error pass instead."),
    ):
        command = click.option(name, type=click.FloatRange(min=0), help=what)(command)
    return command


def tolerance(rtol: float | None, atol: float | None, max_ulp: float | None) -> Tolerance | None:
    """What these options ask for."""
    from harness.case import Tolerance

    asked = [value for value in (rtol, atol, max_ulp) if value is not None]
    if not asked:
        return None
    return Tolerance(rtol=rtol, atol=atol, ulp=max_ulp, reason="asked for on the command line")


def load_cases(paths: tuple[Path, ...]) -> Loaded:
    """The cases below `paths`, the suite's own if there are none, with the suite's records."""
    from harness.load import Loaded, load

    places = paths or (CASES,)
    loaded = load(places)
    return Loaded(loaded.cases, (*loaded.known_divergences, *own_records(besides=places)))


def with_changes(report: Report) -> Report:
    """A report on the whole suite with what changed since the baseline, if there is one.

    A baseline that is damaged costs a warning.
    """
    from harness import gate

    baseline = REPORTS / "baseline.json"
    kind = special_at(baseline)
    try:
        if kind:
            raise BaselineUnusable(baseline, f"is {kind}, not a file")
        changes = gate.since(report, baseline)
    except BaselineUnusable as error:
        click.echo(f"warning: the report says nothing of changes: {error}", err=True)
        return report
    return report.model_copy(update={"changes": changes})


@dataclass(frozen=True)
class Lookup:
    """A case by its name, and the files that it and the records that name it are in."""

    row: CaseRow
    files: tuple[Path, ...]
    own: tuple[Path, ...]

    def load(self) -> tuple[Case, Loaded]:
        """The case, and the case with these records."""
        from harness.load import Loaded, load

        loaded, own = load(self.files), load(self.own)
        case = next(case for case in loaded.cases if case.name == self.row.name)
        return case, Loaded((case,), (*loaded.known_divergences, *own.known_divergences))


def look_up(paths: tuple[Path, ...], name: str) -> Lookup:
    """The one case of that name, which may be a glob, below `paths` or of the suite's own.

    Of files that have not changed, none is loaded.

    Raises:
        InvalidCases: with every problem of every file.
        UnknownName: no case fits, or several do.
    """
    from harness.index import Index, index

    places = paths or (CASES,)
    here, own = index(places), index(own_folders(besides=places))
    if here.problems or own.problems:
        raise InvalidCases([*here.problems, *own.problems])
    row = one_of("case", here.cases, name)

    def naming(found: Index) -> Iterator[Path]:
        return (found.paths[each.file] for each in found.records if row.name in each.cases)

    files = dict.fromkeys([here.paths[row.file], *naming(here)])
    return Lookup(row, tuple(files), tuple(dict.fromkeys(naming(own))))


def specs_named(names: tuple[str, ...], file: Path | None) -> list[EnvironmentSpec]:
    """The environments of those names; without names those that no file has to be read for."""
    if not names:
        from harness.workers import default_environments

        return default_environments()
    from harness.environments import specs_of

    return specs_of(names, file)


def print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """A table, or the same as JSON."""
    from harness import listing

    click.echo(json.dumps(rows, indent=1) if as_json else listing.table(rows))

"""The commands that run no trial: check, list, explain, doctor, schema, document."""

from __future__ import annotations

import json
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import (
    ENVIRONMENTS_FILE,
    JSON,
    PATHS,
    Readable,
    look_up,
    print_rows,
    specs_named,
)
from harness.project import CASES, REPORTS

if TYPE_CHECKING:
    from harness.workers import EnvironmentSpec


@click.command("check")
@PATHS
@click.option(
    "--no-cache",
    is_flag=True,
    help="Check every file; without it, those of the suite that were valid and have not changed "
    "since are not checked again.",
)
def check_cases(paths: tuple[Path, ...], no_cache: bool) -> None:
    """Validate the case files below each PATH, without starting any framework.

    What may be meant as a case and cannot be read is an error too: a name that is almost right, a
    broken link, a pipe, a folder without cases.
    """
    from harness.case_files import unknown_cases
    from harness.index import index
    from harness.listing import counted

    places = paths or (CASES,)
    found = index(places, consistent=True, cached=not no_cache)
    problems = found.problems
    # A part of the suite, or what is left of it beside bad files, need not hold every case that
    # the records speak of.
    if not problems and any(CASES.resolve().is_relative_to(p.resolve()) for p in places):
        problems = list(unknown_cases(found.records, {case.name for case in found.cases}))
    if problems:
        for problem in sorted(problems):
            click.echo(str(problem))
        click.echo(counted(len(problems), "problem"), err=True)
        sys.exit(2)
    cases = counted(len(found.cases), "case")
    divergences = counted(len(found.records), "known divergence")
    click.echo(f"valid: {cases}, {divergences}")
    if found.remembered:
        of = counted(len(found.paths), "file")
        click.echo(
            f"{found.remembered} of {of} unchanged since they were found valid; "
            "to check them again: --no-cache"
        )


@click.group("list")
def list_() -> None:
    """List cases, implementations or targets."""


@list_.command("cases")
@PATHS
@JSON
def list_cases(paths: tuple[Path, ...], as_json: bool) -> None:
    """The cases below each PATH."""
    from harness import listing
    from harness.errors import InvalidCases
    from harness.index import index

    found = index(paths or (CASES,))
    if found.problems:
        raise InvalidCases(found.problems)
    print_rows(listing.cases(found.cases), as_json)


@list_.command("implementations")
@JSON
def list_implementations(as_json: bool) -> None:
    """Every API that the catalogue knows, and how each family's parameters map to it."""
    from harness import listing

    rows = listing.implementations()
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        click.echo(listing.implementations_text(rows))


@list_.command("targets")
@JSON
def list_targets(as_json: bool) -> None:
    """Every environment, device and mode that trials can run on here."""
    from harness import listing

    print_rows(listing.targets(), as_json)


@click.command()
@click.argument("case")
@click.argument("implementation", required=False)
@click.option("--target", default="*", help="Only this target, such as 'mindspore/*/graph'.")
@click.option("--script", is_flag=True, help="Print the reproducer and nothing else.")
@click.option(
    "--cases",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Where the case is, if not among the suite's own.",
)
@click.option(
    "--environment",
    "names",
    multiple=True,
    metavar="NAME",
    help="In this environment (glob), such as torch-1.8.  [default: the one that --target names, "
    "or torch and mindspore]",
)
@ENVIRONMENTS_FILE
def explain(
    case: str,
    implementation: str | None,
    target: str,
    script: bool,
    paths: tuple[Path, ...],
    names: tuple[str, ...],
    file: Path | None,
) -> None:
    """Show how CASE goes on each implementation: the calls, step by step, and a reproducer."""
    from harness.workers import Workers, default_environments

    place, named, _ = target.partition("/")
    own = [spec.name for spec in default_environments()]
    if not names and named and not any(fnmatchcase(name, place) for name in own):
        names = (place,)
    found = look_up(paths, case)
    specs = _needed(found.row.apis, implementation, target, specs_named(names, file))
    with Workers(specs) as workers:
        # Imported while the frameworks are.
        from harness import console, explanation

        out = console.PipeConsole(soft_wrap=True)
        explanation.explain(*found.load(), workers, implementation, target, script, out)


def _needed(
    apis: list[str], implementation: str | None, target: str, specs: list[EnvironmentSpec]
) -> list[EnvironmentSpec]:
    """The environments in which a trial of these can be: no framework is started in vain."""
    from harness.naming import fits

    wanted = {
        api.partition(".")[0] for api in apis if implementation is None or fits(api, implementation)
    }
    place, named, _ = target.partition("/")
    one = named and not set(place) & set("*?[")
    return [spec for spec in specs if spec.framework in wanted and (not one or spec.name == place)]


@click.command(
    epilog="""\b
Exit codes:
  0  every framework that is installed can be used
  1  one is broken: its import fails
  3  none can be used"""
)
def doctor() -> None:
    """Say what is installed here, what works, and what is known not to."""
    from harness import console, doctor as checks

    sys.exit(checks.examine(console.PipeConsole()))


@click.command()
@click.argument("which", type=click.Choice(["case", "report", "comparison"]))
def schema(which: str) -> None:
    """Print the JSON Schema of a case file, of report.json or of comparison.json."""
    if which == "case":
        from harness.load import schema_text
    elif which == "comparison":
        from harness.traces.document import schema_text
    else:
        from harness.report.model import schema_text
    click.echo(schema_text(), nl=False)


@click.command()
@click.argument("which", type=click.Choice(["coverage", "findings", "mapping", "versions"]))
@click.option(
    "--report",
    type=Readable(),
    default=REPORTS / "matrix",
    show_default=True,
    help="For versions: the report on several versions of a framework.",
)
def document(which: str, report: Path) -> None:
    """Print a document that is made from the cases, or from a report: what docs/ keeps."""
    from harness import documents
    from harness.load import load
    from harness.report.reading import read

    if which == "versions":
        click.echo(documents.versions(read(report)), nl=False)
    else:
        click.echo(documents.text(which, load((CASES,))), nl=False)

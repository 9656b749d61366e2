"""The commands that run no trial: check, list, explain, doctor, schema, document."""

from __future__ import annotations

import json
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import click

from harness.cli.common import ENVIRONMENTS_FILE, JSON, PATHS, find_case, load_cases, print_rows
from harness.project import CASES, REPORTS


@click.command("check")
@PATHS
def check_cases(paths: tuple[Path, ...]) -> None:
    """Validate the case files below each PATH, without starting any framework."""
    from harness.consistency import inconsistencies
    from harness.listing import counted
    from harness.load import check

    places = paths or (CASES,)
    loaded, problems = check(places)
    # A part of the suite, or what is left of it beside bad files, need not hold every case that
    # the records speak of.
    whole = not problems and any(CASES.resolve().is_relative_to(p.resolve()) for p in places)
    problems += inconsistencies(loaded, loaded.known_divergences if whole else ())
    if problems:
        for problem in sorted(problems):
            click.echo(str(problem))
        click.echo(counted(len(problems), "problem"), err=True)
        sys.exit(2)
    cases = counted(len(loaded.cases), "case")
    divergences = counted(len(loaded.known_divergences), "known divergence")
    click.echo(f"valid: {cases}, {divergences}")


@click.group("list")
def list_() -> None:
    """List cases, implementations or targets."""


@list_.command("cases")
@PATHS
@JSON
def list_cases(paths: tuple[Path, ...], as_json: bool) -> None:
    """The cases below each PATH."""
    from harness import listing

    print_rows(listing.cases(load_cases(paths)), as_json)


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
    from rich.console import Console

    from harness import explanation
    from harness.environments import specs_of
    from harness.workers import default_environments

    place, named, _ = target.partition("/")
    own = [spec.name for spec in default_environments()]
    if not names and named and not any(fnmatchcase(name, place) for name in own):
        names = (place,)
    specs = specs_of(names, file)

    loaded = load_cases(paths)
    out = Console(highlight=False, soft_wrap=True)
    explained = find_case(loaded, case)
    explanation.explain(explained, loaded, specs, implementation, target, script, out)


@click.command()
def doctor() -> None:
    """Say what is installed here, what works, and what is known not to."""
    from rich.console import Console

    from harness import doctor as checks

    sys.exit(0 if checks.examine(Console(highlight=False)) else 3)


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
    type=click.Path(path_type=Path),
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

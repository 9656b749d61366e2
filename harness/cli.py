"""The command line: options in, calls out."""

from __future__ import annotations

import json
import signal
import sys
import traceback
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
from rich.console import Console

import harness
from harness import listing
from harness.case import Case
from harness.consistency import inconsistencies
from harness.errors import ConformError, UnknownName
from harness.load import Loaded, check, load
from harness.plan import TIME_LIMIT, Selection
from harness.project import CASES, REPORTS, own_records

INTERRUPTED = 130
OWN_FAULT = 70
EXIT_CODES = """\b
Exit codes:
  0    all as expected
  1    something diverges, is stale, crashed or timed out
  2    wrong usage, or a case file that cannot be used
  3    nothing could be run: no framework found
  70   a fault of the suite itself
  130  interrupted; the report before is left as it was"""

_PATHS = click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class _Group(click.Group):
    """Ends a command with the exit code of its error, and says the error without a traceback."""

    def invoke(self, context: click.Context) -> Any:
        signal.signal(signal.SIGTERM, _terminated)
        try:
            return super().invoke(context)
        except ConformError as error:
            click.echo(f"conform: {error}", err=True)
            context.exit(error.exit_code)
        except KeyboardInterrupt as interrupt:
            text = str(interrupt)
            click.echo(f"conform: interrupted{text and f': {text}'}", err=True)
            context.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception:
            traceback.print_exc()
            click.echo("conform: this is a fault of the suite itself; please report it", err=True)
            context.exit(OWN_FAULT)


def _terminated(*_: object) -> None:
    raise KeyboardInterrupt("terminated")


@click.group(
    cls=_Group, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(harness.__version__, prog_name="conform")
def main() -> None:
    """Check that PyTorch and MindSpore produce the learning-rate schedules that they document."""


@main.command(epilog=EXIT_CODES)
@_PATHS
@click.option("--family", "families", multiple=True, help="Only this family (glob).")
@click.option(
    "--implementation",
    "implementations",
    multiple=True,
    help="Only this API: its full name or its last part (glob).",
)
@click.option(
    "--target", "targets", multiple=True, help="Only this target, such as 'mindspore/*/graph'."
)
@click.option("-k", "keyword", default="", help="Only trials whose id or tags fit: 'a and not b'.")
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder for the report.  [default: reports/latest]",
)
@click.option(
    "--full",
    is_flag=True,
    help="In every execution mode, not only the first of each API and those that a case asks for.",
)
@click.option("--fail-fast", is_flag=True, help="Stop at the first failure.")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, max=86_400, min_open=True),
    default=TIME_LIMIT,
    show_default=True,
    help="Seconds that one trial may take.",
)
def run(
    paths: tuple[Path, ...],
    families: tuple[str, ...],
    implementations: tuple[str, ...],
    targets: tuple[str, ...],
    keyword: str,
    report: Path | None,
    full: bool,
    fail_fast: bool,
    time_limit: float,
) -> None:
    """Run the cases below each PATH (by default the suite's own) and write a report."""
    # The harness is imported where it is needed, so that the other commands answer at once.
    from harness import console, report as reporting, suite
    from harness.report.model import from_run
    from harness.workers import Workers, default_environments

    folder = report or REPORTS / "latest"
    reporting.ensure_writable(folder)
    selection = Selection(families, implementations, targets, keyword)
    out, err = console.PipeConsole(), console.PipeConsole(stderr=True)
    progress = console.Progressing(out, err)
    try:
        # The frameworks are imported in their workers while the cases are loaded.
        with progress, Workers(default_environments(), time_limit) as workers:
            loaded = _load(paths)
            selection.check(loaded.cases)
            result = suite.run(loaded, workers, selection, progress.listener, fail_fast, full)
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(
            f"{str(interrupt) or 'by the keyboard'} after {progress.so_far}; "
            f"{folder} is left as it was"
        ) from None
    reporting.write(from_run(result), folder)
    console.print_summary(out, result, str(folder / "index.html"))
    sys.exit(1 if result.fails else 0)


@main.command(
    epilog="""\b
Exit codes:
  0    every fault that was tried is caught, or proven to have no effect
  1    some survive, or a proof does not hold
  2    wrong usage
  3    no module could be tried
  130  interrupted; what was found is kept, and the next call goes on from there"""
)
@click.option(
    "--module", "modules", multiple=True, help="Only this module (glob), such as 'torch.*'."
)
@click.option("--where", default="*", help="Only functions or classes of this name (glob).")
@click.option(
    "--sample", type=click.IntRange(min=1), help="Only so many faults of each module, at random."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the sample.")
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), help="End after so many seconds."
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1, max=64),
    help="Processes with faults side by side.  [default: the cores, up to 4]",
)
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder for what is found, from which an interrupted run goes on.  "
    "[default: reports/strength]",
)
@click.option(
    "--document",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the result as Markdown there, once every fault was tried.",
)
def strength(
    modules: tuple[str, ...],
    where: str,
    sample: int | None,
    seed: int,
    seconds: float | None,
    jobs: int | None,
    report: Path | None,
    path: Path | None,
) -> None:
    """Plant faults in the frameworks' schedulers, and count those that no case catches.

    The installed files stay as they are: workers run faulty copies. Outcomes are kept while they
    come, and hold until a case or a framework changes.
    """
    from harness import console, report as reporting
    from harness.strength import campaign as strengths, telling

    folder = report or REPORTS / "strength"
    reporting.ensure_writable(folder)
    every = strengths.plan_campaign(modules, where, None if sample is None else (sample, seed))
    out, err = console.PipeConsole(), console.PipeConsole(stderr=True)
    try:
        with telling.Showing(out, err, every) as showing:
            strengths.carry_out(every, _load(()), folder, seconds, showing, jobs)
    finally:
        telling.print_scores(out, every)
    if path is not None and every.is_complete:
        path.write_text(telling.document(every), encoding="utf-8")
    elif path is not None:
        click.echo(f"conform: not every fault was tried: {path} is left as it was", err=True)
    if not every.outcomes and every.missing:
        sys.exit(3)
    survive = any(every.surviving(planted.module) for planted in every.planted)
    sys.exit(1 if survive or every.disproven else 0)


@main.command(
    epilog="""\b
Exit codes:
  0    nothing new
  1    something new
  2    wrong usage
  3    nothing could be run: no framework found
  130  interrupted; what was found is kept"""
)
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    help="How many to draw.  [default: 1000, or what --seconds leave time for]",
)
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), help="End after so many seconds."
)
@click.option("--family", "families", multiple=True, help="Only this family (glob).")
@click.option(
    "--implementation",
    "implementations",
    multiple=True,
    help="Only this API: its full name or its last part (glob).",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="The same seed gives the same examples.  [default: a new one, which is printed]",
)
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder for what is found.  [default: reports/fuzz/SEED]",
)
@click.option(
    "--add",
    is_flag=True,
    help="Add what is found to the suite's known divergences too, with a draft of a record. Not "
    "for CI, where it would hide each divergence from the next run.",
)
def fuzz(
    examples: int | None,
    seconds: float | None,
    families: tuple[str, ...],
    implementations: tuple[str, ...],
    seed: int | None,
    report: Path | None,
    add: bool,
) -> None:
    """Search for divergences: random schedules and trainings, on all that can express them.

    A divergence that is on no record is shrunk and written as a case file, ready to be run.
    """
    import secrets

    from harness import console, fuzz as fuzzing
    from harness.report.write import ensure_writable
    from harness.workers import default_environments

    number = secrets.randbelow(10**6) if seed is None else seed
    at_most = 1000 if examples is None and seconds is None else examples
    asked = fuzzing.asked(number, families, implementations, at_most)
    folder = report or REPORTS / "fuzz" / str(number)
    ensure_writable(folder)
    out, err = console.PipeConsole(), console.PipeConsole(stderr=True)
    err.print(f"seed {number}")
    with fuzzing.Showing(out, err, at_most) as showing:
        result = fuzzing.run(
            asked,
            default_environments(),
            folder,
            seconds,
            add,
            showing.on_examples,
            showing.on_kept,
        )
    fuzzing.print_summary(out, result)
    out.print(f"report: {folder / 'fuzz.json'}", soft_wrap=True)
    if result.end is fuzzing.End.INTERRUPTED:
        raise KeyboardInterrupt(f"what was found is in {folder}")
    sys.exit(1 if result.fails else 0)


@main.command("check")
@_PATHS
def check_cases(paths: tuple[Path, ...]) -> None:
    """Validate the case files below each PATH, without starting any framework."""
    places = paths or (CASES,)
    loaded, problems = check(places)
    # A part of the suite, or what is left of it beside bad files, need not hold every case that
    # the records speak of.
    whole = not problems and any(CASES.resolve().is_relative_to(p.resolve()) for p in places)
    problems += inconsistencies(loaded, loaded.known_divergences if whole else ())
    if problems:
        for problem in sorted(problems):
            click.echo(str(problem))
        click.echo(listing.counted(len(problems), "problem"), err=True)
        sys.exit(2)
    cases = listing.counted(len(loaded.cases), "case")
    divergences = listing.counted(len(loaded.known_divergences), "known divergence")
    click.echo(f"valid: {cases}, {divergences}")


@main.group("list")
def list_() -> None:
    """List cases, implementations or targets."""


@list_.command("cases")
@_PATHS
@_JSON
def list_cases(paths: tuple[Path, ...], as_json: bool) -> None:
    """The cases below each PATH."""
    _print_rows(listing.cases(_load(paths)), as_json)


@list_.command("implementations")
@_JSON
def list_implementations(as_json: bool) -> None:
    """Every API that the catalogue knows, and how each family's parameters map to it."""
    rows = listing.implementations()
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        click.echo(listing.implementations_text(rows))


@list_.command("targets")
@_JSON
def list_targets(as_json: bool) -> None:
    """Every environment, device and mode that trials can run on here."""
    _print_rows(listing.targets(), as_json)


@main.command()
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
def explain(
    case: str, implementation: str | None, target: str, script: bool, paths: tuple[Path, ...]
) -> None:
    """Show how CASE goes on each implementation: the calls, step by step, and a reproducer."""
    from harness import explanation

    loaded = _load(paths)
    out = Console(highlight=False, soft_wrap=True)
    explanation.explain(_find(loaded, case), loaded, implementation, target, script, out)


@main.command()
def doctor() -> None:
    """Say what is installed here, what works, and what is known not to."""
    from harness import doctor as checks

    sys.exit(0 if checks.examine(Console(highlight=False)) else 3)


@main.command()
@click.argument("which", type=click.Choice(["case", "report"]))
def schema(which: str) -> None:
    """Print the JSON Schema of a case file or of report.json."""
    if which == "case":
        from harness.load import schema_text
    else:
        from harness.report.model import schema_text
    click.echo(schema_text(), nl=False)


@main.command()
@click.argument("which", type=click.Choice(["coverage", "findings", "mapping"]))
def document(which: str) -> None:
    """Print a document that is made from the cases: what docs/ keeps."""
    from harness import documents

    click.echo(documents.text(which, load((CASES,))), nl=False)


def _load(paths: tuple[Path, ...]) -> Loaded:
    places = paths or (CASES,)
    loaded = load(places)
    return Loaded(loaded.cases, (*loaded.known_divergences, *own_records(besides=places)))


def _find(loaded: Loaded, name: str) -> Case:
    names = {case.name: case for case in loaded.cases}
    fitting = [name] if name in names else [known for known in names if fnmatchcase(known, name)]
    if len(fitting) != 1:
        raise UnknownName("case", name, names)
    return names[fitting[0]]


def _print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    click.echo(json.dumps(rows, indent=1) if as_json else listing.table(rows))

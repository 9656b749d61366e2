"""`conform fuzz`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli.common import FAMILIES, IMPLEMENTATIONS, report_folder
from harness.project import REPORTS


@click.command(
    epilog="""\b
Exit codes:
  0    something was tried, and nothing is new
  1    something is new or has crashed, or nothing was tried
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
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="End after so many seconds, even if not all examples are done.",
)
@FAMILIES
@IMPLEMENTATIONS
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="The same seed gives the same examples.  [default: a new one, which is printed]",
)
@report_folder("Folder for what is found.", "reports/fuzz/SEED")
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

    A divergence that is on no record is shrunk and written as a case file, ready to be run. With
    --seed and --examples the search is the same every time; the quick one of make search is part of
    this repository's gate.
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

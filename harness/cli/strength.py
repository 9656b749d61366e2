"""`conform strength`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli.common import load_cases, report_folder
from harness.project import REPORTS


@click.command(
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
@report_folder(
    "Folder for what is found, from which an interrupted run goes on.", "reports/strength"
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
            strengths.carry_out(every, load_cases(()), folder, seconds, showing, jobs)
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

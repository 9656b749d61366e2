"""`conform gate` and `conform baseline`: a run held against the one that was as it should be."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import JSON
from harness.errors import (
    BaselineUnusable,
    NoBaseline,
    PartialReport,
    ReportUnreadable,
    UnfitForBaseline,
)
from harness.project import REPORTS

if TYPE_CHECKING:
    from harness.gate import Baseline
    from harness.report.model import Report

_GATE_CODES = """\b
Exit codes:
  0    the gate is open
  1    it is closed: something got worse
  2    wrong usage, no baseline or report that can be read, or only a part was run"""
_UPDATE_CODES = """\b
Exit codes:
  0    the baseline is written
  1    it is left as it was: something in the run is amiss
  2    wrong usage, no report that can be read, or only a part was run"""
REPORT = click.argument("report", required=False, type=click.Path(path_type=Path))
BASELINE = click.option(
    "--baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    default=REPORTS / "baseline.json",
    show_default=True,
    help="The baseline's file.",
)
VERBOSE = click.option(
    "-v", "--verbose", is_flag=True, help="Every change, and not examples of those that are alike."
)


@click.command(epilog=_GATE_CODES)
@REPORT
@BASELINE
@click.option(
    "--max-drift",
    type=click.FloatRange(min=0),
    metavar="ULP",
    help="Fail where values may have moved by more, although within the budget.",
)
@click.option("--partial", is_flag=True, help="Compare what was run, and miss nothing else.")
@click.option(
    "--annotations/--no-annotations",
    default=None,
    help="Annotate files for GitHub.  [default: where GITHUB_ACTIONS is true]",
)
@VERBOSE
@JSON
def gate(
    report: Path | None,
    baseline: Path,
    max_drift: float | None,
    partial: bool,
    annotations: bool | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Compare REPORT (by default reports/latest) with the baseline.

    Fails on what fails now and did not, on trials that are lost, and on records of divergences that
    are gone. Values that moved within their budget, new trials and new versions are told, and pass.
    """
    from harness import gate as gates
    from harness.gate import github, telling

    made, before = _read_report(report), gates.read(baseline)
    missing = gates.left_out(made, before)
    if missing and not partial:
        raise PartialReport(
            f"{missing}; run everything, or compare what was run: conform gate --partial"
        )
    outcome = gates.compare(made, before, str(baseline), partial)
    if max_drift is not None:
        outcome = outcome.beyond(max_drift)
    if annotations is None:
        annotations = not as_json and os.environ.get("GITHUB_ACTIONS") == "true"
    if as_json and annotations:
        raise click.UsageError("--json and --annotations write to the same place")
    if as_json:
        content = {
            "is_closed": outcome.is_closed,
            "compared": outcome.compared,
            **outcome.entry.model_dump(mode="json"),
            "still_failing": outcome.still_failing,
        }
        click.echo(json.dumps(content, indent=1))
    else:
        lines = telling.lines(outcome, verbose)
        for line in github.without_commands(lines) if annotations else lines:
            click.echo(line)
    for line in github.annotated(outcome) if annotations else ():
        click.echo(line)
    sys.exit(1 if outcome.is_closed else 0)


@click.group()
def baseline() -> None:
    """Keep the baseline that `conform gate` compares with."""


@baseline.command(epilog=_UPDATE_CODES)
@REPORT
@BASELINE
@click.option("--allow-failures", is_flag=True, help="Keep trials that fail, too.")
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Drop the trials of an environment that could not be started here.",
)
@VERBOSE
def update(
    report: Path | None, baseline: Path, allow_failures: bool, allow_missing: bool, verbose: bool
) -> None:
    """Make the baseline of REPORT (by default reports/latest), and say what changes by it.

    What each case costs beside the others is kept too, in durations.json beside the baseline: by
    that conform run --shard deals them out.
    """
    from harness import durations, gate as gates
    from harness.gate import telling
    from harness.listing import counted

    made = _read_report(report)
    missing = gates.left_out(made)
    if missing:
        raise PartialReport(f"{missing}; a baseline is made of a whole run: conform run")
    failing = [trial.id for trial in made.trials if trial.fails]
    if failing and not allow_failures:
        raise UnfitForBaseline(
            f"the run fails in {counted(len(failing), 'trial')}, {telling.flat(failing[0])} first; "
            "mend or record what fails, or keep it so: conform baseline update --allow-failures"
        )
    before = _before(baseline)
    if before is not None and not allow_missing:
        kept = {name.rpartition("::")[2].split("/")[0] for name in before.trials}
        for environment in made.environments:
            if environment.failure is not None and environment.name in kept:
                raise UnfitForBaseline(
                    f"{environment.name} was not run, and the baseline has trials of it; run them "
                    "too, or drop them: conform baseline update --allow-missing"
                )
    costs = baseline.with_name(durations.NAME)
    new = durations.durations_of(made, durations.read(costs))
    gates.write(gates.baseline_of(made), baseline)
    durations.write(new, costs)
    if before is not None:
        outcome = gates.compare(made, before, str(baseline))
        for line in telling.changes(outcome, verbose):
            click.echo(line)
    trials, cases = counted(len(made.trials), "trial"), counted(len(made.cases), "case")
    click.echo(f"{baseline}: {trials} of {cases}")


def _before(path: Path) -> Baseline | None:
    """The baseline that is about to be replaced; None where there is none that can be read."""
    from harness import gate as gates

    try:
        return gates.read(path)
    except NoBaseline:
        return None
    except BaselineUnusable as error:
        click.echo(f"conform: {error}", err=True)
        return None


def _read_report(path: Path | None) -> Report:
    from harness.report.reading import read

    place = path or REPORTS / "latest"
    report = read(place)
    if not all(sequence.digest for trial in report.trials for sequence in trial.sequences):
        raise ReportUnreadable(
            f"{place} is a report of format 2.0, which has no digests to compare; "
            "write it anew with: conform run"
        )
    return report

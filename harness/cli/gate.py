"""`conform gate` and `conform baseline`: a run held against the one that was as it should be."""

from __future__ import annotations

import json
import os
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import JSON, Readable
from harness.errors import (
    BaselineUnusable,
    NoBaseline,
    OldBaseline,
    PartialReport,
    ReportUnreadable,
    UnfitForBaseline,
)
from harness.output import commands, neutral
from harness.project import REPORTS

if TYPE_CHECKING:
    from harness.gate import Baseline
    from harness.report.model import Report
    from harness.verdict import Verdict

_GATE_CODES = """\b
Exit codes:
  0    the gate is open
  1    it is closed: something got worse
  2    wrong usage, no baseline or report that can be read, a report that is not of the last run
       or of another commit, or only a part was run"""
_UPDATE_CODES = """\b
Exit codes:
  0    the baseline is written
  1    it is left as it was: something in the run is amiss, or trials would be dropped
  2    wrong usage, no report that can be read, a report that is not of the last run or of another
       commit, or only a part was run"""
REPORT = click.argument("report", required=False, type=Readable())
COMMIT = click.option(
    "--commit",
    metavar="SHA",
    help="The commit that the report has to be of.  [default: that of the working tree, for the "
    "report in reports/latest]",
)
BASELINE = click.option(
    "--baseline",
    type=Readable(dir_okay=False),
    default=REPORTS / "baseline.json",
    show_default=True,
    help="The baseline's file.",
)
VERBOSE = click.option(
    "-v", "--verbose", is_flag=True, help="Every change, and not examples of those that are alike."
)


@click.command(epilog=_GATE_CODES)
@REPORT
@COMMIT
@BASELINE
@click.option(
    "--max-drift",
    type=click.FloatRange(min=0),
    metavar="ULP",
    help="Fail where values may have moved by more, although within their tolerance.",
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
    commit: str | None,
    baseline: Path,
    max_drift: float | None,
    partial: bool,
    annotations: bool | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Compare REPORT (by default reports/latest) with the baseline.

    Fails on what fails now and did not, on trials that are lost, on findings that are stale, on
    values that moved by more than their tolerance, or than rounding explains where no tolerance is
    tested, on other exceptions, on workers that crashed, on a report that contradicts itself, and
    where nothing was compared. Smaller movements, new trials and new versions are reported, and
    pass.

    The report has to be that of the last run, of the commit that the working tree is at. A REPORT
    that is named may be of any commit, unless --commit says of which.
    """
    from harness import gate as gates
    from harness.gate import github, telling

    made, before = _read_report(report, commit), gates.read(baseline)
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
        for line in () if annotations else lines:
            click.echo(line)
        for line in github.without_commands(map(neutral, lines)) if annotations else ():
            commands(line)
    for line in github.annotated(outcome) if annotations else ():
        commands(line)
    sys.exit(1 if outcome.is_closed else 0)


@click.group()
def baseline() -> None:
    """Keep the baseline that `conform gate` compares with."""


@baseline.command(epilog=_UPDATE_CODES)
@REPORT
@COMMIT
@BASELINE
@click.option("--allow-failures", is_flag=True, help="Keep trials that fail, too.")
@click.option(
    "--allow-missing",
    multiple=True,
    metavar="PATTERN",
    help="Drop trials of the baseline that were not run and whose ids fit (glob), such as "
    "'*::mindspore/*'; may be repeated.",
)
@VERBOSE
def update(
    report: Path | None,
    commit: str | None,
    baseline: Path,
    allow_failures: bool,
    allow_missing: tuple[str, ...],
    verbose: bool,
) -> None:
    """Make the baseline of REPORT (by default reports/latest), and say what changes by it.

    Trials that are in the baseline and were not run are dropped only where --allow-missing says so.

    What each case costs beside the others is kept too, in durations.json beside the baseline: by
    that conform run --shard deals them out.
    """
    from harness import durations, gate as gates
    from harness.gate import telling
    from harness.listing import counted
    from harness.verdict import Verdict

    made = _read_report(report, commit)
    missing = gates.left_out(made)
    if missing:
        raise PartialReport(f"{missing}; a baseline is made of a whole run: conform run")
    failing = [trial.id for trial in made.trials if Verdict(trial.verdict).fails]
    if failing and not allow_failures:
        raise UnfitForBaseline(
            f"the run fails in {counted(len(failing), 'trial')}, {telling.flat(failing[0])} first; "
            "mend or record what fails, or keep it so: conform baseline update --allow-failures"
        )
    if made.incidents and not allow_failures:
        raise UnfitForBaseline(
            f"the run had {counted(len(made.incidents), 'incident')}, "
            f"{telling.flat(made.incidents[0])} first; run again, or keep what it gave: "
            "conform baseline update --allow-failures"
        )
    before, kept = _before(baseline, allow_missing)
    _refuse_to_drop(gates.dropped(made, kept), allow_missing, baseline)
    costs = baseline.with_name(durations.NAME)
    new = durations.durations_of(made, durations.read(costs))
    gates.write(gates.baseline_of(made), baseline)
    durations.write(new, costs)
    if before is None and kept:
        click.echo(f"{baseline} had an earlier format, so what changed in it is not listed")
    if before is not None:
        outcome = gates.compare(made, before, str(baseline))
        for line in telling.changes(outcome, verbose):
            click.echo(line)
    trials, cases = counted(len(made.trials), "trial"), counted(len(made.cases), "case")
    click.echo(f"{baseline}: {trials} of {cases}")


def _before(
    path: Path, allow_missing: tuple[str, ...]
) -> tuple[Baseline | None, dict[str, Verdict | None]]:
    """The baseline that is to be replaced, and the verdicts of its trials.

    None where there is none that this version can read, or where a verdict is not known.
    """
    from harness import gate as gates

    try:
        found = gates.read(path)
    except NoBaseline:
        return None, {}
    except OldBaseline as error:
        return None, dict.fromkeys(error.trials)
    except BaselineUnusable as error:
        if "*" not in allow_missing:
            raise
        click.echo(f"conform: {error}", err=True)
        return None, {}
    return found, {name: trial.verdict for name, trial in found.trials.items()}


def _refuse_to_drop(dropped: list[str], allowed: tuple[str, ...], path: Path) -> None:
    from harness.gate.telling import EXAMPLES, flat
    from harness.listing import counted

    left = [name for name in dropped if not any(fnmatchcase(name, glob) for glob in allowed)]
    if left:
        listed = "".join(f"\n    {flat(name)}" for name in left[:EXAMPLES])
        more = f"\n    and {len(left) - EXAMPLES} more" if len(left) > EXAMPLES else ""
        raise UnfitForBaseline(
            f"{path} has {counted(len(left), 'trial')} that this run does not have:{listed}{more}\n"
            "run them too (conform run), or say which may be dropped: "
            "conform baseline update --allow-missing PATTERN"
        )


def _read_report(path: Path | None, commit: str | None) -> Report:
    from harness.attempt import refuse_other_commit, refuse_other_tree
    from harness.report.reading import read

    latest = REPORTS / "latest"
    place = path or latest
    report = read(place)
    if commit is not None:
        refuse_other_commit(report, str(place), commit)
    elif latest.resolve() in (place.resolve(), place.resolve().parent):
        refuse_other_tree(report, str(place), latest)
    if not all(sequence.digest for trial in report.trials for sequence in trial.sequences):
        raise ReportUnreadable(
            f"{place} is a report of format 2.0, which has no digests to compare; "
            "write it anew with: conform run"
        )
    return report

"""`conform compare` and `conform recorder`: traces of any training."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.calls import FROM, PER_STEP, SET
from harness.cli.common import JSON, report_folder, tolerance, tolerances
from harness.cli.sides import SIDES, Asked, Sides, other_ways, sides
from harness.project import REPORTS

if TYPE_CHECKING:
    from harness.case import Tolerance
    from harness.traces.comparing import Comparison

EPILOG = """\b
A trace is a file of
  JSON Lines    what the recorder writes (conform recorder), or records with step and lr
  CSV           step,lr with a header or without; group if there are several
  TensorBoard   an event file or its folder: pip install 'lr-schedule-conformance[tensorboard]'
or, in place of one of them, what the reference model says of
  case:NAME       a case of the suite
  schedule:CALL   a schedule as a script makes it: a call of torch or MindSpore, or
                  FILE.py, FILE.py:LINE; it is read, and never run
docs/traces.md has the formats.

\b
With a schedule, --steps-per-epoch N says how many updates an epoch has: a torch
scheduler is stepped once an epoch, unless --per-step says otherwise. The trace is
taken to count updates; --epochs-in says if it counts epochs.

\b
Examples:
  conform compare torch.jsonl mindspore.jsonl
  conform compare per_update.csv per_epoch.csv --steps-per-epoch 390
  conform compare runs/old runs/new --column train/lr --rtol 1e-5
  conform compare trace.jsonl case:epochs/every-epoch
  conform compare 'schedule:ExponentialLR(gamma=0.9)' trace.jsonl \\
      --lr 0.1 --steps-per-epoch 390
  conform compare schedule:train_torch.py mindspore.jsonl --steps-per-epoch 25

\b
Exit codes:
  0    they agree at every step
  1    they differ, or one has rates where the other has none
  2    wrong usage, or a trace that cannot be used
  130  interrupted"""


@click.command(epilog=EPILOG)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option(
    "--offset",
    default=0,
    metavar="N",
    show_default=True,
    help="Step s of A is step s + N of B.",
)
@click.option(
    "--steps-per-epoch",
    type=click.IntRange(1),
    metavar="N",
    help="One of them counts epochs of N steps of the other; of a schedule: updates in an "
    "epoch.  [default with a schedule: what the trace says, or 1]",
)
@click.option(
    "--epochs-in",
    type=click.Choice(SIDES),
    help="Which one, with --steps-per-epoch.  [default: second; or the schedule]",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME",
    help="The column, key or tag that has the rate; once for each file if need be.",
)
@tolerances
@click.option(
    "--cases",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Where the case is, if not among the suite's own.",
)
@click.option(
    "--lr",
    "rates",
    multiple=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Of a schedule: the rate that the optimizer is made with; once for each group.",
)
@PER_STEP
@click.option("--epochs", type=click.IntRange(1), help="Of a schedule: epochs of the training.")
@click.option(
    "--steps",
    type=click.IntRange(1),
    help="The same in updates.  [default: as long as the trace]",
)
@SET
@FROM
@report_folder("Folder for a page and JSON of the comparison.", "reports/compare")
@JSON
def compare(
    first: str,
    second: str,
    rtol: float | None,
    atol: float | None,
    max_ulp: float | None,
    report: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare two traces of learning rates, and say where and why they differ.

    A is the one that is held to be right. The traces may come from two machines; in place of one
    of them a case of the suite or a schedule may stand. By default two rates may be apart by what
    two correct implementations may (docs/tolerance.md).
    """
    from harness.report import ensure_writable
    from harness.traces import published, telling
    from harness.traces.comparing import PairVerdict, compare as compared
    from harness.traces.document import document

    folder = report or REPORTS / "compare"
    ensure_writable(folder)
    asked, passing = Asked((first, second), **options), tolerance(rtol, atol, max_ulp)
    found = sides(asked)
    traces, alignment = found.traces, found.alignment
    comparison = compared(*traces, alignment, passing)
    if found.schedule is not None and comparison.verdict is not PairVerdict.AGREE:
        comparison = _proposing(comparison, asked, found, passing)
    told = document(traces, comparison, alignment, found.stepped)
    published.write(traces, comparison, told, folder)
    if as_json:
        click.echo(published.text(told), nl=False)
    else:
        for number, (trace, stepped) in enumerate(zip(traces, found.stepped, strict=True)):
            said = filter(None, (telling.origin(trace), stepped, telling.extent(trace)))
            for line in telling.trace_lines(number, trace, ", ".join(said)):
                click.echo(line)
        for line in telling.comparison_lines(traces, comparison):
            click.echo(line)
        if comparison.proposed is not None:
            click.echo(f"they match with: {comparison.proposed}")
        click.echo(f"report: {folder / 'index.html'}")
    sys.exit(0 if comparison.verdict is PairVerdict.AGREE else 1)


def _proposing(
    comparison: Comparison, asked: Asked, found: Sides, passing: Tolerance | None
) -> Comparison:
    """The comparison with a schedule, with the options under which they would match."""
    from harness.traces.comparing import PairVerdict, compare as compared

    assert found.schedule is not None
    proposed = found.schedule.proposed(comparison.proposed, asked.scheduled or 0)
    for options, other in other_ways(asked, found):
        tried = compared(*other.traces, other.alignment, passing, explain=False)
        if tried.verdict is not PairVerdict.AGREE:
            continue
        if other.alignment != found.alignment:
            proposed = other.alignment
        else:
            proposed = None
            comparison = replace(comparison, notes=(f"they match with: {options}",))
    return replace(comparison, proposed=proposed)


@click.command()
def recorder() -> None:
    """Print the recorder: one Python file that writes a trace of any training.

    \b
        conform recorder > lr_recorder.py

    \b
        from lr_recorder import Recorder
        recorder = Recorder(optimizer, "trace.jsonl", steps_per_epoch=390)
        recorder.step()     # right before each optimizer.step()
    """
    from importlib.resources import files

    text = (files("harness.traces") / "lr_recorder.py").read_text("utf-8")
    click.echo(text, nl=False)

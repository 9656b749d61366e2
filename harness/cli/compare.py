"""`conform compare` and `conform recorder`: traces of any training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import JSON, find_case, load_cases, report_folder, tolerance, tolerances
from harness.project import REPORTS

if TYPE_CHECKING:
    from harness.traces.trace import Trace

CASE = "case:"
FAR = 1 << 53
"""Beyond it no step is counted."""
EPILOG = """\b
A trace is a file of
  JSON Lines    what the recorder writes (conform recorder), or records with step and lr
  CSV           step,lr with a header or without; group if there are several
  TensorBoard   an event file or its folder: pip install 'lr-schedule-conformance[tensorboard]'
or case:NAME, a case of the suite. docs/traces.md has the formats.

\b
Examples:
  conform compare torch.jsonl mindspore.jsonl
  conform compare per_update.csv per_epoch.csv --steps-per-epoch 390
  conform compare runs/old runs/new --column train/lr --rtol 1e-5
  conform compare trace.jsonl case:epochs/every-epoch

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
    help="One of them counts epochs of N steps of the other.",
)
@click.option(
    "--epochs-in",
    type=click.Choice(["first", "second"]),
    default="second",
    show_default=True,
    help="Which one, with --steps-per-epoch.",
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
@report_folder("Folder for a page and JSON of the comparison.", "reports/compare")
@JSON
def compare(
    first: str,
    second: str,
    offset: int,
    steps_per_epoch: int | None,
    epochs_in: str,
    columns: tuple[str, ...],
    rtol: float | None,
    atol: float | None,
    max_ulp: float | None,
    paths: tuple[Path, ...],
    report: Path | None,
    as_json: bool,
) -> None:
    """Compare two traces of learning rates, and say where and why they differ.

    A is the one that is held to be right. The traces may come from two machines. By default two
    rates may be apart by what two correct implementations may (docs/tolerance.md).
    """
    from harness.report import ensure_writable
    from harness.traces import published, telling
    from harness.traces.alignment import Alignment
    from harness.traces.comparing import PairVerdict, compare as compared
    from harness.traces.document import document

    folder = report or REPORTS / "compare"
    ensure_writable(folder)
    traces = _traces(first, second, columns, paths)
    last = max(int(trace.steps[-1]) for trace in traces) * (steps_per_epoch or 1)
    if max(last, abs(offset)) > FAR:
        raise click.UsageError("by --offset and --steps-per-epoch there are steps beyond 2^53")
    alignment = Alignment(offset, steps_per_epoch or 1, epochs_in)
    comparison = compared(*traces, alignment, tolerance(rtol, atol, max_ulp))
    told = document(traces, comparison, alignment)
    published.write(traces, comparison, told, folder)
    if as_json:
        click.echo(published.text(told), nl=False)
    else:
        for number, trace in enumerate(traces):
            said = filter(None, (telling.origin(trace), telling.extent(trace)))
            for line in telling.trace_lines(number, trace, ", ".join(said)):
                click.echo(line)
        for line in telling.comparison_lines(traces, comparison):
            click.echo(line)
        if comparison.proposed is not None:
            click.echo(f"they match with: {comparison.proposed}")
        click.echo(f"report: {folder / 'index.html'}")
    sys.exit(0 if comparison.verdict is PairVerdict.AGREE else 1)


def _traces(
    first: str, second: str, columns: tuple[str, ...], paths: tuple[Path, ...]
) -> tuple[Trace, Trace]:
    from harness.traces.of_case import of_case
    from harness.traces.reading import read

    files = {
        name: read(Path(name), columns) for name in (first, second) if not name.startswith(CASE)
    }
    like = next(iter(files.values()), None)
    cases = load_cases(paths) if len({first, second} - files.keys()) else None
    found = []
    for name in (first, second):
        if cases is not None and name.startswith(CASE):
            found.append(of_case(find_case(cases, name.removeprefix(CASE)), like))
        else:
            found.append(files[name])
    return found[0], found[1]


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

"""`conform verify`: two training scripts, run side by side and compared."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli.common import JSON, report_folder, tolerance, tolerances

STEPPING = click.Choice(["epoch", "step"])
EPILOG = """\b
A script has a function `build` that returns what it trains with:
  PyTorch    optimizer | (optimizer, scheduler...) | a mapping or dataclass
  MindSpore  the same; or a list of rates, or a LearningRateSchedule
In a mapping: optimizer, scheduler (or schedulers, learning_rate); and if need be
  per      "epoch" or "step": when schedulers are stepped (a list: each)
  metrics  for ReduceLROnPlateau: a list, or a function of the steps made
  save, load  the script's own way to resume: load(save()) of a new build
A `build` with a parameter start_step is told where a resumed training goes on.

\b
Examples:
  conform verify --torch train_torch.py --mindspore train_ms.py \\
      --epochs 90 --steps-per-epoch 390
  conform verify --torch a.py:build --mindspore b.py:make --steps 35100 \\
      --torch-stepping step --resume-at 11700
  conform verify --torch old.py --torch new.py --steps 10000

\b
Exit codes:
  0    they agree at every update
  1    they differ
  2    wrong usage, or a script that cannot be used
  3    an interpreter is missing, or lacks its framework
  130  interrupted"""


@click.command(epilog=EPILOG)
@click.option(
    "--torch", "torch_", multiple=True, metavar="FILE[:FUNCTION]", help="A PyTorch script."
)
@click.option("--mindspore", multiple=True, metavar="FILE[:FUNCTION]", help="A MindSpore script.")
@click.option("--steps", type=click.IntRange(1), help="Updates of the optimizer to be compared.")
@click.option("--epochs", type=click.IntRange(1), help="The same in epochs.")
@click.option(
    "--steps-per-epoch", type=click.IntRange(1), help="Updates in an epoch.  [default: 1]"
)
@click.option(
    "--torch-stepping",
    type=STEPPING,
    help="When the PyTorch schedulers are stepped.  [default: what the script says, or epoch]",
)
@click.option(
    "--mindspore-stepping",
    type=STEPPING,
    help="The same for schedulers of mindspore.experimental.",
)
@click.option(
    "--mindspore-mode",
    type=click.Choice(["graph", "pynative"]),
    help="How MindSpore runs.  [default: graph, unless the rates are others there]",
)
@click.option(
    "--resume-at",
    type=click.IntRange(1),
    multiple=True,
    metavar="STEP",
    help="Go on in new objects before this update; more than once if need be.",
)
@click.option("--reported-only", is_flag=True, help="Leave the weights alone: no applied rates.")
@click.option("--torch-python", metavar="PYTHON", help="An interpreter that has torch and numpy.")
@click.option("--mindspore-python", metavar="PYTHON", help="The same for MindSpore.")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    help="Seconds without a new update until a script is killed.",
)
@click.option("--fail-fast", is_flag=True, help="Stop as soon as the two differ.")
@tolerances
@report_folder("Folder for a page and JSON of the comparison.", "none is written")
@click.option(
    "--save-traces",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Keep both traces there, as first.jsonl and second.jsonl.",
)
@JSON
def verify(
    torch_: tuple[str, ...],
    mindspore: tuple[str, ...],
    steps: int | None,
    epochs: int | None,
    steps_per_epoch: int | None,
    torch_stepping: str | None,
    mindspore_stepping: str | None,
    mindspore_mode: str | None,
    resume_at: tuple[int, ...],
    reported_only: bool,
    torch_python: str | None,
    mindspore_python: str | None,
    time_limit: float,
    fail_fast: bool,
    rtol: float | None,
    atol: float | None,
    max_ulp: float | None,
    report: Path | None,
    save_traces: Path | None,
    as_json: bool,
) -> None:
    """Run two training scripts side by side, and compare their learning rates at every update.

    The first is the one that is held to be right. Each runs in a process of its own, without its
    data and its model: its optimizer moves one weight for each parameter group, by which the rates
    are seen that are really applied.
    """
    from harness import verification
    from harness.report import ensure_writable
    from harness.traces import published, written
    from harness.traces.comparing import PairVerdict
    from harness.verification import telling
    from harness.verification.telling import Watching

    every = steps_per_epoch or 1
    length = _length(steps, epochs, every)
    late = [step for step in resume_at if step >= length]
    if late:
        raise click.UsageError(f"--resume-at {late[0]} is not before the end, {length} updates")
    chosen = (
        *(verification.side("torch", s, torch_python, torch_stepping) for s in torch_),
        *(
            verification.side("mindspore", s, mindspore_python, mindspore_stepping, mindspore_mode)
            for s in mindspore
        ),
    )
    if len(chosen) != 2:
        raise click.UsageError(
            f"two scripts are compared, {len(chosen)} given: --torch FILE and --mindspore FILE, "
            "or one of them twice"
        )
    one, other = chosen
    training = verification.Training(
        length, every, tuple(sorted(set(resume_at))), not reported_only
    )
    if report is not None:
        ensure_writable(report)
    if save_traces is not None:
        ensure_writable(save_traces, "the traces", "--save-traces")
    with Watching(length) as watching:
        result = verification.verify(
            (one, other),
            training,
            time_limit,
            tolerance=tolerance(rtol, atol, max_ulp),
            fail_fast=fail_fast,
            on_progress=watching.progress,
            on_look=watching.look,
        )
    if save_traces is not None:
        for name, trace in zip(("first", "second"), result.traces, strict=True):
            written.write(trace, save_traces / f"{name}.jsonl")
    document = telling.as_document(result)
    if report is not None:
        published.write(result.traces, result.comparison, document, report)
    if as_json:
        click.echo(published.text(document), nl=False)
    else:
        for line in telling.lines(result):
            click.echo(line)
        if report is not None:
            click.echo(f"report: {report / 'index.html'}")
    sys.exit(0 if result.comparison.verdict is PairVerdict.AGREE else 1)


def _length(steps: int | None, epochs: int | None, every: int) -> int:
    """The number of updates that is asked for, in one of two ways."""
    if steps is None and epochs is None:
        raise click.UsageError("how long? Give --steps, or --epochs and --steps-per-epoch")
    if steps is not None and epochs is not None:
        raise click.UsageError("--steps and --epochs say the same: give one of them")
    return steps if steps is not None else (epochs or 0) * every

"""`conform verify`: two training scripts, run side by side and compared."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import click

from harness.cli.common import JSON, report_folder, tolerance, tolerances

STEPPING = click.Choice(["epoch", "step"])
EPILOG = """\b
A script has a function `build` that returns what it trains with:
  an optimizer | (optimizer, scheduler...) | a mapping, dataclass or named tuple
  ([optimizer], [scheduler...]) | a list of rates: list, array or Tensor
  for MindSpore also a LearningRateSchedule
Lightning's configure_optimizers may stand in its place.

\b
In a mapping: optimizer, scheduler (or schedulers, lr_scheduler), or learning_rate
in place of an optimizer, network; and if need be
  per      "epoch" or "step": when schedulers are stepped (a list: each)
  metrics  for ReduceLROnPlateau: a list, or a function of the steps made
  save, load  the script's own way to resume: load(save()) of a new build;
              what load returns is read as what build returns
A scheduler may be a mapping of scheduler, interval ("step" or "epoch"),
frequency, reduce_on_plateau, opt_idx, monitor, name and strict.
Anything else that build returns is an error.

\b
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
  0    they agree at every update that was asked for
  1    they differ, or one or both ended before that
  2    wrong usage, or a script that cannot be used
  3    an interpreter is missing, or lacks its framework
  130  interrupted"""
MOST_UPDATES = 10**9
"""Beyond the longest training."""
UPDATES = click.IntRange(1, MOST_UPDATES)


class Seconds(click.FloatRange):
    """A finite number of seconds, and more than none."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number, checked."""
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a finite number of seconds", param, ctx)
        return seconds


@click.command(epilog=EPILOG)
@click.option(
    "--torch", "torch_", multiple=True, metavar="FILE[:FUNCTION]", help="A PyTorch script."
)
@click.option("--mindspore", multiple=True, metavar="FILE[:FUNCTION]", help="A MindSpore script.")
@click.option("--steps", type=UPDATES, help="Updates of the optimizer to be compared.")
@click.option("--epochs", type=UPDATES, help="The same in epochs.")
@click.option("--steps-per-epoch", type=UPDATES, help="Updates in an epoch.  [default: 1]")
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
    type=click.Choice(["graph", "jit", "pynative"]),
    help="How MindSpore runs: as a Cell in GRAPH_MODE, as a function compiled by jit, or "
    "uncompiled.  [default: graph if the script sets that mode, else jit, unless the rates are "
    "others there]",
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
    type=Seconds(),
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

    The first is taken as right. Each runs in its own process, without its data and its model. Its
    optimizer moves one weight for each parameter group, which shows the rates that are really
    applied. The output says which rates, groups and updates were compared.
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
    length = steps if steps is not None else (epochs or 0) * every
    if length > MOST_UPDATES:
        raise click.UsageError(
            f"{epochs:,} epochs of {every:,} updates are more than {MOST_UPDATES:,} updates"
        )
    return length

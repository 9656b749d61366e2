"""`conform migrate`: a schedule of one framework, written for the other and verified."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.calls import FROM, PER_STEP, SET, TOO_DEEP, find
from harness.cli.common import JSON

if TYPE_CHECKING:
    from harness.errors import Untranslatable
    from harness.translation import Length, Original

EPILOG = """\b
CALL is a call as it stands in a script, a Python file, or a line of it:
  'ExponentialLR(gamma=0.9)'         torch's schedulers, with --lr
  'nn.ExponentialDecayLR(0.1, 0.9, 390, is_stair=True)'   MindSpore's, to torch
  train.py    train.py:12            read, and never imported or run

\b
Examples:
  conform migrate 'ExponentialLR(gamma=0.9)' --lr 0.1 \\
      --epochs 90 --steps-per-epoch 390
  conform migrate 'SequentialLR([LinearLR(start_factor=0.1, total_iters=5),
      CosineAnnealingLR(T_max=85)], milestones=[5])' --lr 0.1 \\
      --epochs 90 --steps-per-epoch 390
  conform migrate train.py --epochs 90 --steps-per-epoch 390 \\
      --set args.gamma=0.9
  conform migrate --case epochs/every-epoch

\b
Exit codes:
  0    a form was found that conforms over the whole training
  1    none conforms, the original is not as its own definition has it, or the
       script's rates are not those of the call, or may not be
  2    wrong usage, or a call that cannot be read
  3    the framework to move to cannot be started
  130  interrupted"""


@click.command(epilog=EPILOG)
@click.argument("call", required=False)
@click.option(
    "--lr",
    type=click.FloatRange(min=0, min_open=True),
    help="The rate that the optimizer is made with.",
)
@click.option("--epochs", type=click.IntRange(1), help="Epochs of the training.")
@click.option(
    "--steps-per-epoch", type=click.IntRange(1), help="Updates in an epoch.  [default: 1]"
)
@click.option("--steps", type=click.IntRange(1), help="The length in updates, not in epochs.")
@PER_STEP
@SET
@FROM
@click.option("--case", metavar="CASE", help="The schedule of a case, in place of CALL.")
@click.option(
    "--cases",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Where the case is, if not among the suite's own.",
)
@click.option(
    "--target",
    metavar="DEVICE[/MODE]",
    help="Where to verify, such as cpu/pynative.  [default: the first device; MindSpore: graph]",
)
@click.option("--no-verify", is_flag=True, help="Print the forms, and run nothing.")
@JSON
def migrate(
    call: str | None,
    lr: float | None,
    epochs: int | None,
    steps_per_epoch: int | None,
    steps: int | None,
    per_step: bool,
    settings: tuple[str, ...],
    framework: str | None,
    case: str | None,
    paths: tuple[Path, ...],
    target: str | None,
    no_verify: bool,
    as_json: bool,
) -> None:
    """Write a schedule of PyTorch for MindSpore, or the other way round, and verify it.

    Prints every form that the other framework has for it, as code to paste. Each is run through
    the whole training on the installed frameworks, and its rates, reported and really applied, are
    compared with the reference model within a derived error bound.

    What is verified is the call. If the script does more (steps under a condition, before the
    optimizer or with an argument, writes to param_groups, has a second schedule on the optimizer
    or gives it to code outside the file), the output begins with that, with file and line.
    """
    from harness import translation
    from harness.project import own_records
    from harness.translation import telling
    from harness.translation.reading import Length

    if (call is None) == (case is None):
        raise click.UsageError("give a CALL, or --case")
    if steps is not None and epochs is not None:
        raise click.UsageError("--steps and --epochs say the same: give one of them")
    every = steps_per_epoch or 1
    updates = steps if steps is not None else epochs * every if epochs is not None else None
    length = Length(updates, every, per_step, steps_per_epoch is not None)
    unread: list[Untranslatable] = []
    originals = (
        _of_case(case, paths, framework)
        if case is not None
        else _of_call(call or "", length, lr, settings, framework, unread)
    )
    records, migrations = own_records(), []
    for number, original in enumerate(originals, 1):
        migration = translation.migrate(
            original, records, target, not no_verify, _progress(number, len(originals))
        )
        migrations.append(migration)
        if not as_json:
            if number > 1:
                click.echo("\n")
            click.echo("\n".join(telling.lines(migration)))
    if as_json:
        click.echo(json.dumps([telling.as_json(m) for m in migrations], indent=1))
    for error in unread:
        click.echo(f"conform: {error}", err=True)
    if unread:
        sys.exit(2)
    is_whole = not any(migration.original.differences for migration in migrations)
    sys.exit(0 if is_whole and (no_verify or all(m.proven for m in migrations)) else 1)


def _of_call(
    call: str,
    length: Length,
    lr: float | None,
    settings: tuple[str, ...],
    framework: str | None,
    unread: list[Untranslatable],
) -> list[Original]:
    """What a text or a file makes; calls that cannot be read are put among `unread`."""
    from harness.errors import Untranslatable
    from harness.translation.reading import read

    originals = []
    for written in find(call, settings, framework):
        try:
            originals.append(read(written, length, lr))
        except Untranslatable as error:
            unread.append(error)
        except RecursionError:
            unread.append(Untranslatable(f"{written.file}:{written.node.lineno}", TOO_DEEP))
    return originals


def _of_case(name: str, paths: tuple[Path, ...], framework: str | None) -> list[Original]:
    from harness.case import ScheduleCase
    from harness.cli.common import load_cases, look_up
    from harness.errors import Untranslatable
    from harness.translation.reading import of_case

    if name.endswith((".yaml", ".yml")):
        cases = [c for c in load_cases((Path(name),)).cases if isinstance(c, ScheduleCase)]
        if not cases:
            raise Untranslatable(name, "holds no case of a schedule")
        return [of_case(case, framework or "torch") for case in cases]
    case, _ = look_up(paths, name).load()
    if not isinstance(case, ScheduleCase):
        raise Untranslatable(name, "is a case about signatures, and has no schedule")
    return [of_case(case, framework or "torch")]


def _progress(number: int, of: int) -> Any:
    which = f"{number} of {of}: " if of > 1 else ""

    def told(done: int, trials: int) -> None:
        if done < trials and sys.stderr.isatty():
            click.echo(f"{which}verifying: {done} of {trials} done", err=True)

    return told

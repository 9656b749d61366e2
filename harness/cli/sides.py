"""What A and B of `conform compare` name: files, a case, a schedule; and how they are aligned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.calls import TOO_DEEP, find
from harness.cli.common import look_up

if TYPE_CHECKING:
    from harness.traces.alignment import Alignment
    from harness.traces.of_schedule import Driven
    from harness.traces.trace import Trace

CASE = "case:"
SCHEDULE = "schedule:"
SIDES = ("first", "second")
FAR = 1 << 53
"""Beyond it no step is counted."""
LONG = 2_000_000
"""Updates of a schedule that are worked out unasked."""


@dataclass(frozen=True)
class Asked:
    """The arguments and options of the command."""

    names: tuple[str, str]
    offset: int
    steps_per_epoch: int | None
    epochs_in: str | None
    columns: tuple[str, ...]
    paths: tuple[Path, ...]
    rates: tuple[float, ...]
    per_step: bool
    epochs: int | None
    steps: int | None
    settings: tuple[str, ...]
    framework: str | None

    @cached_property
    def scheduled(self) -> int | None:
        """Which of the two is a schedule, if one is.

        Raises:
            click.UsageError: both are, or neither is and an option is about one.
        """
        which = [n for n, name in enumerate(self.names) if name.startswith(SCHEDULE)]
        if len(which) == 2:
            raise click.UsageError(
                "two schedules: one of the two has to be a trace; to compare how two scripts "
                "run: conform verify"
            )
        given = {
            "--lr": self.rates,
            "--per-step": self.per_step,
            "--epochs": self.epochs,
            "--steps": self.steps,
            "--set": self.settings,
            "--from": self.framework,
        }
        useless = [option for option, value in given.items() if value]
        if not which and useless:
            raise click.UsageError(
                f"{useless[0]} is about a schedule, and neither A nor B is one: 'schedule:CALL', "
                "as in 'schedule:ExponentialLR(gamma=0.9)'"
            )
        if self.epochs and self.steps:
            raise click.UsageError("--steps and --epochs say the same: give one of them")
        return which[0] if which else None

    def alignment(self, every: int | None = None) -> Alignment:
        """Which steps belong together; with a schedule, of which an epoch has `every` updates.

        It counts its epochs itself, so that it is told in updates, as a trace is.
        """
        from harness.traces.alignment import Alignment

        if self.scheduled is None:
            return Alignment(self.offset, self.steps_per_epoch or 1, self.epochs_in or "second")
        if self.epochs_in in (None, SIDES[self.scheduled]):
            return Alignment(self.offset)
        return Alignment(self.offset, every or 1, self.epochs_in)


@dataclass(frozen=True)
class Sides:
    """Both traces, how they are aligned, and the schedule, where one of them is one."""

    traces: tuple[Trace, Trace]
    alignment: Alignment
    stepped: tuple[str | None, str | None] = (None, None)
    schedule: Driven | None = None


def sides(asked: Asked) -> Sides:
    """Read what is asked for.

    Raises:
        click.UsageError: the options do not go together.
        ConformError: one of the two cannot be read.
    """
    scheduled, alignment = asked.scheduled, asked.alignment()
    found = _recorded(asked, alignment)
    last = max(int(trace.steps[-1]) for trace in found.values()) * (asked.steps_per_epoch or 1)
    if max(last, abs(asked.offset)) > FAR:
        raise click.UsageError("by --offset and --steps-per-epoch there are steps beyond 2^53")
    if scheduled is None:
        return Sides((found[0], found[1]), alignment)
    like = found[1 - scheduled]
    return _beside(like, scheduled, *_scheduled(asked, like, scheduled))


def _recorded(asked: Asked, alignment: Alignment) -> dict[int, Trace]:
    """The files and the cases, by their places."""
    from harness.traces.of_case import of_case
    from harness.traces.reading import read

    files, cases = {}, {}
    for which, name in enumerate(asked.names):
        if name.startswith(CASE):
            cases[which] = name.removeprefix(CASE)
        elif which != asked.scheduled:
            files[which] = read(Path(name), asked.columns)
    found = dict(files)
    for which, name in cases.items():
        like = files.get(1 - which)
        updates = 1 if like is None else alignment.reach(int(like.steps[-1]), 1 - which) + 1
        case, _ = look_up(asked.paths, name).load()
        found[which] = of_case(case, like, max(1, updates))
    return found


def _scheduled(asked: Asked, like: Trace, which: int) -> tuple[Driven, Trace, Alignment]:
    """The schedule, in place `which`, that the other trace is compared with."""
    from harness.errors import Untranslatable
    from harness.traces.of_schedule import driven
    from harness.translation.reading import Length

    call = asked.names[which].removeprefix(SCHEDULE)
    written = find(call, asked.settings, asked.framework)
    every = asked.steps_per_epoch or like.header.steps_per_epoch or 1
    last, other = int(like.steps[-1]), 1 - which
    needed = max(1, asked.alignment(every).reach(last, other) + 1)
    told = asked.steps if asked.epochs is None else asked.epochs * every
    try:
        schedule = driven(written, Length(told, every, asked.per_step), asked.rates, needed)
    except RecursionError:
        raise Untranslatable(call, TOO_DEEP) from None
    own = schedule.steps_per_epoch
    if asked.steps_per_epoch not in (None, own):
        raise click.UsageError(
            f"--steps-per-epoch {asked.steps_per_epoch}: by the call an epoch has {own} updates"
        )
    if asked.epochs_in == SIDES[which] and not schedule.is_stepped_by_epoch:
        raise click.UsageError(
            f"--epochs-in {asked.epochs_in}: the schedule counts updates, and no epochs"
        )
    alignment = asked.alignment(own)
    trace = schedule.trace(like, max(1, alignment.reach(last, other) + 1))
    if asked.steps_per_epoch is None and own > 1 and schedule.is_stepped_by_epoch:
        said = f"an epoch has {own:,} updates, as {like.header.source} says"
        trace = replace(trace, problems=(*trace.problems, said))
    return schedule, trace, alignment


def other_ways(asked: Asked, found: Sides) -> Iterator[tuple[str, Sides]]:
    """The same schedule driven or aligned otherwise, with the options that would ask for it."""
    schedule, which = found.schedule, asked.scheduled
    if schedule is None or which is None or asked.epochs_in == SIDES[1 - which]:
        return
    every = schedule.steps_per_epoch
    if every == 1 or not schedule.is_stepped_by_epoch:
        return
    like = found.traces[1 - which]
    yield (
        "--per-step",
        _beside(like, which, *_scheduled(replace(asked, per_step=True), like, which)),
    )
    in_epochs = replace(asked, epochs_in=SIDES[1 - which])
    alignment = in_epochs.alignment(every)
    if alignment.reach(int(like.steps[-1]), 1 - which) < LONG:
        yield str(alignment), _beside(like, which, *_scheduled(in_epochs, like, which))


def _beside(like: Trace, which: int, schedule: Driven, trace: Trace, alignment: Alignment) -> Sides:
    stepped = schedule.stepped
    if which:
        return Sides((like, trace), alignment, (None, stepped), schedule)
    return Sides((trace, like), alignment, (stepped, None), schedule)

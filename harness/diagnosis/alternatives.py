"""Schedules that differ in one thing from the one that was asked for.

A family's parameters are found by their types, so that a new family needs nothing here but its way
to end, if it has one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from annotated_types import Ge
from pydantic import BaseModel

from harness.budget import unit_roundoff
from harness.catalogue import Precision
from harness.reference import (
    FAMILIES,
    Chained,
    Constant,
    Cosine,
    Exponential,
    Linear,
    OneCycle,
    Piecewise,
    Plateau,
    Polynomial,
    Schedule,
    Sequential,
    Swa,
    WarmRestarts,
)
from harness.reference.arithmetic import Arithmetic, Int64
from harness.reference.elementary import MAX_COUNT

MAX_ENTRIES = 8
"""Entries of a list that are changed one by one; a longer one is changed as a whole only."""
DECIMALS = range(9)
"""Decimal places, and significant digits less one, to which a parameter may have been rounded."""
_NO_LENGTH = {"T_mult"}
_NO_RATE = {"metrics"}


@dataclass(frozen=True)
class Leaf:
    """One parameter of a schedule, however deep: its name, its value, and how to replace it."""

    name: str
    value: Any
    least: int
    replaced: Callable[[Any], Any]


def leaves(model: BaseModel, prefix: str = "") -> Iterator[Leaf]:
    """Every parameter of a schedule, those of its parts among them.

    >>> from harness.reference import Constant
    >>> [leaf.name for leaf in leaves(Constant(base_lr=0.1, factor=0.5, total_iters=2))]
    ['base_lr', 'counted_in', 'factor', 'total_iters']
    """
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)

        def replaced(new: Any, name: str = name) -> Any:
            return model.model_copy(update={name: new})

        if isinstance(value, BaseModel):
            yield from _within(value, f"{prefix}{name.rstrip('_')}.", replaced)
        elif isinstance(value, list) and value and isinstance(value[0], BaseModel):
            for i, part in enumerate(value):

                def with_part(new: Any, i: int = i, value: Any = value, put: Any = replaced) -> Any:
                    return put([*value[:i], new, *value[i + 1 :]])

                yield from _within(part, f"{prefix}{name}[{i}].", with_part)
        elif value is not None and not (prefix and name == "base_lr" and _inherits(model)):
            zero = any(isinstance(bound, Ge) and bound.ge == 0 for bound in info.metadata)
            yield Leaf(f"{prefix}{name}", value, 0 if zero else 1, replaced)


def _inherits(model: BaseModel) -> bool:
    return "base_lr" not in model.model_fields_set


def _within(model: BaseModel, prefix: str, put: Callable[[Any], Any]) -> Iterator[Leaf]:
    for leaf in leaves(model, prefix):

        def replaced(new: Any, inner: Callable[[Any], Any] = leaf.replaced) -> Any:
            return put(inner(new))

        yield Leaf(leaf.name, leaf.value, leaf.least, replaced)


def leaf(schedule: Schedule, name: str) -> Leaf | None:
    """The parameter of that name, or None."""
    return next((found for found in leaves(schedule) if found.name == name), None)


@dataclass(frozen=True)
class Change:
    """One parameter with another value, in words that name both."""

    name: str
    old: Any
    new: Any
    how: str
    schedule: Schedule


def lengths(schedule: Schedule) -> Iterator[Change]:
    """Each length or milestone of the schedule one longer and one shorter."""
    for parameter in leaves(schedule):
        last, value = parameter.name.rpartition(".")[2], parameter.value
        if last in _NO_LENGTH:
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            for new in (value + 1, value - 1):
                if new >= parameter.least:
                    yield _changed(parameter, new, "")
        elif isinstance(value, list) and value and isinstance(value[0], int):
            for milestones in _moved(value):
                made = _changed(parameter, milestones, "")
                increase = all(a < b for a, b in pairwise(milestones)) and min(milestones) > 0
                if min(milestones) >= 0 and (increase or not isinstance(schedule, Piecewise)):
                    yield made


def _moved(milestones: list[int]) -> Iterator[list[int]]:
    for by in (1, -1):
        if len(milestones) <= MAX_ENTRIES:
            for i, milestone in enumerate(milestones):
                yield [*milestones[:i], milestone + by, *milestones[i + 1 :]]
        if len(milestones) > 1:
            yield [milestone + by for milestone in milestones]


def stretched(schedule: Schedule, times: int) -> Schedule:
    """The same, counted in updates, of which `times` are an epoch: it changes within an epoch."""
    for name in [parameter.name for parameter in leaves(schedule)]:
        parameter = leaf(schedule, name)
        if parameter is None or name.rpartition(".")[2] in _NO_LENGTH:
            continue
        value = parameter.value
        if name == "counted_in":
            schedule = parameter.replaced("updates")
        elif isinstance(value, int) and not isinstance(value, bool):
            schedule = parameter.replaced(value * times)
        elif isinstance(value, list) and value and isinstance(value[0], int):
            schedule = parameter.replaced([milestone * times for milestone in value])
    if isinstance(schedule, Exponential) and schedule.decay_epochs is not None:
        return schedule.model_copy(
            update={"decay_steps": schedule.decay_epochs, "decay_epochs": None}
        )
    return schedule


def stairs(schedule: Schedule) -> Iterator[tuple[bool, Schedule]]:
    """The schedule with a staircase where it has a slope, or the other way round."""
    for parameter in leaves(schedule):
        if parameter.name.rpartition(".")[2] == "staircase":
            yield not parameter.value, parameter.replaced(not parameter.value)


def rounded(schedule: Schedule, finer: Precision) -> Iterator[Change]:
    """Each of the schedule's numbers rounded, to a coarser format than `finer` or in decimals."""
    for parameter in leaves(schedule):
        value = parameter.value
        if isinstance(value, float):
            for how, new in _roundings(value, finer):
                yield _changed(parameter, new, how)
        elif isinstance(value, list) and value and isinstance(value[0], float):
            yield from _rounded_list(parameter, finer)


def _rounded_list(parameter: Leaf, finer: Precision) -> Iterator[Change]:
    values = parameter.value
    together: dict[str, list[float]] = {}
    for i, value in enumerate(values):
        for how, new in _roundings(value, finer):
            together.setdefault(how, list(values))[i] = new
            if len(values) <= MAX_ENTRIES and parameter.name.rpartition(".")[2] not in _NO_RATE:
                yield _changed(parameter, [*values[:i], new, *values[i + 1 :]], how)
    for how, new_values in together.items():
        yield _changed(parameter, new_values, how)


def _roundings(value: float, finer: Precision) -> Iterator[tuple[str, float]]:
    """How a number may be rounded, each outcome once, without what `finer` does to it anyway."""
    passed = np.dtype(finer).type
    with np.errstate(over="ignore", under="ignore"):
        known = {value, float(passed(value))}
        for how, new in _rounded_values(value, finer):
            # What is lost altogether is no rounding that anybody would look for there.
            if new and math.isfinite(new) and not {new, float(passed(new))} & known:
                known |= {new, float(passed(new))}
                yield how, new


def _rounded_values(value: float, finer: Precision) -> Iterator[tuple[str, float]]:
    if not math.isfinite(value):
        return
    for precision in reversed(coarser(finer)):
        with np.errstate(over="ignore", under="ignore"):
            yield f"rounded to {precision}", float(np.dtype(precision).type(value))
    yield "cut to a whole number", float(int(value))
    for places in DECIMALS:
        yield f"rounded to {places} decimal places", round(value, places)
    for digits in DECIMALS:
        yield f"rounded to {digits + 1} significant digits", float(f"{value:.{digits}e}")


def coarser(finer: Precision) -> list[Precision]:
    """The formats with fewer digits than `finer`, the coarsest first."""
    fewer = [p for p in Precision if unit_roundoff(p) > unit_roundoff(finer)]
    return sorted(fewer, key=unit_roundoff, reverse=True)


def _changed(parameter: Leaf, new: Any, how: str) -> Change:
    schedule = parameter.replaced(new)
    if isinstance(schedule, OneCycle):
        schedule = schedule.model_copy(update={"base_lr": schedule.max_lr / schedule.div_factor})
    return Change(parameter.name, parameter.value, new, how, schedule)


class _PolynomialBeyond(Polynomial):
    """A polynomial that is not told to stop: its fraction of what is left goes below 0."""

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        done, over = n.whole(count) / n.whole(self.total_iters), count > self.total_iters
        left = n.where(over, done - 1, 1 - done)
        end = n.parameter(self.end_lr)
        height = (n.parameter(self.base_lr) - end) * n.power(left, n.parameter(self.power))
        if self.power % 2 == 1:
            height = n.signed(np.where(over, -1.0, 1.0), height)
        elif self.power % 2 != 0:
            height = n.where(over, math.nan, height)
        return height + end

    def chain(self, count: Int64, n: Arithmetic[Any]) -> None:
        del count, n


class _CosineBeyond(Cosine):
    """A cosine that is not told to stop, nor where it repeats itself: its angle grows."""

    def closed(self, count: Int64, n: Arithmetic[Any]) -> Any:
        low, base = n.parameter(self.eta_min), n.parameter(self.base_lr)
        return low + (base - low) * n.half_wave(n.whole(count) / n.whole(self.T_max))


class _SwaBeyond(Swa):
    """An annealing that is not told to stop: along its line, or back along its cosine."""

    def chain(self, count: Int64, n: Arithmetic[Any]) -> Any:
        del count, n

    def _share(self, count: Int64, n: Arithmetic[Any]) -> Any:
        done = n.whole(count) / n.whole(max(1, self.anneal_epochs))
        return done if self.anneal == "linear" else n.half_wave(1 - done)


@dataclass(frozen=True)
class End:
    """Another end: `clamped` where the schedule was to go on, else not clamped where it was to."""

    clamped: bool
    schedule: Schedule
    derived: frozenset[str] = frozenset()


def ends(schedule: Schedule, last: int) -> Iterator[End]:
    """The schedule, or a part of it, held where it was to go on, or not where it was to be held.

    `last` is the greatest count that is looked at.
    """
    yield from _own_ends(schedule, last)
    if isinstance(schedule, Sequential | Chained):
        for i, part in enumerate(schedule.parts):
            (family,) = part.model_fields_set
            for end in ends(getattr(part, family), last):
                if not isinstance(end.schedule, FAMILIES[part.family]):
                    continue  # a part stands under its family's name
                put = part.model_copy(update={family: end.schedule})
                parts = [*schedule.parts[:i], put, *schedule.parts[i + 1 :]]
                yield replace(end, schedule=_with(schedule, parts=parts))


def _own_ends(schedule: Schedule, last: int) -> Iterator[End]:
    if isinstance(schedule, Cosine):
        yield End(schedule.periodic, _with(schedule, periodic=not schedule.periodic))
        if not schedule.periodic:
            yield End(False, _made(_CosineBeyond, schedule, periodic=True))
    elif isinstance(schedule, WarmRestarts):
        yield End(True, _made(Cosine, schedule, T_max=schedule.T_0))
    elif isinstance(schedule, Polynomial):
        yield End(schedule.cycle, _with(schedule, cycle=not schedule.cycle))
        if not schedule.cycle:
            yield End(False, _made(_PolynomialBeyond, schedule))
    elif isinstance(schedule, Linear):
        times = last // schedule.total_iters + 1
        end = schedule.start_factor + (schedule.end_factor - schedule.start_factor) * times
        longer = _with(schedule, end_factor=end, total_iters=schedule.total_iters * times)
        yield End(False, longer, frozenset({"end_factor"}))
    elif isinstance(schedule, Swa):
        yield End(False, _made(_SwaBeyond, schedule))
    elif isinstance(schedule, Constant):
        yield End(False, _with(schedule, total_iters=MAX_COUNT))
    elif isinstance(schedule, Plateau) and schedule.min_lr:
        yield End(False, _with(schedule, min_lr=0.0))


def _with(schedule: Schedule, **fields: Any) -> Schedule:
    return schedule.model_copy(update=fields)


def _made(family: type[Schedule], schedule: Schedule, **fields: Any) -> Schedule:
    own = {name: getattr(schedule, name) for name in type(schedule).model_fields}
    given = {name: value for name, value in own.items() if name in family.model_fields}
    return family.model_construct(_fields_set=schedule.model_fields_set, **{**given, **fields})

"""The hypotheses, the simplest first; each says what the rates would be, and with what budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from harness import closeness
from harness.budget import unit_roundoff
from harness.budget.rounding import Rounded, Rounding
from harness.catalogue import Call, Form, Precision
from harness.catalogue.model import limits
from harness.comparison import APPLIED, Comparison
from harness.diagnosis.alternatives import (
    coarser,
    ends,
    leaf,
    leaves,
    lengths,
    rounded,
    stairs,
    stretched,
)
from harness.diagnosis.evidence import Group, Prediction, Variation, plain
from harness.diagnosis.model import Cause
from harness.reference import Cyclic, Multiplicative, Schedule
from harness.reference.arithmetic import Float64, Int64, quiet
from harness.reference.exact import Exact

MAX_SHIFT = 64
"""Steps by which a sequence may be late or early; or four epochs, but no more than MOST_SHIFT."""
MOST_SHIFT = 256
MOST_SHIFT_OF_PRODUCTS = 16
"""The same where a product has to go through every step."""
MAX_LINKS = 20_000
"""Links of a recursion that are followed from a step on."""
_U64 = 2.0**-53

Parameters: TypeAlias = dict[str, int | float | str]


@dataclass(frozen=True)
class Hypothesis:
    """One cause with its parameters, and what it predicts.

    `phrase` completes the sentence that begins with "the observed sequence". `varied` gives the
    variation of one group, or None where it has no meaning there; `predicted` the rates themselves,
    where they are no variation. `witnesses` is how many values must speak for it.
    """

    cause: Cause
    parameters: Parameters
    phrase: str
    varied: Callable[[Group], Variation | None] | None = None
    predicted: Callable[[Group], Prediction | None] | None = None
    witnesses: int = 1

    def prediction(self, group: Group) -> Prediction | None:
        """What it says of a group; None where it is out of the question."""
        if self.predicted is not None:
            return self.predicted(group)
        variation = self.varied(group) if self.varied else None
        if variation is None or not group.may_be(variation):
            return None
        return group.predicted(variation)


def structural(groups: list[Group], all_groups: list[Group]) -> Iterator[Hypothesis]:
    """Every hypothesis about some diverging groups, the simplest first."""
    first = groups[0]
    yield from _units(first)
    yield from _stairs(first)
    yield from _resumed(first)
    yield from _shifts(first)
    yield from _other_groups(groups, all_groups)
    yield from _lengths(first)
    yield from _ends(first)
    yield from _flushed(first)
    yield from _frozen(first)
    yield from _factors(first)


def numerical(groups: list[Group]) -> Iterator[Hypothesis]:
    """Those that are as good as any sequence's that is nearly right; they come after the others."""
    yield from _rounded(groups[0])
    yield from _bases(groups[0])
    yield from _computed(groups[0])
    yield Hypothesis(
        Cause.DRIFT,
        {},
        "obeys the recursion from step to step, and what each step rounds has added up",
        predicted=_drifted,
        witnesses=0,
    )


def _moved(steps: Callable[[Group], Int64]) -> Callable[[Group], Variation]:
    return lambda group: replace(group.asked, steps=steps(group))


def _units(first: Group) -> Iterator[Hypothesis]:
    every = first.every
    if every == 1:
        return
    if first.schedule.per_epoch:
        yield Hypothesis(
            Cause.UNIT,
            {"due": "epochs", "observed": "updates"},
            "is the expected one counted in updates, where epochs were to be counted",
            _moved(lambda group: group.steps * every),
        )
    else:
        yield Hypothesis(
            Cause.UNIT,
            {"due": "updates", "observed": "epochs"},
            "is the expected one counted in epochs, where updates were to be counted",
            _moved(lambda group: group.steps // every),
        )


_STAIRS = "goes down in stairs, where a slope was due"
_SLOPE = "goes down a slope, where stairs were due"


def _stairs(first: Group) -> Iterator[Hypothesis]:
    for i, (present, _) in enumerate(stairs(first.schedule)):

        def varied(group: Group, i: int = i) -> Variation | None:
            made = [schedule for _, schedule in stairs(group.schedule)]
            return replace(group.asked, schedule=made[i]) if i < len(made) else None

        yield Hypothesis(
            Cause.STAIRCASE,
            {"observed": "stairs" if present else "slope"},
            _STAIRS if present else _SLOPE,
            varied,
        )
    every = first.every
    if every == 1:
        return
    if not first.schedule.per_epoch:
        yield Hypothesis(
            Cause.STAIRCASE,
            {"observed": "stairs", "steps": every},
            f"stands still within each epoch of {every} updates, where it was to change",
            _moved(lambda group: group.steps // every * every),
        )
        return

    def sloping(group: Group) -> Variation:
        schedule = stretched(group.schedule, every)
        for present, other in stairs(schedule):
            schedule = schedule if present else other
        return replace(group.asked, schedule=schedule)

    yield Hypothesis(
        Cause.STAIRCASE,
        {"observed": "slope", "steps": every},
        f"changes within each epoch of {every} updates, where it was to stand still",
        sloping,
    )


def _shifts(first: Group) -> Iterator[Hypothesis]:
    if all(_constant_from(sequence.observed) == 0 for sequence in first.sequences):
        return  # so late that it never moves: it stands still
    for by in _fitting_shifts(first, 0):
        yield Hypothesis(
            Cause.SHIFT,
            {"steps": by},
            f"is the expected one, {_steps(abs(by))} {'late' if by > 0 else 'early'}",
            _moved(lambda group, by=by: np.maximum(group.steps - by, 0)),  # type: ignore[misc]
        )


def _steps(count: int) -> str:
    return "one step" if count == 1 else f"{count} steps"


def _fitting_shifts(group: Group, since: int) -> list[int]:
    """By how many steps the sequence may be late (or early, below 0) from `since` on, least first.

    One evaluation serves them all.
    """
    # Many are tried at once, so that more steps have to tell them apart.
    spread = np.linspace(0, len(group.steps) - 1, MAX_SHIFT).astype(int)
    at = np.unique([*group.telling, *spread])
    at = at[(group.steps[at] >= since) & (group.steps[at] < group.first_change)]
    if not len(at):
        return []
    most = min(MOST_SHIFT, max(MAX_SHIFT, 4 * group.every))
    if isinstance(group.schedule, Multiplicative):
        most = MOST_SHIFT_OF_PRODUCTS
    by = np.array([sign * k for k in range(1, most + 1) for sign in (1, -1)])
    steps = np.maximum(group.steps[at] - by[:, None], 0)
    unique, back = np.unique(steps, return_inverse=True)
    rates = plain(replace(group.asked, steps=unique), slice(None))[back.reshape(steps.shape)]
    found: list[int] = by[group.roughly(rates, at).all(axis=1)].tolist()
    return found


def _other_groups(groups: list[Group], all_groups: list[Group]) -> Iterator[Hypothesis]:
    """Each diverging group on the rate of another; which, is found group by group."""
    if len(all_groups) < 2:
        return
    given: dict[int, Group] = {}
    for group in groups:
        for other in all_groups:
            if other.number == group.number:
                continue
            asked = replace(group.asked, schedule=other.schedule)
            if group.may_be(asked) and group.testimony(group.predicted(asked)):
                given[group.number] = other
                break
        else:
            return
    pairs = ", ".join(f"group {number} on that of group {o.number}" for number, o in given.items())
    yield Hypothesis(
        Cause.GROUP,
        {f"group {number}": other.number for number, other in given.items()},
        f"is that of another parameter group: {pairs}",
        lambda group: replace(group.asked, schedule=given[group.number].schedule),
    )


def _resumed(first: Group) -> Iterator[Hypothesis]:
    resume = first.training.resume
    if resume is None:
        return
    at = resume.at
    late = [*_fitting_shifts(first, at), *([at] if at > MAX_SHIFT else [])]
    for by in late:
        if by > at:
            continue
        anew = "begins anew" if by == at else f"goes on as if at step {at - by}"
        yield Hypothesis(
            Cause.RESUMED,
            {"step": at, "as": at - by},
            f"{anew} after the resumption at step {at}",
            _moved(lambda g, by=by: np.where(g.steps < at, g.steps, g.steps - by)),  # type: ignore[misc]
        )


def _lengths(first: Group) -> Iterator[Hypothesis]:
    for i, change in enumerate(lengths(first.schedule)):

        def varied(group: Group, i: int = i, own: Schedule = change.schedule) -> Variation | None:
            if group.number == first.number:
                return replace(group.asked, schedule=own)
            made = list(lengths(group.schedule))
            return replace(group.asked, schedule=made[i].schedule) if i < len(made) else None

        yield Hypothesis(
            Cause.LENGTH,
            {"parameter": change.name, **_plain(value=change.new, due=change.old)},
            f"is the one for {change.name} {change.new!r} in place of {change.old!r}",
            varied,
        )
    if first.schedule.per_epoch and first.every > 1:
        for every in (first.every + 1, first.every - 1):
            yield Hypothesis(
                Cause.LENGTH,
                {"parameter": "steps_per_epoch", "value": every, "due": first.every},
                f"is the one for epochs of {every} updates in place of {first.every}",
                lambda group, every=every: replace(group.asked, steps_per_epoch=every),  # type: ignore[misc]
            )


def _plain(**values: Any) -> Parameters:
    return {name: v if isinstance(v, int | float) else repr(v) for name, v in values.items()}


def _ends(first: Group) -> Iterator[Hypothesis]:
    last = int(first.schedule.counts(first.steps[-1:], first.every)[0])
    for i, end in enumerate(ends(first.schedule, last)):

        def varied(group: Group, i: int = i) -> Variation | None:
            made = list(ends(group.schedule, last))
            if i >= len(made):
                return None
            return replace(group.asked, schedule=made[i].schedule, derived=made[i].derived)

        yield _end(end.clamped, varied)
    if isinstance(first.schedule, Cyclic):
        yield _end(
            True,
            _moved(lambda group: np.minimum(group.steps, _cycle(group.schedule) * group.every)),
        )


def _cycle(schedule: Schedule) -> int:
    assert isinstance(schedule, Cyclic)
    return schedule.step_size_up + (schedule.step_size_down or schedule.step_size_up)


def _end(clamped: bool, varied: Callable[[Group], Variation | None]) -> Hypothesis:
    return Hypothesis(
        Cause.END,
        {"observed": "clamped" if clamped else "not clamped"},
        "is held at its end, where it was to go on"
        if clamped
        else "goes on past its end, where it was to be held",
        varied,
    )


def _flushed(first: Group) -> Iterator[Hypothesis]:
    own = first.implementation.precision
    formats = {float(limits(p).tiny): p for p in [*coarser(own), own]}
    numbers = [parameter for parameter in leaves(first.schedule) if _is_rate(parameter.value)]
    rates = np.abs(first.due.reference)
    for tiny, precision in sorted(formats.items()):
        for name in [p.name for p in numbers if 0 < abs(p.value) < tiny]:

            def varied(group: Group, name: str = name) -> Variation | None:
                parameter = leaf(group.schedule, name)
                if parameter is None:
                    return None
                return replace(group.asked, schedule=parameter.replaced(0.0))

            yield Hypothesis(
                Cause.FLUSHED,
                {"parameter": name, "format": precision.value},
                f"is the one for {name} flushed to zero, which is subnormal in {precision}",
                varied,
            )
        here = np.flatnonzero((rates > 0) & (rates < tiny))
        if len(here):
            step = int(first.steps[here[0]])
            yield Hypothesis(
                Cause.FLUSHED,
                {"step": step, "format": precision.value},
                f"is 0 where the rate is subnormal in {precision}, as at step {step}",
                predicted=lambda group, tiny=tiny: _without_subnormals(group, tiny),  # type: ignore[misc]
            )
            if _goes_on_from_zero(first, step):
                yield Hypothesis(
                    Cause.FLUSHED,
                    {"step": step, "format": precision.value},
                    f"goes on from 0 after step {step}, where the rate is subnormal in {precision}",
                    lambda group, step=step: replace(group.asked, changes={step: 0.0}),  # type: ignore[misc]
                )


def _goes_on_from_zero(group: Group, step: int) -> bool:
    """Whether a recursion may have lost its rate at a step, as far as a glance can tell."""
    return (
        group.schedule.chainable
        and not group.training.changes
        and int(group.steps[-1]) - step <= MAX_LINKS
        and all(not s.observed[group.steps == step].any() for s in group.sequences)
    )


def _is_rate(value: Any) -> bool:
    return isinstance(value, float)


def _without_subnormals(group: Group, tiny: float) -> Prediction:
    due = group.as_due
    flushed = np.abs(due.rates) < tiny
    return Prediction(
        np.where(flushed, 0.0, due.rates), np.where(flushed, 0.0, due.error), due.precision
    )


def _frozen(first: Group) -> Iterator[Hypothesis]:
    tail = min(_constant_from(sequence.observed) for sequence in first.sequences)
    for start in dict.fromkeys([tail, max(_constant_from(s.observed) for s in first.sequences)]):
        if len(first.steps) - start >= 2:
            step = int(first.steps[start])
            yield Hypothesis(
                Cause.FROZEN,
                {"step": step},
                f"stands still from step {step} on",
                _moved(lambda group, step=step: np.minimum(group.steps, step)),  # type: ignore[misc]
                witnesses=2,
            )
    if tail == 0:
        base = _base_of(first.call, first.schedule)
        yield Hypothesis(
            Cause.FROZEN,
            {"step": 0, "rate": base},
            f"stands still at the rate of {base!r} with which the optimizer was made",
            predicted=lambda group: _still(group, _base_of(group.call, group.schedule)),
            witnesses=2,
        )


def _base_of(call: Call, schedule: Schedule) -> float:
    return schedule.base_lr if call.base_lr is None else call.base_lr


def _still(group: Group, rate: float) -> Prediction:
    precision = group.implementation.precision
    rates = np.full(len(group.steps), rate)
    return Prediction(rates, unit_roundoff(precision) * np.abs(rates), precision)


def _constant_from(values: Float64) -> int:
    """The index from which on all values are the same."""
    different = np.flatnonzero(values != values[-1])
    return int(different[-1]) + 1 if len(different) else 0


def _factors(first: Group) -> Iterator[Hypothesis]:
    off = np.flatnonzero(first.off)
    start = int(off[0])
    step = int(first.steps[start])
    names = [
        parameter.name
        for parameter in leaves(first.schedule)
        if parameter.name.rpartition(".")[2] in {"decay_rate", "gamma", "factor", "a"}
        and isinstance(parameter.value, float)
    ]
    for name in names:
        parameter = leaf(first.schedule, name)
        if parameter is not None and parameter.value not in (0, 1):
            yield Hypothesis(
                Cause.FACTOR,
                {"step": step, "factor": parameter.value},
                f"has the factor {parameter.value!r} once too often from step {step} on",
                predicted=lambda group, name=name: _multiplied(group, name, start),  # type: ignore[misc]
                witnesses=2,
            )
    if first.schedule.chainable and not first.training.changes:
        yield Hypothesis(
            Cause.FACTOR,
            {"step": step},
            f"has the change that leads to step {step} made twice",
            predicted=lambda group: _linked_twice(group, start),
            witnesses=2,
        )


def _multiplied(group: Group, name: str, start: int) -> Prediction | None:
    parameter, due = leaf(group.schedule, name), group.as_due
    if parameter is None:
        return None
    factor, after = parameter.value, np.arange(len(due.rates)) >= start
    with np.errstate(all="ignore"):
        rates = np.where(after, due.rates * factor, due.rates)
        more = 4 * unit_roundoff(due.precision) * np.abs(rates)
        error = np.where(after, due.error * abs(factor) + more, due.error)
    return Prediction(rates, error, due.precision)


@quiet
def _linked_twice(group: Group, start: int) -> Prediction | None:
    """The recursion, with the link that leads to the step at `start` gone through twice.

    The difference that it makes obeys the recursion too, without its center and its shift.
    """
    due, counts = group.as_due, group.schedule.counts(group.steps, group.every)
    first, last = int(counts[start]), int(counts[-1])
    if not 1 <= first <= last <= first + MAX_LINKS:
        return None
    chain = group.schedule.chain(np.arange(first, last + 1), Exact())
    if chain is None:
        return None
    length = last - first + 1
    scale, center, shift = (
        np.broadcast_to(np.asarray(term.rounded()), length)
        for term in (chain.scale, chain.center, chain.shift)
    )
    rate = due.rates[start]
    once_more = (rate - center[0]) * scale[0] + center[0] + shift[0]
    differences = (once_more - rate) * np.cumprod(np.concatenate([[1.0], scale[1:]]))
    extra = np.where(
        np.arange(len(counts)) >= start, differences[np.maximum(counts - first, 0)], 0.0
    )
    rates, u = due.rates + extra, unit_roundoff(due.precision)
    links = np.maximum(counts - first + 1, 0)
    grown = np.maximum(1.0, np.abs(np.where(due.rates == 0, 1.0, rates / due.rates)))
    more = 4 * u * (links * np.abs(extra) + (extra != 0) * np.abs(rates))
    if not (np.abs(extra) > due.error).any():
        return None
    return Prediction(rates, np.nan_to_num(due.error * grown + more, nan=np.inf), due.precision)


def _rounded(first: Group) -> Iterator[Hypothesis]:
    for change in rounded(first.schedule, first.implementation.precision):

        def varied(group: Group, name: str = change.name, how: str = change.how) -> Variation:
            made = rounded(group.schedule, group.implementation.precision)
            schedule = next((c.schedule for c in made if (c.name, c.how) == (name, how)), None)
            return replace(group.asked, schedule=schedule or group.schedule)

        def own(group: Group, schedule: Schedule = change.schedule, other: Any = varied) -> Any:
            same = group.number == first.number
            return replace(group.asked, schedule=schedule) if same else other(group)

        yield Hypothesis(
            Cause.ROUNDED,
            {"parameter": change.name, **_plain(value=change.new, due=change.old)},
            f"is the one for {change.name} {change.how}, {change.new!r} in place of {change.old!r}",
            own,
            witnesses=2,
        )


def _bases(first: Group) -> Iterator[Hypothesis]:
    base = _solved(first)
    if base is not None:
        due = first.schedule.base_lr
        yield Hypothesis(
            Cause.BASE,
            {"value": base[0], "due": due},
            f"is the one for a base_lr of {base[0]!r} in place of {due!r}",
            predicted=_with_own_base,
            witnesses=3,
        )


def _with_own_base(group: Group) -> Prediction | None:
    solved = _solved(group)
    if solved is None:
        return None
    base, uncertainty, slope = solved
    variation = replace(group.asked, schedule=_based(group.schedule, base))
    if not group.may_be(variation):
        return None
    due = group.predicted(variation)
    if np.ptp(due.rates) <= 1e-3 * np.abs(due.rates).max():
        return None  # one value, however often it is seen, confirms nothing but itself
    return replace(due, error=due.error + uncertainty * np.abs(slope))


def _solved(group: Group) -> tuple[float, float, Float64] | None:
    """The base rate that the value which depends on it most asks for; how sure; and the slopes.

    The shortest decimal that will do is taken.
    """
    sequence, usable = group.sequences[0], group.telling
    base = group.schedule.base_lr
    step = base or 1.0
    everywhere = np.arange(len(group.steps))
    with np.errstate(all="ignore"):
        here = plain(group.asked, everywhere)
        there = plain(
            replace(group.asked, schedule=_based(group.schedule, base + step)), everywhere
        )
        slope = (there - here) / step
        allowed = group.allowed(group.as_due, sequence)
        weight = np.where(group.off[usable], np.abs(slope[usable]) / allowed[usable], 0.0)
        weight = np.where(np.isfinite(sequence.observed[usable]), np.nan_to_num(weight), 0.0)
        if not weight.max(initial=0.0) > 0:
            return None
        at = usable[int(np.argmax(weight))]
        found = base + float((sequence.observed[at] - here[at]) / slope[at])
        scale = max(1.0, abs(found / base)) if base else 1.0
        uncertainty = float(2 * allowed[at] * scale / abs(slope[at])) + 8 * _U64 * abs(found)
    roundings = 64 * unit_roundoff(group.implementation.precision) * abs(base)
    if not abs(found - base) > roundings or not np.isfinite(found + uncertainty):
        return None
    for digits in range(17):
        short = float(f"{found:.{digits}e}")
        if abs(short - found) <= uncertainty:
            return short, uncertainty, slope
    return found, uncertainty, slope


def _based(schedule: Schedule, base: float) -> Schedule:
    return schedule.model_copy(update={"base_lr": base})


def _computed(first: Group) -> Iterator[Hypothesis]:
    for precision in coarser(first.implementation.precision):
        if not _representable(first, precision):
            continue
        for form in dict.fromkeys([first.implementation.form, *Form]):
            yield Hypothesis(
                Cause.COMPUTED,
                {"precision": precision.value},
                f"is as good as {precision} arithmetic makes it, where "
                f"{first.implementation.precision} was due",
                predicted=lambda group, p=precision, form=form: group.predicted(  # type: ignore[misc]
                    replace(group.asked, precision=p, form=form)
                ),
                witnesses=0,
            )


def _representable(group: Group, precision: Precision) -> bool:
    """Whether every value is one of the format, at least two of those that are not as due.

    Who computes in a coarse format gives values of that format, which hardly any others are.
    """
    telling = 0
    for sequence in group.sequences:
        if sequence.name.startswith(APPLIED) and group.training.optimizer != "SGD":
            continue
        if unit_roundoff(sequence.precision) >= unit_roundoff(precision):
            continue
        values = sequence.observed
        with np.errstate(all="ignore"):
            kept = closeness.rounded(values, np.dtype(precision))
        if not np.array_equal(kept, values, equal_nan=True):
            return False
        apart = np.unique(values[group.off & (values != 0)])
        telling = max(telling, len(apart))
    return telling >= 2


def _drifted(group: Group) -> Prediction | None:
    """A recursion in the implementation's precision, if each value follows from the one before."""
    counts = group.schedule.counts(group.steps, group.every)
    apart, following = np.diff(counts), np.diff(counts) == 1
    if group.training.changes or apart.max(initial=0) > 1 or following.sum() < 8:
        return None
    if not all(_obeys(group, s, counts, following) for s in group.sequences):
        return None
    first = group.sequences[0].observed[0]
    if (
        not abs(first - group.due.reference[0])
        <= group.allowed(group.as_due, group.sequences[0])[0]
    ):
        return None
    recursive = group.predicted(replace(group.asked, form=Form.RECURSIVE))
    u = unit_roundoff(recursive.precision)
    # One that adds a difference to the rate loses up to an ulp of the greatest rate at each step.
    added = 2 * u * (counts - counts[0]) * float(np.abs(group.due.reference).max())
    return replace(recursive, error=np.fmax(recursive.error, added))


def _obeys(group: Group, sequence: Comparison, counts: Int64, following: Any) -> bool:
    """Whether each value follows from the one before within the roundings of one step."""
    precision = group.implementation.precision
    u = max(unit_roundoff(precision), unit_roundoff(sequence.precision))
    with np.errstate(all="ignore"):
        before, after = sequence.observed[:-1][following], sequence.observed[1:][following]
        due = group.due.reference
        grown = np.diff(due)[following]
        room = 2 * u * np.abs(after) + 4 * u * np.abs(grown) + 8 * _U64 * np.abs(due[1:][following])
        if (np.abs(after - before - grown) <= room).all():
            return True
        chain = group.schedule.chain(counts[1:][following], Rounding(precision))
        if chain is None:
            return False
        stored = Rounded(before, u * np.abs(before), unit_roundoff(precision))
        linked = (stored - chain.center) * chain.scale + chain.center + chain.shift
        room = linked.error + 2 * u * np.abs(linked.value)
        return bool((np.abs(after - linked.value) <= room).all())

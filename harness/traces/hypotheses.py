"""What may have gone wrong between two traces, the simplest first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial, reduce
from typing import Any

import numpy as np

from harness import closeness
from harness.budget import unit_roundoff
from harness.catalogue import Precision
from harness.reference.arithmetic import Float64, Int64
from harness.traces.alignment import Alignment
from harness.traces.course import Course, Pair, Predicted, holds_still
from harness.traces.stretching import interpolated

NEAR = 64
"""Steps by which a sequence may be late or early without a hint."""
FOUND = 24
"""Shifts and speeds that are taken from where a rate of one trace stands in the other."""
DECIMALS = range(2, 13)
EPOCHS_OFF = 3
"""Epochs by which a schedule may be too long or too short."""


class PairCause(StrEnum):
    """What the second trace did that the first did not."""

    GROUP = "rate of another group"
    ROUNDED = "rounded"
    FROZEN = "frozen"
    STAIRCASE = "staircase"
    UNIT = "counted in another unit"
    SHIFT = "late or early"
    FACTOR = "constant factor"
    WARM_UP = "steps after the warm-up miscounted"
    RESUMED = "resumed at the wrong step"
    TIMES = "time runs faster or slower"
    END = "ends early or late"
    LENGTH = "another length"
    RANGE = "another range of rates"
    PRECISION = "precision"


@dataclass(frozen=True)
class Hypothesis:
    """How one trace is to be had from the other: the second from the first, if not `backwards`.

    Attributes:
        sentence: with a place for what it is about, `{second}`.
        predicted: the rates at some steps, from the trace that is the source.
        is_true: whether that of the sentence holds of a pair which `predicted` does not show.
        witnesses: how many values have to speak for it.
        distinct: whether they have to be distinct, as those do that a number was fitted to.
        exhausts: whether it goes through the source to its end, and may leave the rest of the
            other unexplained.
        structural: whether it holds however exactly one looks, and so is preferred to arithmetic.
    """

    cause: PairCause
    parameters: dict[str, int | float | str]
    sentence: str
    predicted: Callable[[Pair, Course, Int64], Predicted | None]
    is_true: Callable[[Pair], bool] = lambda _: True
    backwards: bool = False
    witnesses: int = 1
    distinct: bool = False
    exhausts: bool = False
    structural: bool = True
    alignment: Alignment | None = None


def hypotheses(off: list[Pair], pairs: list[Pair], epochs: list[int]) -> Iterator[Hypothesis]:
    """All of them, in their order.

    Args:
        off: the sequences that are apart, at least one.
        pairs: all that both traces have.
        epochs: numbers of updates that may be an epoch, from 2 on.
    """
    lead = off[0]
    yield from _groups(off, pairs)
    yield from _rounded(lead)
    yield from _frozen(lead, off)
    lengths = _epochs(lead, epochs)
    yield from _stairs(lead, lengths)
    yield from _units(lead, lengths)
    yield from _factors(lead, simple=True)
    yield from _shifts(lead)
    yield from _factors(lead, simple=False)
    yield from _times(lead, lengths)
    yield from _shifts_from(lead, lengths)
    yield from _shifts_after(lead)
    yield from _ends(lead, off, epochs)
    yield from _factors_from(lead)
    yield from _lengths(lead, epochs)
    yield from _ranges(lead, off)


def _groups(off: list[Pair], pairs: list[Pair]) -> Iterator[Hypothesis]:
    apart = sorted({pair.group for pair in off})
    for number in sorted({pair.group for pair in pairs}):
        rates = {pair.kind: pair.first for pair in pairs if pair.group == number}

        def predicted(
            pair: Pair, _: Course, steps: Int64, number: int = number, rates: Any = rates
        ) -> Predicted | None:
            if pair.group == number or pair.kind not in rates:
                return None
            return Predicted(rates[pair.kind].at(steps))

        kinds = {pair.kind for pair in off}
        rate = f"{kinds.pop()} rate" if len(kinds) == 1 else "rate"
        groups = ", ".join(str(n) for n in apart if n != number)
        yield Hypothesis(
            PairCause.GROUP,
            {"group": number},
            f"group {groups} of the second has the {rate} of group {number}",
            predicted,
        )


def _rounded(lead: Pair) -> Iterator[Hypothesis]:
    finer = unit_roundoff(lead.precision)
    for precision in sorted(Precision, key=unit_roundoff, reverse=True):
        if unit_roundoff(precision) > finer:
            yield _rounding(
                {"to": precision.value},
                f"rounded to {precision}",
                partial(closeness.rounded, dtype=np.dtype(precision)),
            )
    for places in DECIMALS:
        yield _rounding(
            {"decimals": places},
            f"rounded to {places} decimal places",
            partial(_decimal, places=places),
        )
    for digits in DECIMALS:
        yield _rounding(
            {"digits": digits},
            f"rounded to {digits} significant digits",
            partial(_significant, digits=digits),
        )


def _rounding(
    parameters: dict[str, int | float | str], how: str, rounded: Callable[[Float64], Float64]
) -> Hypothesis:
    return Hypothesis(
        PairCause.ROUNDED,
        parameters,
        f"{{second}} is the first, {how}",
        lambda _, source, steps: Predicted(rounded(source.at(steps))),
        witnesses=3,
        distinct=True,
        structural=False,
    )


def _decimal(rates: Float64, places: int) -> Float64:
    return np.asarray(np.round(rates, places))


def _significant(rates: Float64, digits: int) -> Float64:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = 10.0 ** (digits - 1 - np.floor(np.log10(np.abs(rates))))
        return np.where(rates == 0, 0.0, np.round(rates * scale) / scale)


def _frozen(lead: Pair, off: list[Pair]) -> Iterator[Hypothesis]:
    for backwards in (False, True):

        def is_true(pair: Pair, backwards: bool = backwards) -> bool:
            moves, stands = pair.courses[:: -1 if backwards else 1]
            room = _room(pair)
            return holds_still(stands.rates, room) and not holds_still(moves.rates, room)

        if not is_true(lead):
            continue

        def predicted(
            pair: Pair, _: Course, steps: Int64, backwards: bool = backwards
        ) -> Predicted:
            course = pair.first if backwards else pair.second
            return Predicted(np.full(len(steps), course.rates[0]))

        rate = float(lead.courses[not backwards].rates[0])
        said = _rates_said({pair.name: float(pair.courses[not backwards].rates[0]) for pair in off})
        yield Hypothesis(
            PairCause.FROZEN,
            {"rate": rate, "which": "first" if backwards else "second"},
            f"{{second}} moves, where the first stands still at {said}"
            if backwards
            else f"{{second}} stands still at {said}, as a schedule does that is looked up once",
            predicted,
            is_true,
            backwards=backwards,
            witnesses=2,
        )


def _rates_said(rates: dict[str, float]) -> str:
    """`0.1`, or `0.1 (reported), 0.2 (reported 1)`."""
    if len(set(rates.values())) == 1:
        return repr(next(iter(rates.values())))
    return ", ".join(f"{rate!r} ({name})" for name, rate in rates.items())


def _room(pair: Pair) -> float:
    """By how much rates may be apart that are one."""
    return 8 * unit_roundoff(pair.precision) * pair.greatest


def _stairs(lead: Pair, lengths: list[int]) -> Iterator[Hypothesis]:
    for times in lengths:
        for backwards in (False, True):
            pace = lead.courses[backwards].pace

            def is_true(
                pair: Pair, times: int = times, backwards: bool = backwards, pace: str = pace
            ) -> bool:
                slope, stairs = pair.courses[:: -1 if backwards else 1]
                return stairs.stairs == times and slope.is_slope and slope.pace == pace

            yield Hypothesis(
                PairCause.STAIRCASE,
                {"steps": times, "which": "first" if backwards else "second"},
                f"{{second}} changes {pace}, where the first goes in stairs of {times}"
                if backwards
                else f"{{second}} goes in stairs of {times} updates, where the first changes "
                f"{pace}",
                _mapped(lambda steps, times=times: steps // times * times),  # type: ignore[misc]
                is_true,
                backwards=backwards,
                witnesses=2,
            )


def _units(lead: Pair, lengths: list[int]) -> Iterator[Hypothesis]:
    for times in lengths:
        for backwards in (False, True):
            counts, other = lead.courses if backwards else lead.courses[::-1]
            one_an_epoch = _is_by_epoch(other, counts, times)
            # Where few milestones make a schedule, these are what was miscounted.
            if not one_an_epoch and lead.courses[backwards].jumps_seldom:
                continue
            if one_an_epoch and backwards:
                sentence = (
                    f"{{second}} has one entry for each epoch of {times} of the first's updates"
                )
            elif one_an_epoch:
                sentence = (
                    f"the first has one entry for each epoch of {times} of the second's updates"
                )
            elif backwards:
                sentence = (
                    f"{{second}} goes on at every update as the first does once an epoch of "
                    f"{times} updates"
                )
            else:
                sentence = (
                    f"{{second}} goes on once an epoch of {times} updates as the first does at "
                    "every update"
                )
            yield Hypothesis(
                PairCause.UNIT,
                {"steps_per_epoch": times, "per_epoch": "first" if backwards else "second"},
                sentence,
                _mapped(lambda steps, times=times: steps // times),  # type: ignore[misc]
                lambda pair, times=times, by=backwards, one=one_an_epoch: (  # type: ignore[misc]
                    not one or _is_by_epoch(pair.courses[by], pair.courses[not by], times)
                ),
                backwards=backwards,
                witnesses=2,
                alignment=Alignment(0, times, "second" if backwards else "first"),
            )


def _is_by_epoch(one: Course, other: Course, times: int) -> bool:
    """Whether the one has an entry for each epoch of `times` updates of the other."""
    ends = abs((one.last + 1) * times - (other.last + 1)) < times
    return ends and one.is_dense and one.first == 0


def _shifts(lead: Pair) -> Iterator[Hypothesis]:
    for by in _candidates(lead, 0):
        held = _mapped(lambda steps, by=by: np.maximum(steps + by, 0), end=True)  # type: ignore[misc]
        yield Hypothesis(
            PairCause.SHIFT,
            {"steps": -by},
            f"{{second}} is the first, {_when(by)}",
            held,
            alignment=Alignment(-by),
        )


def _shifts_after(lead: Pair) -> Iterator[Hypothesis]:
    """A trace that began earlier has rates that the other has not."""
    for by in _candidates(lead, 0):
        if by > 0:
            continue
        yield Hypothesis(
            PairCause.SHIFT,
            {"steps": -by},
            f"from step {lead.first.first - by} on, {{second}} is the first, {_when(by)}",
            _mapped(lambda steps, by=by: steps - by, end=True),  # type: ignore[misc]
            backwards=True,
            witnesses=3,
            alignment=Alignment(-by),
        )


def _shifts_from(lead: Pair, lengths: list[int]) -> Iterator[Hypothesis]:
    begins = lead.begins
    if not begins:
        return
    hints = [n for top in (lead.first.top, lead.second.top) if top for n in (top, top - 1)]
    hints += [begins, *lengths]
    found = _candidates(lead, begins, hints)
    for by in found:
        for backwards in (False, True):
            if backwards and by > 0:
                continue
            if backwards:
                # Between the two there are rates that the first does not have.
                go, step, cause = -by, begins, PairCause.RESUMED
                sentence = f"from step {begins - by} on, {{second}} is the first, {_when(by)}"
            else:
                go, (cause, sentence, step) = by, _said_from(lead, begins, by)
            if step + go < 0:
                continue

            def mapped(steps: Int64, go: int = go, step: int = step) -> Int64:
                return np.where(steps < step, steps, steps + go)

            yield Hypothesis(
                cause,
                {"steps": -by, "from": begins},
                sentence,
                _mapped(mapped, end=True),
                backwards=backwards,
                witnesses=2,
            )


def _said_from(lead: Pair, begins: int, by: int) -> tuple[PairCause, str, int]:
    """What a shift comes from, as far as the steps tell, and from which step on it is one."""
    steps = np.arange(max(0, begins - 4 * NEAR), begins)
    # The fault may have happened earlier, where it makes no difference.
    u = unit_roundoff(lead.precision)
    with np.errstate(invalid="ignore"):
        alike = np.abs(lead.first.at(steps + by) - lead.second.at(steps)) <= 16 * u * lead.greatest
    since = begins - int(np.argmin(alike[::-1])) if not alike.all() else begins - len(steps)
    tops = [top for top in (lead.first.top, lead.second.top) if top is not None]
    marks = [mark for mark in lead.resumed if since <= mark <= begins]
    top = next((top for top in tops if since - 1 <= top <= begins), None)
    if not marks and top is not None:
        said = f"{{second}} is {_when(by)} after the warm-up, which ends at step {top}"
        if abs(by) in {top, top + 1}:
            said += ", by as many steps as the warm-up has"
        return PairCause.WARM_UP, said, min(top + 1, begins)
    step = marks[0] if marks else begins
    if step == -by:
        return PairCause.RESUMED, f"{{second}} begins anew at step {step}", step
    said = f"{{second}} goes on at another step from step {step} on: it is the first, {_when(by)}"
    return PairCause.RESUMED, said, step


def _times(lead: Pair, lengths: list[int]) -> Iterator[Hypothesis]:
    known = set(lengths)
    tops = [0, *(t for t in (lead.first.top, lead.second.top) if t)]
    for anchor in dict.fromkeys(tops):
        speeds = dict.fromkeys([*lengths, *_speeds(lead, anchor)])
        since = f" from the end of the warm-up (step {anchor}) on" if anchor else ""
        for times in speeds:
            for backwards in (False, True):
                fast = "slower" if backwards else "faster"
                few = lead.courses[backwards].jumps_seldom
                one_by_one = _come_at(lead, times, anchor, backwards)
                way = "late" if backwards else "early"
                sentence = (
                    f"each change of {{second}} comes {times} times too {way}{since}"
                    if one_by_one
                    else f"time runs {times} times {fast} in {{second}} than in the first{since}"
                )
                yield Hypothesis(
                    PairCause.TIMES,
                    {"times": times, "which": fast, **({"from": anchor} if anchor else {})},
                    sentence,
                    _sped(times, anchor),
                    lambda pair, times=times, anchor=anchor, by=backwards, one=one_by_one: (  # type: ignore[misc]
                        not one or _come_at(pair, times, anchor, by)
                    ),
                    backwards=backwards,
                    witnesses=(1 if times in known else 2) if few else 3,
                    distinct=True,
                    exhausts=True,
                )


def _come_at(pair: Pair, times: int, anchor: int, backwards: bool) -> bool:
    """Whether both change seldom, and each change of the one is `times` as late in the other."""
    late, early = pair.courses[:: -1 if backwards else 1]
    if not (late.jumps_seldom and late.is_dense and early.is_dense):
        return False
    lates, earlies = (course.changes - anchor for course in (late, early))
    if len(lates) != len(earlies) or (anchor and (lates <= 0).any()):
        return False
    return bool((lates == times * earlies).all())


def _sped(times: int, anchor: int) -> Callable[[Pair, Course, Int64], Predicted | None]:
    def predicted(pair: Pair, source: Course, steps: Int64) -> Predicted | None:
        counts = np.where(steps < anchor, steps, anchor + (steps - anchor) * times)
        target = pair.second if source is pair.first else pair.first
        if not _between(source, target, anchor, times, pair):
            return None
        return Predicted(source.at(counts), counts > source.last, counts=counts)

    return predicted


def _between(source: Course, target: Course, anchor: int, times: int, pair: Pair) -> bool:
    """Whether the source's rates lie between those of the target that they fall between."""
    steps = source.steps[:: max(1, len(source.steps) // 512)]
    steps = steps[steps >= anchor]
    before = anchor + (steps - anchor) // times
    low, high = target.at(before), target.at(before + 1)
    rates = source.at(steps)
    room = 16 * unit_roundoff(pair.precision) * pair.greatest + 1e-3 * np.abs(high - low)
    with np.errstate(invalid="ignore"):
        outside = (rates < np.fmin(low, high) - room) | (rates > np.fmax(low, high) + room)
    return not outside[~(np.isnan(low) | np.isnan(high))].any()


def _factors(lead: Pair, simple: bool) -> Iterator[Hypothesis]:
    at = _tallest(lead, 0)
    if at is None:
        return
    factor, uncertainty, is_simple = _ratio(lead, at)
    if is_simple is not simple or abs(factor - 1) <= 1e-4:
        return
    yield Hypothesis(
        PairCause.FACTOR,
        {"factor": factor},
        f"{{second}} is {_number(factor)} times the first",
        _scaled(factor, uncertainty, 0),
        witnesses=2,
    )


def _factors_from(lead: Pair) -> Iterator[Hypothesis]:
    begins = lead.begins
    at = _tallest(lead, begins) if begins else None
    if begins is None or at is None:
        return
    factor, uncertainty, _ = _ratio(lead, at)
    yield Hypothesis(
        PairCause.FACTOR,
        {"factor": factor, "from": begins},
        f"{{second}} is {_number(factor)} times the first from step {begins} on",
        _scaled(factor, uncertainty, begins),
        witnesses=3,
        distinct=True,
    )


def _scaled(
    factor: float, uncertainty: float, since: int
) -> Callable[[Pair, Course, Int64], Predicted]:
    def predicted(_: Pair, source: Course, steps: Int64) -> Predicted:
        rates, late = source.at(steps), steps >= since
        return Predicted(
            np.where(late, factor * rates, rates),
            error=np.where(late, uncertainty * np.abs(np.nan_to_num(rates)), 0.0),
        )

    return predicted


def _tallest(lead: Pair, since: int) -> int | None:
    """Where the first is greatest, of what both have."""
    size = np.where(lead.steps >= since, np.abs(lead.one), 0.0)
    size = np.where(np.isfinite(size) & np.isfinite(lead.other), size, 0.0)
    at = int(np.argmax(size))
    return at if size[at] > 0 else None


def _ratio(lead: Pair, at: int) -> tuple[float, float, bool]:
    """The second over the first there: the shortest number that will do, its uncertainty."""
    ratio = float(lead.other[at] / lead.one[at])
    u = max(map(unit_roundoff, lead.precisions))
    room = 64 * u * abs(ratio) * max(1.0, lead.greatest / abs(float(lead.one[at])))
    for whole in (ratio, 1 / ratio if ratio else 0.0):
        near = round(whole) if math.isfinite(whole) else 0
        if near and abs(whole - near) <= room / abs(ratio) * abs(whole) and near < 10**6:
            return (float(near) if whole is ratio else 1 / near), 0.0, True
    for digits in range(17):
        short = float(f"{ratio:.{digits}e}")
        if abs(short - ratio) <= room:
            return short, room, False
    return ratio, room, False


def _ends(lead: Pair, off: list[Pair], epochs: list[int]) -> Iterator[Hypothesis]:
    begins = lead.begins
    if not begins:
        return
    for backwards in (False, True):
        found = _ending_at(lead, begins, backwards)
        if found is None:
            continue

        def predicted(
            pair: Pair, source: Course, steps: Int64, backwards: bool = backwards
        ) -> Predicted | None:
            found = _ending_at(pair, begins, backwards)
            return found and Predicted(np.where(steps < begins, source.at(steps), found[0]))

        _, held, left = found
        whole = next((n for n in epochs if left % n == 0 and left // n <= EPOCHS_OFF), None)
        endings = {pair.name: _ending_at(pair, begins, backwards) for pair in off}
        said = _rates_said({name: ending[0] for name, ending in endings.items() if ending})
        who, other = ("the first", "{second}") if backwards else ("{second}", "the first")
        how = "is held" if held else "stands still"
        early = f", {epochs_said(left, epochs)} before the end" if whole else ""
        yield Hypothesis(
            PairCause.END,
            {"step": begins, "steps": left, "which": "first" if backwards else "second"},
            f"{who} {how} at {said} from step {begins} on{early}, where {other} goes on",
            predicted,
            lambda pair, by=backwards, as_lead=(held, left): (  # type: ignore[misc]
                (found := _ending_at(pair, begins, by)) is not None and found[1:] == as_lead
            ),
            backwards=backwards,
            witnesses=1 if held or whole else 3,
        )


def _ending_at(pair: Pair, begins: int, backwards: bool) -> tuple[float, bool, int] | None:
    """The rate at which the second (the first, if backwards) stands still from a step on.

    Whether it had that rate before, and how many steps are left of it; None where it moves on, or
    the other does not.
    """
    moves, stands = pair.courses[:: -1 if backwards else 1]
    room = _room(pair)
    since, others = (int(np.searchsorted(course.steps, begins)) for course in (stands, moves))
    tail = stands.rates[since:]
    if not since or not others or not holds_still(tail, room):
        return None
    constant = float(tail[0])
    held = bool(abs(stands.rates[since - 1] - constant) <= room)
    # Where the one is held, the other's change at that very step is the difference.
    if holds_still(moves.rates[others - held :], room):
        return None
    return constant, held, stands.last + 1 - begins


def epochs_said(steps: int, epochs: Iterable[int]) -> str:
    """`one epoch of 390 steps`, or how many steps where they are no few epochs."""
    length = next((n for n in epochs if steps % n == 0 and steps // n <= EPOCHS_OFF), None)
    if length is None:
        return "one step" if steps == 1 else f"{steps} steps"
    count = steps // length
    return f"one epoch of {length} steps" if count == 1 else f"{count} epochs of {length} steps"


def _lengths(lead: Pair, epochs: list[int]) -> Iterator[Hypothesis]:
    """The first's course in more or fewer steps, between the warm-up's end and its own."""
    begins = [0, *(top for top in (lead.first.top, lead.second.top) if top)]
    ends = _ending(lead.first)
    others = _ending(lead.second)
    units = [n for n in epochs if _steps_in(lead, n)] or [1]
    for unit in units[:1] if units != [1] else [1]:
        for begin in dict.fromkeys(begins):
            tried = set()
            for end in ends:
                near = [end + by * n for n in (*epochs, 1) for by in (-1, 1, -2, 2, -3, 3)]
                for other in [*near, *others]:
                    if (end, other) in tried or min(end, other) <= begin + 8 * unit or end == other:
                        continue
                    if end % unit or other % unit or begin % unit:
                        continue
                    tried.add((end, other))
                    by = end - other
                    more = "fewer" if by > 0 else "more"
                    since = f" from step {begin} on" if begin else ""
                    yield Hypothesis(
                        PairCause.LENGTH,
                        {"steps": -by, "end": other, "due": end},
                        f"{{second}} has the course of the first in {other - begin} steps{since}, "
                        f"not {end - begin}: {epochs_said(abs(by), epochs)} {more}",
                        _stretched(begin, end, other, unit),
                        witnesses=3,
                        distinct=True,
                        exhausts=True,
                    )


def _ending(course: Course) -> list[int]:
    """Steps at which a schedule may have come to its end."""
    length = course.last + 1
    last = int(course.changes[-1]) if len(course.changes) else length
    return list(dict.fromkeys([length, length - 1, last, last + 1]))


def _steps_in(lead: Pair, unit: int) -> bool:
    """Whether both change at the beginnings of epochs only."""
    return all(len(c.changes) and not (c.changes % unit).any() for c in lead.courses)


def _stretched(
    begin: int, end: int, other: int, unit: int
) -> Callable[[Pair, Course, Int64], Predicted | None]:
    def predicted(pair: Pair, source: Course, steps: Int64) -> Predicted | None:
        early, late = steps < begin, steps > other
        target = pair.second if source is pair.first else pair.first
        whole = np.minimum(steps // unit * unit, other)
        times = begin + (whole - begin) * ((end - begin) / (other - begin))
        found = interpolated(source, times, begin, min(end, source.last // unit * unit), unit)
        if found is None:
            return None
        rates, error = found
        last = float(target.at(np.array([min(other, target.last)]))[0])
        held = np.where(late, last, rates)
        rates = np.where(early, source.at(steps), held)
        error = np.where(early | late, 0.0, error)
        return Predicted(rates, ~early & ~late & (times > source.last), error=error)

    return predicted


def _ranges(lead: Pair, off: list[Pair]) -> Iterator[Hypothesis]:
    """The first's course between other rates: its base scaled, and its end not."""
    known = np.isfinite(lead.one) & np.isfinite(lead.other)
    if known.sum() < 3:
        return
    one, other = lead.one[known], lead.other[known]
    high, low = int(np.argmax(one)), int(np.argmin(one))
    if one[high] == one[low]:
        return
    slope = float((other[high] - other[low]) / (one[high] - one[low]))
    offset = float(other[low] - slope * one[low])
    if abs(slope - 1) <= 1e-4 and abs(offset) <= 1e-4 * lead.greatest:
        return
    u = max(map(unit_roundoff, lead.precisions))
    error = 64 * u * (1 + abs(slope)) * float(np.abs(one).max())
    alone = len(off) == 1 and slope > 0
    ends = [_number(rates[at]) for rates in (other, one) for at in (low, high)]
    both = ", at the steps that both have" if len(one) < max(map(_length, lead.courses)) else ""
    yield Hypothesis(
        PairCause.RANGE,
        {"slope": slope, "offset": offset},
        f"{{second}} has the course of the first between {ends[0]} and {ends[1]}, not {ends[2]} "
        f"and {ends[3]}{both}"
        if alone
        else f"{{second}} is {_number(slope)} times the first plus {_number(offset)}",
        lambda _, source, steps: Predicted(offset + slope * source.at(steps), error=error),
        witnesses=5,
        distinct=True,
    )


def _length(course: Course) -> int:
    return len(course.steps)


def _mapped(
    times: Callable[[Int64], Int64], end: bool = False
) -> Callable[[Pair, Course, Int64], Predicted]:
    """The rates of other steps; with `end`, nothing is said of what comes after the last."""

    def predicted(_: Pair, source: Course, steps: Int64) -> Predicted:
        counts = times(steps)
        free = (counts > source.last) | (counts < source.first) if end else np.bool_(False)
        return Predicted(source.at(counts), free, counts=counts)

    return predicted


def _epochs(lead: Pair, epochs: list[int]) -> list[int]:
    """Numbers of updates that may be an epoch: those that are said, and those that are seen."""
    found = list(epochs)
    for course in lead.courses:
        if 0 < len(course.changes) < len(course.steps) - 1:
            found.append(reduce(math.gcd, map(int, course.changes[:4096])))
            found.append(int(course.changes[0]))
    one, other = (course.last + 1 for course in lead.courses)
    for long, short in ((one, other), (other, one)):
        if short and long >= 2 * short:
            found += [long // short, -(-long // short)]
    return [n for n in dict.fromkeys(found) if n > 1]


def _candidates(lead: Pair, since: int, hints: list[int] | None = None) -> list[int]:
    """Numbers of steps by which the second may be ahead, the least first."""
    near = [by for n in range(1, NEAR + 1) for by in (-n, n)]
    hinted = [by for n in hints or () for by in (-n, n) if n > 0]
    found = []
    for probe in _probes(lead.second, since):
        found += [at - probe for at in _crossings(lead.first, lead.second, probe)]
    if since:
        for probe in _probes(lead.first, since):
            found += [probe - at for at in _crossings(lead.second, lead.first, probe)]
    ranked = sorted({by for by in found if by}, key=abs)[:FOUND]
    longest = max(lead.first.last, lead.second.last)
    return [by for by in dict.fromkeys([*near, *hinted, *ranked]) if abs(by) < longest]


def _speeds(lead: Pair, anchor: int) -> list[int]:
    """By how many times the one may be faster than the other."""
    found: list[int] = []
    for one, other in (lead.courses, lead.courses[::-1]):
        for changes in zip(one.changes[:8], other.changes[:8], strict=False):
            slow, fast = (int(step) - anchor for step in changes)
            if fast > 0 and slow % fast == 0:
                found.append(slow // fast)
        for by in (1, 2, 3, 5):
            for at in _crossings(one, other, anchor + by):
                found += [n for n in ((at - anchor) // by, -(-(at - anchor) // by)) if n > 1]
    return [n for n in dict.fromkeys(found) if n > 1][:FOUND]


def _probes(course: Course, since: int) -> list[int]:
    """Steps at which something happens, from `since` on."""
    later = course.changes[course.changes > since]
    if not len(later):
        return []
    picked = [0, 1, len(later) // 4, len(later) // 2, len(later) - 1]
    return [int(later[at]) for at in dict.fromkeys(picked) if 0 <= at < len(later)]


def _crossings(course: Course, other: Course, step: int) -> list[int]:
    """Where `course` comes to the rate that `other` has at a step, or goes past it."""
    rate = other.at(np.array([step]))[0]
    if not np.isfinite(rate):
        return []
    above = np.sign(course.rates - rate)
    at = np.flatnonzero(above[1:] != above[:-1])[:FOUND]
    return [int(n) for i in at for n in (course.steps[i], course.steps[i + 1])]


def _when(by: int) -> str:
    """How far ahead: `one step late`, `20 steps early`."""
    count = "one step" if abs(by) == 1 else f"{abs(by)} steps"
    return f"{count} {'early' if by > 0 else 'late'}"


def _number(value: float) -> str:
    return f"{value:.9g}"

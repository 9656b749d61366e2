"""Why two traces differ, from their values alone: no schedule is known.

A hypothesis says how every rate of one trace is to be had from the other. It is a diagnosis where
all of them are within what is allowed, and some of them are not as the other has them at the same
step. Where none holds, there is no diagnosis: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from harness.budget import unit_roundoff
from harness.reference.arithmetic import Float64, Int64
from harness.traces.alignment import Alignment
from harness.traces.allowance import Allowance, allowance
from harness.traces.course import Pair
from harness.traces.hypotheses import Hypothesis, PairCause, epochs_said, hypotheses

__all__ = ["PairCause", "PairDiagnosis", "diagnose"]

GLANCE = 256
"""Steps at which a hypothesis is looked at before all of them are worked out."""
OFFSET_ROUNDINGS = 4
"""Of the greatest rate, in the step from one rate to the next: what drift is made of."""


class Level(StrEnum):
    """How exactly a hypothesis has to reproduce what was observed."""

    CLOSED = "closed"
    RECURSIVE = "recursive"


@dataclass(frozen=True)
class PairDiagnosis:
    """What reproduces every value of one trace from the other.

    Attributes:
        cause: what kind of fault it is.
        parameters: its numbers, such as `steps`, `factor`, `steps_per_epoch`.
        sentence: the same for people, without a capital or a full stop.
        sequences: those that it is about.
        alignment: under which the two would match, or None.
    """

    cause: PairCause
    parameters: dict[str, int | float | str]
    sentence: str
    sequences: tuple[str, ...]
    alignment: Alignment | None = None


def diagnose(
    pairs: list[Pair], epochs: Iterable[int] = (), strictly: bool = False
) -> PairDiagnosis | None:
    """The simplest hypothesis that holds, or None.

    Args:
        pairs: every sequence that both traces have.
        epochs: numbers of updates that may be an epoch.
        strictly: whether the two are within what recursions may be apart, so that only what
            explains them better than that is a diagnosis.
    """
    tested = [(pair, _allowed(pair)) for pair in pairs]
    levels = (Level.CLOSED,) if strictly else (Level.CLOSED, Level.RECURSIVE)
    for level in levels:
        off = [pair for pair, allowed in tested if _is_off(pair, getattr(allowed, level.value))]
        if not off:
            continue
        rest = [pair for pair in pairs if pair not in off]
        for hypothesis in hypotheses(off, pairs, sorted({n for n in epochs if n > 1})):
            if strictly and not hypothesis.structural:
                continue
            witnesses = 3 if strictly else hypothesis.witnesses
            if all(
                hypothesis.is_true(pair) and _holds(hypothesis, pair, level, witnesses)
                for pair in off
            ):
                return _told(hypothesis, off, rest)
    return None


def as_precision(pairs: list[Pair]) -> PairDiagnosis | None:
    """That the two are as far apart as arithmetic makes them; None if they are further.

    Either each rate is within what a recursion may lose, or each step from one rate to the next is
    as the other's within a few roundings, which have added up.
    """
    drifting = []
    for pair in pairs:
        allowed = _allowed(pair).recursive
        error = np.abs(pair.other - pair.one)
        known = ~np.isnan(error)
        if (error[known] <= allowed[known]).all():
            continue
        u = unit_roundoff(pair.precision)
        greatest = float(np.fmin(np.abs(pair.one), np.abs(pair.other))[known].max())
        grown = np.abs(np.diff((pair.other - pair.one)[known]))
        first = error[known][0]
        if not (
            first <= allowed[known][0]
            and np.isfinite(grown).all()
            and (grown <= OFFSET_ROUNDINGS * u * greatest * np.diff(pair.steps[known])).all()
        ):
            return None
        drifting.append(pair)
    about = drifting or pairs
    precision = max((pair.precision for pair in about), key=unit_roundoff)
    names = tuple(pair.name for pair in about)
    where = f" in {', '.join(names)}" if len(about) < len(pairs) else ""
    how = (
        f"each step of the second{where} is that of the first within the roundings of "
        f"{precision}, and these add up"
        if drifting
        else f"the two are no further apart than arithmetic in {precision} makes them: "
        "a difference of precision explains it"
    )
    return PairDiagnosis(PairCause.PRECISION, {"precision": precision.value}, how, names)


def cut_short(pairs: list[Pair], epochs: Iterable[int]) -> PairDiagnosis | None:
    """That one of two traces which agree as far as both go has an end before the other's."""
    ends = {(pair.first.last, pair.second.last) for pair in pairs}
    if len(ends) != 1:
        return None
    ((one, other),) = ends
    if one == other:
        return None
    step, left = min(one, other) + 1, abs(one - other)
    which, longer = ("the first", "the second") if one < other else ("the second", "the first")
    return PairDiagnosis(
        PairCause.LENGTH,
        {"steps": other - one, "end": other + 1, "due": one + 1},
        f"{which} has no rate from step {step} on, {epochs_said(left, epochs)} before {longer} "
        "ends",
        tuple(pair.name for pair in pairs),
    )


def _allowed(pair: Pair) -> Allowance:
    return allowance(pair.steps, pair.one, pair.other, pair.precisions)


def _is_off(pair: Pair, allowed: Float64) -> bool:
    return bool(pair.off(pair.steps, allowed).any())


def _holds(hypothesis: Hypothesis, pair: Pair, level: Level, witnesses: int) -> bool:
    steps = (pair.first if hypothesis.backwards else pair.second).known
    if len(steps) > 2 * GLANCE:
        few = pair.glance(steps, GLANCE)
        if _testimony(hypothesis, pair, few, level) is None:
            return False
    speaking = _testimony(hypothesis, pair, steps, level)
    return speaking is not None and speaking >= witnesses


def _testimony(hypothesis: Hypothesis, pair: Pair, steps: Int64, level: Level) -> int | None:
    """How many values speak for the hypothesis; None where one speaks against it."""
    source = pair.second if hypothesis.backwards else pair.first
    target = pair.first if hypothesis.backwards else pair.second
    found = hypothesis.predicted(pair, source, steps)
    if found is None:
        return None
    predicted, seen = found.rates, target.at(steps)
    nothing = np.isnan(predicted)
    if (nothing & ~found.free).any():
        return None
    counts = steps if found.counts is None else np.maximum(steps, found.counts)
    due = np.where(nothing, seen, predicted)
    greatest = float(np.fmin(np.abs(due), np.abs(seen)).max(initial=pair.greatest))
    budget = allowance(counts, due, seen, pair.precisions, greatest)
    allowed = np.asarray(getattr(budget, level.value)) + found.error
    with np.errstate(invalid="ignore"):
        if not (nothing | (np.abs(predicted - seen) <= allowed)).all():
            return None
    # Not as the other has it at this step, and well beyond the hypothesis's own uncertainty.
    off = pair.off(steps, getattr(budget, level.value) + 20 * found.error)
    telling = off & ~nothing
    unexplained = nothing & (off | np.isnan(source.at(steps)))
    if not hypothesis.exhausts and telling.sum() < unexplained.sum():
        return None
    return len(np.unique(predicted[telling])) if hypothesis.distinct else int(telling.sum())


def _told(hypothesis: Hypothesis, off: list[Pair], rest: list[Pair]) -> PairDiagnosis:
    names = [pair.name for pair in off]
    subject = "the second"
    if hypothesis.cause is not PairCause.GROUP and rest:
        kinds = {pair.kind for pair in off}
        groups = {pair.group for pair in off}
        if len(kinds) == 1 and not any(pair.kind in kinds for pair in rest):
            subject = f"the second's {kinds.pop()} rate, and no other,"
        elif not any(pair.group in groups for pair in rest):
            subject = f"the second in group {', '.join(map(str, sorted(groups)))}"
        else:
            subject = f"the second in {', '.join(names)}"
    return PairDiagnosis(
        hypothesis.cause,
        hypothesis.parameters,
        hypothesis.sentence.format(second=subject),
        tuple(names),
        hypothesis.alignment if not rest else None,
    )

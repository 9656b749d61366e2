"""Two traces, held against each other step by step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from harness import closeness
from harness.budget import unit_roundoff
from harness.case import Tolerance
from harness.catalogue import Precision
from harness.catalogue.model import smallest_normal
from harness.comparison import Extreme
from harness.reference.arithmetic import Float64, Int64
from harness.traces.alignment import Alignment, Index
from harness.traces.allowance import allowance, tolerated
from harness.traces.course import Course, Pair
from harness.traces.diagnosis import PairDiagnosis, as_precision, cut_short, diagnose
from harness.traces.trace import Trace

AS_GIVEN = Alignment()
HALF = (Precision.FLOAT16, Precision.BFLOAT16)


class PairVerdict(StrEnum):
    """What is said of two traces; an exit code of 0 belongs to the first alone."""

    AGREE = "agree"
    DIFFER = "differ"
    INCOMPLETE = "incomplete"
    """They agree where both have rates, and one has rates where the other has none."""
    NOTHING = "nothing to compare"


@dataclass(frozen=True)
class Compared:
    """One sequence that both traces have.

    The arrays have an entry for each step that both have; steps are counted as the first does.
    Extremes are of the distance between the two; `relative` and `share` to the first and to what is
    allowed, `ulp` in units of `precision`, the coarser of the two. They are None where nothing
    could be compared.

    Attributes:
        name: `reported`, `applied 1` ...
        steps: shape `(n,)`.
        one: the first's rates, shape `(n,)`; NaN where unknown.
        other: the second's rates.
        allowed: the error that is let pass.
        compared: at how many steps both have a rate.
        diverging: at how many they differ by more than is allowed.
        first: the first such step.
        only_in_one: how many rates of the first have no counterpart in the second.
        only_in_other: the same of the second.
        hole: the first step of the longest stretch without a rate in one of them that has some in
            the other, its length; None if there is none longer than the one is sampled.
    """

    name: str
    precision: Precision
    steps: Int64
    one: Float64
    other: Float64
    allowed: Float64
    compared: int
    diverging: int
    first: int | None
    absolute: Extreme | None
    relative: Extreme | None
    ulp: Extreme | None
    share: Extreme | None
    only_in_one: int
    only_in_other: int
    hole: tuple[int, int] | None

    def at(self, step: int) -> tuple[float, float, float]:
        """Both rates at a step, and what is allowed there."""
        i = int(np.searchsorted(self.steps, step))
        return float(self.one[i]), float(self.other[i]), float(self.allowed[i])


@dataclass(frozen=True)
class Comparison:
    """What two traces have to do with each other.

    Attributes:
        verdict: in one word or two.
        sequences: each sequence that both have.
        missing: names of sequences that one of them lacks.
        diagnosis: what explains that they differ, if anything does.
        proposed: the alignment under which they would match, if there is one.
        notes: what else is to be said, in sentences.
    """

    verdict: PairVerdict
    sequences: tuple[Compared, ...]
    missing: tuple[str, ...]
    diagnosis: PairDiagnosis | None
    proposed: Alignment | None
    notes: tuple[str, ...] = ()


def compare(
    one: Trace,
    other: Trace,
    alignment: Alignment = AS_GIVEN,
    tolerance: Tolerance | None = None,
    explain: bool = True,
) -> Comparison:
    """Compare two traces.

    Args:
        one: the trace that the other is held against: of the script that is moved.
        other: the one that is looked at.
        alignment: which steps belong together.
        tolerance: what is let pass; by default what correct implementations may be apart.
        explain: whether to look for what explains a difference.
    """
    steps, here, there = alignment.pairs(one.steps, other.steps)
    shared = [name for name in one.sequences if name in other.sequences]
    missing = tuple(name for name in (*one.sequences, *other.sequences) if name not in shared)
    compared = tuple(
        _compared(name, one, other, alignment, tolerance, steps, here, there) for name in shared
    )
    verdict = _verdict(compared, missing)
    diagnosis = None
    if explain and verdict in (PairVerdict.DIFFER, PairVerdict.INCOMPLETE):
        # Rates may be anything: an attempt that ends beyond all numbers explains nothing.
        with np.errstate(all="ignore"):
            diagnosis = _diagnosis(one, other, alignment, verdict, compared)
    proposed = _proposed(one, other, alignment, tolerance, diagnosis)
    return Comparison(verdict, compared, missing, diagnosis, proposed)


def _diagnosis(
    one: Trace,
    other: Trace,
    alignment: Alignment,
    verdict: PairVerdict,
    compared: tuple[Compared, ...],
) -> PairDiagnosis | None:
    pairs = [_pair(sequence, one, other, alignment) for sequence in compared if sequence.compared]
    if not pairs:
        return None
    epochs = [
        n
        for trace in (one, other)
        if (n := trace.header.steps_per_epoch) and alignment.steps_per_epoch == 1
    ]
    if verdict is PairVerdict.INCOMPLETE:
        return cut_short(pairs, epochs)
    within = as_precision(pairs)
    return diagnose(pairs, epochs, strictly=within is not None) or within


def _pair(sequence: Compared, one: Trace, other: Trace, alignment: Alignment) -> Pair:
    both = ~(np.isnan(sequence.one) | np.isnan(sequence.other))
    steps, ones, others = sequence.steps[both], sequence.one[both], sequence.other[both]
    if alignment.steps_per_epoch == 1:
        first = _course(one.steps, one.sequences[sequence.name])
        second = _course(other.steps - alignment.offset, other.sequences[sequence.name])
    else:
        first, second = Course(steps, ones), Course(steps, others)
    return Pair(
        sequence.name,
        first,
        second,
        (one.precision[sequence.name], other.precision[sequence.name]),
        steps,
        ones,
        others,
        tuple(sorted({*one.resumed, *(step - alignment.offset for step in other.resumed)})),
    )


def _course(steps: Int64, rates: Float64) -> Course:
    known = ~np.isnan(rates)
    return Course(steps[known], rates[known])


def _proposed(
    one: Trace,
    other: Trace,
    alignment: Alignment,
    tolerance: Tolerance | None,
    diagnosis: PairDiagnosis | None,
) -> Alignment | None:
    """The alignment under which they match, which is tried before it is named."""
    if diagnosis is None or diagnosis.alignment is None or alignment.steps_per_epoch != 1:
        return None
    better = replace(diagnosis.alignment, offset=alignment.offset + diagnosis.alignment.offset)
    if better.steps_per_epoch != 1 and better.offset:
        return None
    tried = compare(one, other, better, tolerance, explain=False)
    return better if tried.verdict in (PairVerdict.AGREE, PairVerdict.INCOMPLETE) else None


def _verdict(compared: tuple[Compared, ...], missing: tuple[str, ...]) -> PairVerdict:
    if any(sequence.diverging for sequence in compared):
        return PairVerdict.DIFFER
    if not any(sequence.compared for sequence in compared):
        return PairVerdict.NOTHING
    if missing or any(sequence.hole for sequence in compared):
        return PairVerdict.INCOMPLETE
    return PairVerdict.AGREE


def _compared(
    name: str,
    one: Trace,
    other: Trace,
    alignment: Alignment,
    tolerance: Tolerance | None,
    steps: Int64,
    here: Index,
    there: Index,
) -> Compared:
    a, b = one.sequences[name][here], other.sequences[name][there]
    precisions = one.precision[name], other.precision[name]
    precision = max(precisions, key=unit_roundoff)
    allowed = (
        _allowed(steps, alignment, a, b, precisions, (one.rounded_once, other.rounded_once))
        if tolerance is None
        else tolerated(tolerance, a, precision).recursive
    )
    both = ~(np.isnan(a) | np.isnan(b))
    error = np.where(both, closeness.error(b, a), 0.0)
    wrong = both & ~((error <= allowed) & np.isfinite(error))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        relative = np.where(error == 0, 0.0, error / np.abs(a))
        ulp = error / closeness.spacing(np.fmax(np.abs(a), np.abs(b)), np.dtype(precision))
        share = np.where(error == 0, 0.0, error / allowed)
    known = steps[both]
    return Compared(
        name,
        precision,
        steps,
        a,
        b,
        allowed,
        compared=len(known),
        diverging=int(wrong.sum()),
        first=int(steps[np.argmax(wrong)]) if wrong.any() else None,
        absolute=_extreme(error, both, steps),
        relative=_extreme(relative, both, steps),
        ulp=_extreme(ulp, both, steps),
        share=_extreme(share, both, steps),
        only_in_one=_alone(one.sequences[name], here[both]),
        only_in_other=_alone(other.sequences[name], there[both]),
        hole=_hole(name, one, other, alignment, known),
    )


def _allowed(
    steps: Int64,
    alignment: Alignment,
    one: Float64,
    other: Float64,
    precisions: tuple[Precision, Precision],
    rounded_once: tuple[bool, bool],
) -> Float64:
    coarse = [once and p in HALF for p, once in zip(precisions, rounded_once, strict=True)]
    first, second = (Precision.FLOAT32 if c else p for c, p in zip(coarse, precisions, strict=True))
    counted = steps + max(alignment.offset, 0)
    allowed = allowance(counted, one, other, (first, second)).recursive
    size = np.fmin(np.abs(one), np.abs(other))
    for precision in (p for c, p in zip(coarse, precisions, strict=True) if c):
        allowed = allowed + unit_roundoff(precision) * np.fmax(size, smallest_normal(precision))
    return allowed


def _extreme(values: Float64, both: NDArray[np.bool_], steps: Int64) -> Extreme | None:
    if not both.any():
        return None
    at = int(np.argmax(np.where(both, np.nan_to_num(values, nan=np.inf, posinf=np.inf), -1.0)))
    return Extreme(float(values[at]), int(steps[at]))


def _alone(rates: Float64, shared: Index) -> int:
    """How many rates of a sequence are not among those at `shared`, which is in order."""
    used = int(np.count_nonzero(np.diff(shared))) + (len(shared) > 0)
    return int(np.count_nonzero(~np.isnan(rates))) - used


def _hole(
    name: str, one: Trace, other: Trace, alignment: Alignment, known: Int64
) -> tuple[int, int] | None:
    """The longest stretch of which only one of them, or none, speaks: its first step, its length.

    A trace that notes every fiftieth step lacks nothing between two of them. A function has rates
    beyond the trace that it is compared with, which are not missing there.
    """
    firsts = one.steps[~np.isnan(one.sequences[name])]
    seconds = other.steps[~np.isnan(other.sequences[name])]
    if not len(firsts) or not len(seconds):
        only = np.concatenate([firsts, seconds])
        return (int(only[0]), len(only)) if len(only) else None
    first, second = alignment.span(firsts, seconds)
    rate = max(_interval(firsts, first), _interval(seconds, second))
    told = [s for s, t in ((first, one), (second, other)) if not t.is_function] or [first, second]
    begin, end = min(span.start for span in told), max(span.stop for span in told)
    edges = np.concatenate([[begin - rate], known, [end - 1 + rate]])
    beyond = np.diff(edges) - rate
    # What follows the last entry belongs to it, as far as the next would be.
    beyond[-1] -= rate - 1
    longest = int(np.argmax(beyond))
    if beyond[longest] <= 0:
        return None
    return int(edges[longest]) + rate, int(beyond[longest])


def _interval(steps: Int64, span: range) -> int:
    """How many updates there are between two entries, as a rule."""
    if len(steps) < 2:
        return len(span)
    return int(np.median(np.diff(steps))) * (len(span) // (int(steps[-1] - steps[0]) + 1))

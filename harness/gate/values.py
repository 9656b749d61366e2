"""How far the rates of a trial moved since the baseline, and how far they may have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import closeness
from harness.budget import ROOM_ULP, room, unit_roundoff
from harness.catalogue import Precision
from harness.gate.baseline import KeptSequence
from harness.reference.arithmetic import Float64, quiet
from harness.report.model import CaseEntry, SequenceEntry, TrialEntry
from harness.verdict import Verdict


@dataclass(frozen=True)
class Movement:
    """How far a sequence moved, in ULP, or a bound on that; `fault` says why that may not pass."""

    ulp: float
    is_bound: bool = False
    fault: str = ""


def is_judged(trial: TrialEntry, case: CaseEntry, sequence: SequenceEntry) -> bool:
    """Whether this sequence conforms to the reference model, so that its tolerances hold."""
    return (
        trial.verdict == Verdict.CONFORMS.value
        and trial.exception is None
        and case.by_reference
        and sequence.greatest_budget_share is not None
    )


@quiet
def movement(
    before: KeptSequence, now: SequenceEntry, trial: TrialEntry, case: CaseEntry
) -> Movement | None:
    """How far a sequence moved; None where no rate did.

    The rates are compared one by one. Where the report is thinned, those at steps that the baseline
    does not have are compared with the nearest that its extreme errors admit.
    """
    whole = len(case.steps) == case.length
    lengths = [len(before.values), len(now.observed)] if whole else [before.length, now.length]
    if now.precision != before.precision:
        return Movement(np.inf, fault=f"{before.precision} before, {now.precision} now")
    if whole != (before.steps is None):
        return Movement(np.inf, fault="not kept at the same steps, so it cannot be compared")
    if lengths[0] != lengths[1]:
        return Movement(np.inf, fault=f"{lengths[0]} rates before, {lengths[1]} now")
    new = np.array(now.observed, dtype=np.float64)
    units = np.dtype(_units(now, trial))
    old, known = _old(before, new, case, units)
    same = (old == new) | (np.isnan(old) & np.isnan(new))
    off = np.abs(new - old)
    off = np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))
    room = _room(old, new, now, trial, case)
    ulp = float((off / closeness.spacing(old, units)).max(initial=0.0))
    wrong = ~(same | ((off <= room) & (off < np.inf)))
    if wrong.any():
        at = int(np.argmax(np.where(wrong, off / np.fmax(room, np.spacing(0.0)), -1.0)))
        was = f"{float(old[at])!r} before" if known[at] else "elsewhere before"
        apart = f"moved by {'' if known[at] else 'at least '}{off[at]:.3g}"
        where = f"step {case.steps[at]}: {was}, {float(new[at])!r} now"
        return Movement(ulp, fault=f"{where}: {apart}, {room[at]:.3g} is allowed")
    if whole or before.digest == now.digest:
        return Movement(ulp) if ulp else None
    bound = _bound(before.ulp_errors, now.ulp_errors)
    if bound == np.inf and not is_judged(trial, case, now):
        return Movement(bound, True, "it changed at steps that the baseline does not have")
    return Movement(max(bound, ulp), True)


def _old(
    before: KeptSequence, new: Float64, case: CaseEntry, units: closeness.DType
) -> tuple[Float64, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """The rates before at the steps of `new`, and where they are known and no bound."""
    if before.steps is None:
        return before.rates, np.ones(len(new), dtype=np.bool_)
    old, steps = new.copy(), np.array(case.steps[: len(new)])
    if before.ulp_errors is not None:
        reference = np.array(case.reference[: len(new)])
        ends = [reference + end * closeness.spacing(reference, units) for end in before.ulp_errors]
        old = np.where(np.isfinite(reference), np.clip(new, *ends), new)
    _, at_old, at_new = np.intersect1d(np.array(before.steps), steps, return_indices=True)
    old[at_new] = before.rates[at_old]
    return old, np.isin(steps, np.array(before.steps))


def _room(
    old: Float64, new: Float64, now: SequenceEntry, trial: TrialEntry, case: CaseEntry
) -> Float64:
    """How far each rate may have moved.

    By the tolerance, where the reference judges it. Elsewhere by `ROOM_ULP`, and by the roundings
    of an optimizer that moved a weight. Where a subtraction cancels, so much of the greatest rate
    is left as the tolerance admits.
    """
    budget = np.array(now.budget[: len(new)], dtype=np.float64)
    if is_judged(trial, case, now):
        return budget
    units = _units(now, trial)
    optimizer = trial.call.optimizer if trial.call and now.name.startswith("applied") else "SGD"
    greatest = np.abs(old)[np.isfinite(old)].max(initial=0.0)
    cancelled = ROOM_ULP * closeness.spacing(np.full(len(old), greatest), np.dtype(units))
    return np.fmax(room(old, units, units, optimizer), np.minimum(cancelled, np.nan_to_num(budget)))


def _units(sequence: SequenceEntry, trial: TrialEntry) -> Precision:
    """The coarser of the precisions in which a sequence was computed and seen."""
    known = [p for p in Precision if p in (sequence.precision, trial.precision)]
    return max(known, key=unit_roundoff, default=Precision.FLOAT64)


def _bound(before: tuple[float, float] | None, now: tuple[float, float] | None) -> float:
    """How far any rate of a sequence moved at most, in ULP; infinite where nothing is known.

    With errors between a and b before, and between c and d now, no rate moved further than
    max(d - a, b - c).

    >>> _bound((-0.5, 0.25), (-0.25, 1.5))
    2.0
    """
    if before is None or now is None:
        return np.inf
    (a, b), (c, d) = before, now
    return max(d - a, b - c)

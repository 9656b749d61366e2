"""Whether a trial that is not as due is so in the way that a known divergence records."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness import closeness
from harness.budget import room
from harness.case import CONSTRUCTION, KnownDivergence, Observed, Rates, ScheduleCase
from harness.comparison import APPLIED, Comparison, instead_of, steps_reached
from harness.judgement import Judgement
from harness.observation import Observation
from harness.patterns import unmatched
from harness.signature import same_signature, signature_text
from harness.verdict import Verdict

RECORDABLE = {Verdict.DIVERGES, Verdict.REFUSED, Verdict.ACCEPTED}
"""Verdicts that a known divergence can cover."""


def with_record(
    judgement: Judgement, records: Iterable[KnownDivergence], version: str
) -> Judgement:
    """The judgement in the light of the records: covered by one, gone stale, or as it was.

    Args:
        judgement: what the judge said without them.
        records: the known divergences that may cover it.
        version: of the framework in the trial's environment.
    """
    trial = judgement.trial
    covering = [
        record
        for record in records
        if record.covers(trial.case.name, trial.implementation.api, str(trial.target), version)
    ]
    notes = []
    for record in covering:
        where = f"{record.name!r} ({record.file}:{record.line})"
        if judgement.verdict is Verdict.CONFORMS:
            reason = f"{where} no longer occurs: remove it"
            return replace(judgement, verdict=Verdict.STALE, reasons=(reason,), record=record)
        look = record.look(trial.case.name, trial.implementation.api)
        gone = list(_gone(look, judgement))
        unlike = next(_unlike(look, judgement, gone), "")
        if unlike:
            notes.append(f"not as recorded in {where}: {unlike}")
            continue
        if gone:
            reason = f"{where} no longer occurs in the {' and the '.join(gone)} rate: correct it"
            return replace(judgement, verdict=Verdict.STALE, reasons=(reason,), record=record)
        return replace(judgement, verdict=Verdict.KNOWN_DIVERGENCE, record=record)
    return replace(judgement, reasons=(*judgement.reasons, *notes))


def _unlike(look: Observed, judgement: Judgement, gone: Collection[str] = ()) -> Iterator[str]:
    """How a trial differs from what a record says, in anything that was observed of it.

    Sequences that are as due, though recorded, are told apart from those: they are `gone`.
    """
    observation, case = judgement.observation, judgement.trial.case
    if judgement.verdict not in RECORDABLE or not isinstance(observation, Observation):
        yield f"the verdict is {judgement.verdict.value}"
        return
    yield from _unlike_exception(look, judgement, observation)
    if not isinstance(case, ScheduleCase):
        yield from _unlike_signature(look, observation)
    else:
        if (judgement.verdict is Verdict.ACCEPTED) is not bool(look.accepted):
            yield f"the verdict is {judgement.verdict.value}"
        compared = {comparison.name: comparison for comparison in judgement.comparisons}
        for name in look.sequences:
            if name not in compared:
                yield f"the {name} rate was not observed"
        for name, comparison in compared.items():
            if name not in gone:
                yield from _unlike_rates(look.rates_of(name), judgement, comparison)
    others = judgement.other_faults
    if look.reason is None:
        yield from (f"beside its rates, {text}" for text in others)
    elif others:
        for text in others:
            yield from unmatched(look.reason, [text], f"the reason {text!r}", text)
    else:
        yield f"nothing matches {look.reason!r}"


def _unlike_signature(look: Observed, observation: Observation) -> Iterator[str]:
    if observation.signature is None:
        if look.signature is not None:
            yield "no signature was given"
        return
    text = signature_text(observation.signature)
    if look.signature is None or not same_signature(text, look.signature):
        yield f"the signature is {text}"


def _unlike_exception(
    look: Observed, judgement: Judgement, observation: Observation
) -> Iterator[str]:
    raised, case = observation.raised, judgement.trial.case
    if raised is None:
        if look.raises is not None:
            yield f"it raised nothing, and {look.raises} is recorded"
        return
    unlike = [f"it raised {raised}"] * (raised.type != look.raises)
    if not unlike and look.message:
        where = f"the text of {raised}"
        unlike += unmatched(look.message, [raised.message], where, f"it raised {raised}")
    if unlike:
        yield from unlike
    elif isinstance(case, ScheduleCase):
        at = steps_reached(case, observation)
        due = CONSTRUCTION if look.at is None else look.at
        if at != due:
            yield f"it raised {raised.type} {place(at)}, and {place(due)} is recorded"


def place(at: str | int) -> str:
    """`at construction`, or `before the rate of step 3`."""
    return f"at {at}" if isinstance(at, str) else f"before the rate of step {at}"


def _unlike_rates(rates: Rates, judgement: Judgement, comparison: Comparison) -> Iterator[str]:
    """Where a sequence is neither as recorded nor, where nothing is recorded, as due."""
    name, recorded = comparison.name, rates.by_step
    steps = comparison.steps.tolist()
    ended = isinstance(judgement.observation, Observation) and judgement.observation.raised
    if not ended:
        for step in comparison.diverging.tolist():
            if step not in steps:
                yield f"the {name} rate at step {step} is missing"
    for step in recorded:
        if step not in steps:
            yield f"the {name} rate at step {step} was not observed, and is recorded"
    due = np.array([recorded.get(step, np.nan) for step in steps], dtype=np.float64)
    named = np.array([step in recorded for step in steps], dtype=bool)
    off = _not_as_recorded(due, judgement, comparison) & named
    if rates.instead is not None:
        followed = instead_of(judgement.trial, rates.instead, comparison)
        off |= followed.unlike & ~named
    elif not comparison.is_judged:
        off |= ~named  # no rate is due, so each is to be recorded
    else:
        off |= comparison.unlike & ~named
    for at in np.flatnonzero(off):
        observed = float(comparison.observed[at])
        known = f", and {float(due[at])!r} is recorded" if named[at] else ""
        yield f"the {name} rate at step {steps[at]} is {observed!r}{known}"


def _not_as_recorded(
    due: NDArray[np.float64], judgement: Judgement, comparison: Comparison
) -> NDArray[np.bool_]:
    trial, precision = judgement.trial, comparison.precision
    moved_by = trial.training.optimizer if comparison.name.startswith(APPLIED) else "SGD"
    allowed = room(due, trial.implementation.precision, precision, moved_by)
    return ~closeness.alike(comparison.observed, due, allowed)


def _gone(look: Observed, judgement: Judgement) -> Iterator[str]:
    """The sequences that are said to diverge, and are as due."""
    if judgement.verdict is Verdict.ACCEPTED:  # no rate is due
        return
    for comparison in judgement.comparisons:
        recorded = look.rates_of(comparison.name)
        if comparison.is_judged and recorded.says_something and not comparison.unlike.any():
            yield comparison.name

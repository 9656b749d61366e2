"""Whether a trial that is not as due is so in the way that a known divergence records."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from harness import closeness
from harness.case import KnownDivergence, Observed, ScheduleCase
from harness.catalogue import Precision
from harness.comparison import Comparison, units_of
from harness.judgement import Judgement
from harness.observation import Observation, Raised
from harness.reference.arithmetic import Float64, Int64
from harness.signature import same_signature, signature_text
from harness.verdict import Verdict

_RECORDABLE = {Verdict.DIVERGES, Verdict.REFUSED, Verdict.ACCEPTED}


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
        unlike = _unlike(record, judgement)
        if not unlike:
            return replace(judgement, verdict=Verdict.KNOWN_DIVERGENCE, record=record)
        notes.append(f"not as recorded in {where}: {unlike}")
    return replace(judgement, reasons=(*judgement.reasons, *notes))


def _unlike(record: KnownDivergence, judgement: Judgement) -> str:
    """How a trial differs from what a record says, or nothing."""
    observation = judgement.observation
    seen = record.look(judgement.trial.case.name)
    if judgement.verdict not in _RECORDABLE or not isinstance(observation, Observation):
        return f"the verdict is {judgement.verdict.value}"
    if seen.reason is not None:
        unlike = (text for text in judgement.reasons if not re.search(seen.reason, text))
        return next(unlike, "")
    if observation.raised is not None:
        return _unlike_raised(seen, observation.raised)
    if observation.signature is not None:
        text = signature_text(observation.signature)
        same = same_signature(text, seen.signature or "")
        return "" if same else f"the signature is {text}"
    if judgement.verdict is Verdict.ACCEPTED and seen.accepted:
        return ""
    if seen.values is None:
        return "it gave values"
    if judgement.verdict is Verdict.ACCEPTED and isinstance(judgement.trial.case, ScheduleCase):
        steps, implementation = judgement.trial.case.observed_steps, judgement.trial.implementation
        each = (
            _unlike_at(
                seen.values, name, steps, sequence.values, units_of(sequence, implementation, name)
            )
            for name, sequence in observation.sequences.items()
        )
        return next(filter(None, each), "")
    off = [comparison for comparison in judgement.comparisons if comparison.first is not None]
    if len(off) != len(judgement.reasons):
        return "values are not all that is wrong"
    return next(filter(None, (_unlike_values(record, seen.values, c) for c in off)), "")


def _unlike_values(record: KnownDivergence, seen: dict[int, float], comparison: Comparison) -> str:
    for step in comparison.diverging:
        if record.steps and not record.steps.start <= step < record.steps.stop:
            return f"the {comparison.name} rate diverges at step {step} too"
    return _unlike_at(
        seen, comparison.name, comparison.steps, comparison.observed, comparison.precision
    )


def _unlike_at(
    seen: dict[int, float],
    name: str,
    steps: Int64,
    values: Float64,
    precision: Precision,
) -> str:
    by_step = dict(zip(steps.tolist(), values.tolist(), strict=False))
    for step, value in seen.items():
        observed = by_step.get(step)
        room = 4 * closeness.spacing(np.array([value]), np.dtype(precision))[0]
        if observed is None or not (
            observed == value
            or (math.isnan(observed) and math.isnan(value))
            or abs(observed - value) <= room
        ):
            return f"the {name} rate at step {step} is {observed!r}"
    return ""


def _unlike_raised(seen: Observed, raised: Raised) -> str:
    if raised.type != seen.raises or (seen.message and not re.search(seen.message, raised.message)):
        return f"it raised {raised}"
    return ""

"""From an observation to a verdict. Knows the case, the reference and the budget; no framework."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence as Items
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from harness import closeness
from harness.budget import budget, numeral_rounding
from harness.case import (
    Expected,
    KnownDivergence,
    Observed,
    ScheduleCase,
    Surface,
    SurfaceCase,
)
from harness.catalogue import Implementation, Precision
from harness.observation import Lost, Observation, Parameter, Raised, Sequence
from harness.plan import Trial
from harness.reference.elementary import Float64, Int64
from harness.verdict import Verdict

_RECORDABLE = {Verdict.DIVERGES, Verdict.REFUSED, Verdict.ACCEPTED}

REPORTED, APPLIED = "reported", "applied"


@dataclass(frozen=True)
class Extreme:
    """The greatest of something over a sequence, and the step where it occurs."""

    value: float
    step: int


@dataclass(frozen=True)
class Deviation:
    """One value that is not as due.

    `against` says what it was held against: `expected`, the case's own number, or `reference`.
    `observed` is None where a value is missing.
    """

    sequence: str
    step: int
    against: str
    due: float
    observed: float | None
    error: float
    allowed: float

    def __str__(self) -> str:
        if self.observed is None:
            return f"{self.sequence} rate at step {self.step}: missing, {self.due!r} was due"
        return (
            f"{self.sequence} rate at step {self.step}: {self.against} {self.due!r}, "
            f"observed {self.observed!r}, error {self.error:.3g}, allowed {self.allowed:.3g}"
        )


@dataclass(frozen=True)
class Comparison:
    """One sequence held against what was due, step by step.

    `seen_in` names the dtype in which it was seen, `precision` the one whose units are used.

    The arrays have one entry for each step that was asked for and answered; `expected` is NaN where
    the case gives no number of its own. `allowed` is the error against the reference that is let
    pass, `allowed_expected` that of the case's own numbers. Extremes are None where no value could
    be compared.
    """

    name: str
    seen_in: str
    precision: Precision
    steps: Int64
    observed: Float64
    reference: Float64
    expected: Float64
    allowed: Float64
    allowed_expected: Float64
    length: int
    first: Deviation | None
    diverging: Int64
    absolute: Extreme | None
    relative: Extreme | None
    ulp: Extreme | None
    share: Extreme | None


@dataclass(frozen=True)
class Judgement:
    """The verdict on one trial, and why.

    `reasons` are sentences, the most telling first. `record` is the known divergence that covers
    the trial, also where it has gone stale.
    """

    trial: Trial
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    observation: Observation | Lost | None = None
    record: KnownDivergence | None = None

    @property
    def first(self) -> Deviation | None:
        """The deviation at the earliest step."""
        firsts = [c.first for c in self.comparisons if c.first is not None]
        return min(firsts, key=lambda deviation: deviation.step, default=None)


@dataclass
class Judge:
    """Judges the trials of one run, against the known divergences that are on record."""

    records: Items[KnownDivergence] = ()
    versions: dict[str, str] = field(default_factory=dict)
    """Version of the framework in each environment."""

    def judge(self, trial: Trial, observation: Observation | Lost | None) -> Judgement:
        """The verdict on `trial`; `observation` is None for a trial that was not run."""
        if trial.skip is not None:
            return Judgement(trial, trial.skip.verdict, (trial.skip.reason,))
        if isinstance(observation, Lost):
            verdict = Verdict.TIMED_OUT if observation.timed_out else Verdict.CRASHED
            return Judgement(trial, verdict, (observation.reason,), observation=observation)
        if observation is None:
            raise ValueError(f"{trial.id} was to be run and has no observation")
        case = trial.case
        if isinstance(case, SurfaceCase):
            judgement = _judge_surface(trial, case.surface[trial.implementation.api], observation)
        else:
            judgement = _judge_schedule(trial, case, observation)
        return self._with_record(judgement)

    def _with_record(self, judgement: Judgement) -> Judgement:
        trial = judgement.trial
        version = self.versions.get(trial.target.environment, "0")
        covering = [
            record
            for record in self.records
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


def _judge_surface(trial: Trial, due: Surface, observation: Observation) -> Judgement:
    if observation.raised or observation.signature is None:
        reason = f"no signature: {observation.raised or 'none was given'}"
        return Judgement(trial, Verdict.REFUSED, (reason,), observation=observation)
    reasons = tuple(_surface_faults(due, observation.signature))
    verdict = Verdict.DIVERGES if reasons else Verdict.CONFORMS
    return Judgement(trial, verdict, reasons, observation=observation)


def _surface_faults(due: Surface, parameters: tuple[Parameter, ...]) -> Iterable[str]:
    observed = signature_text(parameters)
    if due.signature is not None and _compact(due.signature) != _compact(observed):
        yield f"the signature is {observed}, not {due.signature}"
    by_name = {parameter.name: parameter for parameter in parameters}
    names = list(by_name)
    for name in due.lacks:
        if name in by_name:
            yield f"has a parameter {name!r} in {observed}"
    for name, facts in due.has.items():
        if name not in by_name:
            yield f"has no parameter {name!r} in {observed}"
            continue
        position, default = names.index(name) + 1, by_name[name].default
        if facts.position not in (None, position):
            yield f"parameter {name!r} is at position {position}, not {facts.position}"
        required = default is None and not by_name[name].kind.startswith("VAR_")
        if facts.required is not None and facts.required != required:
            yield f"parameter {name!r} is {'required' if required else 'optional'}"
        if facts.states_default and default != repr(facts.default):
            yield f"the default of {name!r} is {default or 'missing'}, not {facts.default!r}"


def signature_text(parameters: Iterable[Parameter]) -> str:
    """A signature as Python writes it, without annotations.

    >>> signature_text([Parameter("lr", "POSITIONAL_OR_KEYWORD", None),
    ...                 Parameter("fused", "KEYWORD_ONLY", "False")])
    '(lr, *, fused=False)'
    """
    parts: list[str] = []
    positional_only = False
    for parameter in parameters:
        if positional_only and parameter.kind != "POSITIONAL_ONLY":
            parts.append("/")
        positional_only = parameter.kind == "POSITIONAL_ONLY"
        starred = any(part.startswith("*") for part in parts)
        if parameter.kind == "KEYWORD_ONLY" and not starred:
            parts.append("*")
        stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind, "")
        default = "" if parameter.default is None else f"={parameter.default}"
        parts.append(f"{stars}{parameter.name}{default}")
    if positional_only:
        parts.append("/")
    return f"({', '.join(parts)})"


def _compact(signature: str) -> str:
    return re.sub(r"\s+", "", signature)


def _judge_schedule(trial: Trial, case: ScheduleCase, observation: Observation) -> Judgement:
    if case.expected.raises is not None:
        verdict, reasons = _exception_due(case.expected, observation)
        return Judgement(trial, verdict, reasons, observation=observation)
    comparisons = tuple(
        _compare(trial, case, name, sequence) for name, sequence in observation.sequences.items()
    )
    judged = Judgement(trial, Verdict.CONFORMS, (), comparisons, observation)
    broken = [text for c in comparisons if c.name == REPORTED for text in _contradictions(c)]
    if broken:
        return replace(judged, verdict=Verdict.BROKEN_CASE, reasons=(_first_of(broken),))
    if observation.raised is not None:
        reason = f"raised {observation.raised} where values were due"
        return replace(judged, verdict=Verdict.REFUSED, reasons=(reason,))
    reasons = tuple(_faults(trial, case, observation, comparisons))
    return replace(judged, verdict=Verdict.DIVERGES, reasons=reasons) if reasons else judged


def _exception_due(due: Expected, observation: Observation) -> tuple[Verdict, tuple[str, ...]]:
    raised = observation.raised
    if raised is None:
        values = [float(s.values[0]) for s in observation.sequences.values() if len(s.values)]
        gave = f"gave {values[0]!r}" if values else "gave no value"
        return Verdict.ACCEPTED, (f"{gave} where {due.raises} was due",)
    if due.raises not in (raised.type, *raised.bases):
        return Verdict.DIVERGES, (f"raised {raised} where {due.raises} was due",)
    if due.message and not re.search(due.message, raised.message):
        return Verdict.DIVERGES, (f"the text of {raised} does not match {due.message!r}",)
    return Verdict.CONFORMS, ()


def _faults(
    trial: Trial, case: ScheduleCase, observation: Observation, comparisons: Items[Comparison]
) -> Iterable[str]:
    for name in (REPORTED, APPLIED):
        sequence = observation.sequences.get(name)
        due = _precision_due(trial.implementation, name)
        if sequence is None:
            yield f"the {name} rate was not observed"
        elif sequence.precision != due:
            yield f"the {name} rate is {sequence.precision}, not {due}"
    for comparison in comparisons:
        asked = len(case.observed_steps)
        if comparison.length > asked:
            yield f"{comparison.length} {comparison.name} rates for {asked} steps"
        if comparison.first:
            yield _first_of([str(comparison.first), *comparison.diverging[1:]])
    if case.expected.prints and not re.search(case.expected.prints, observation.printed):
        yield f"printed nothing that matches {case.expected.prints!r}"


def _precision_due(implementation: Implementation, name: str) -> Precision:
    return implementation.precision if name == REPORTED else implementation.applied_precision


def _units(sequence: Sequence, implementation: Implementation, name: str) -> Precision:
    """The precision in whose units a sequence is judged: its own, if that is one we know."""
    known = (precision for precision in Precision if precision == sequence.precision)
    return next(known, _precision_due(implementation, name))


def _compare(trial: Trial, case: ScheduleCase, name: str, sequence: Sequence) -> Comparison:
    all_steps = case.observed_steps
    length = min(len(all_steps), len(sequence.values))
    all_reference = case.schedule.rates(all_steps, case.steps_per_epoch)
    steps, reference = all_steps[:length], all_reference[:length]
    observed = sequence.values[:length]
    expected = case.expected_values[:length]
    precision = _units(sequence, trial.implementation, name)
    dtype = np.dtype(precision)

    if trial.call is None:
        raise ValueError(f"{trial.id} has no call to derive a budget from")
    allowance = budget(
        case.schedule,
        trial.call,
        trial.training,
        steps,
        reference,
        trial.implementation,
        precision,
    )
    numerals = numeral_rounding(case.schedule, trial.training, steps, reference)
    against_expected, due_expected = (
        allowance + numerals,
        closeness.rounded_if_infinite(expected, dtype),
    )
    against_reference = allowance
    if case.tolerance is not None:
        against_expected = closeness.tolerated(case.tolerance, expected, dtype)
        against_reference = np.fmax(allowance, against_expected)
        if case.tolerance.ulp is not None:
            due_expected = closeness.rounded(expected, dtype)

    due_reference = closeness.rounded_if_infinite(reference, dtype)
    wrong_expected = closeness.wrong(observed, due_expected, against_expected)
    wrong = wrong_expected | closeness.wrong(observed, due_reference, against_reference)
    diverging, first = steps[wrong], None
    if wrong.any():
        at = int(np.argmax(wrong))
        against, due, allowed = (
            ("expected", due_expected, against_expected)
            if wrong_expected[at]
            else ("reference", due_reference, against_reference)
        )
        first = Deviation(
            name,
            int(steps[at]),
            against,
            float(due[at]),
            float(observed[at]),
            float(closeness.error(observed, due)[at]),
            float(allowed[at]),
        )
    if length < len(all_steps):
        diverging = np.append(diverging, all_steps[length:])
        first = first or Deviation(
            name,
            int(all_steps[length]),
            "reference",
            float(all_reference[length]),
            None,
            np.inf,
            0.0,
        )

    error = closeness.error(observed, due_reference)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        relative = np.where(reference == 0, np.where(error == 0, 0, np.inf), error / abs(reference))
        ulp = error / closeness.spacing(reference, dtype)
        share = np.where(error == 0, 0, error / against_reference)
    return Comparison(
        name=name,
        seen_in=sequence.precision,
        precision=precision,
        steps=steps,
        observed=observed,
        reference=reference,
        expected=expected,
        allowed=against_reference,
        allowed_expected=against_reference + numerals,
        length=len(sequence.values),
        first=first,
        diverging=diverging,
        absolute=_extreme(error, steps),
        relative=_extreme(relative, steps),
        ulp=_extreme(ulp, steps),
        share=_extreme(share, steps),
    )


def _extreme(values: NDArray[np.float64], steps: Int64) -> Extreme | None:
    if not len(values):
        return None
    at = int(np.argmax(np.nan_to_num(values, nan=np.inf, posinf=np.inf)))
    return Extreme(float(values[at]), int(steps[at]))


def _contradictions(comparison: Comparison) -> list[str]:
    """Where the case's own numbers contradict the reference model by more than is allowed.

    The allowance is that of the trial, so a number that is good enough for float32 only is broken
    for a float64 implementation, and the case has to say for whom it is.
    """
    expected, reference = comparison.expected, comparison.reference
    allowed, dtype = comparison.allowed_expected, np.dtype(comparison.precision)
    return [
        f"the case expects {float(expected[i])!r} at step {comparison.steps[i]}, where the "
        f"reference model says {float(reference[i])!r} and {float(comparison.observed[i])!r} was "
        f"reported: error {abs(expected[i] - reference[i]):.3g}, allowed {allowed[i]:.3g}"
        for i in np.flatnonzero(closeness.contradicts(expected, reference, allowed, dtype))
    ]


def _first_of(items: Items[object]) -> str:
    return f"{items[0]} (and {len(items) - 1} more)" if len(items) > 1 else str(items[0])


def _unlike(record: KnownDivergence, judgement: Judgement) -> str:
    """How a trial differs from what a record says, or nothing."""
    observation, seen = judgement.observation, record.observed
    if judgement.verdict not in _RECORDABLE or not isinstance(observation, Observation):
        return f"the verdict is {judgement.verdict.value}"
    if observation.raised is not None:
        return _unlike_raised(seen, observation.raised)
    if observation.signature is not None:
        text = signature_text(observation.signature)
        same = _compact(text) == _compact(seen.signature or "")
        return "" if same else f"the signature is {text}"
    if seen.values is None:
        return "it gave values"
    if judgement.verdict is Verdict.ACCEPTED and isinstance(judgement.trial.case, ScheduleCase):
        steps, implementation = judgement.trial.case.observed_steps, judgement.trial.implementation
        each = (
            _unlike_at(
                seen.values, name, steps, sequence.values, _units(sequence, implementation, name)
            )
            for name, sequence in observation.sequences.items()
        )
        return next(filter(None, each), "")
    off = [comparison for comparison in judgement.comparisons if comparison.first is not None]
    if len(off) != len(judgement.reasons):
        return "values are not all that is wrong"
    return next(filter(None, (_unlike_values(record, seen.values, c) for c in off)), "")


def _unlike_values(
    record: KnownDivergence, seen: dict[int, float], comparison: Comparison
) -> str | None:
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
) -> str | None:
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
    return None


def _unlike_raised(seen: Observed, raised: Raised) -> str:
    if raised.type != seen.raises or (seen.message and not re.search(seen.message, raised.message)):
        return f"it raised {raised}"
    return ""

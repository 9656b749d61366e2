"""From an observation to a verdict. Knows the case, the reference and the budget; no framework."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence as Items
from dataclasses import dataclass, field, replace
from functools import cached_property

from harness.case import (
    CONSTRUCTION,
    Expected,
    KnownDivergence,
    ScheduleCase,
    Surface,
    SurfaceCase,
)
from harness.comparison import (
    APPLIED,
    REPORTED,
    Comparison,
    Due,
    compare,
    contradictions,
    due,
    group_of,
    precision_due,
    steps_reached,
    unjudged,
)
from harness.diagnosis import Diagnosis, diagnose
from harness.divergence import place, with_record
from harness.judgement import Judgement
from harness.observation import Lost, Observation, Raised
from harness.patterns import unmatched
from harness.plan import Trial
from harness.signature import surface_faults
from harness.verdict import Verdict

_MISSING = {"AttributeError", "ImportError", "ModuleNotFoundError"}
"""What a module raises that has no such API, or is not there itself."""


@dataclass
class Judge:
    """Judges the trials of one run, against the known divergences that are on record."""

    records: Items[KnownDivergence] = ()
    versions: dict[str, str] = field(default_factory=dict)
    """Version of the framework in each environment."""
    explains: bool = True
    """Whether a cause is looked for where values diverge and no record explains them."""
    explains_known: bool = False
    """Whether one is looked for where a record does."""

    @cached_property
    def _records_of(self) -> dict[str, list[KnownDivergence]]:
        """The records that name a case, by its name; all are known at the first judgement."""
        named: dict[str, list[KnownDivergence]] = defaultdict(list)
        for record in self.records:
            for case in dict.fromkeys(record.cases):
                named[case].append(record)
        return named

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
        version = self.versions.get(trial.target.environment, "0")
        if isinstance(case, SurfaceCase):
            absence = trial.implementation.absence(version)
            if absence:
                return _judge_absence(trial, absence, observation)
            judgement = _judge_surface(trial, case.surface[trial.implementation.api], observation)
            return self._with_record(judgement, version)
        judgement, dues = _judge_schedule(trial, case, observation)
        wrong = judgement.verdict is Verdict.DIVERGES and judgement.first is not None
        diverges = wrong and bool(dues)
        judgement = self._with_record(judgement, version)
        known = judgement.verdict is Verdict.KNOWN_DIVERGENCE
        if diverges and (self.explains_known if known else self.explains):
            diagnosis = _explained(trial, case, judgement.comparisons, dues)
            return replace(judgement, diagnosis=diagnosis, unexplained=diagnosis is None)
        return judgement

    def _with_record(self, judgement: Judgement, version: str) -> Judgement:
        return with_record(judgement, self._records_of.get(judgement.trial.case.name, ()), version)


def _judge_absence(trial: Trial, absence: str, observation: Observation) -> Judgement:
    """The verdict where the catalogue says that this version has no such API."""
    if observation.raised and observation.raised.type in _MISSING:
        return Judgement(trial, Verdict.UNAVAILABLE, (absence,), observation=observation)
    reason = f"the catalogue says that {absence}, and it is there"
    return Judgement(trial, Verdict.DIVERGES, (reason,), observation=observation)


def _judge_surface(trial: Trial, due: Surface, observation: Observation) -> Judgement:
    if observation.raised or observation.signature is None:
        reason = f"no signature: {observation.raised or 'none was given'}"
        return Judgement(trial, Verdict.REFUSED, (reason,), observation=observation)
    reasons = tuple(surface_faults(due, observation.signature))
    verdict = Verdict.DIVERGES if reasons else Verdict.CONFORMS
    return Judgement(trial, verdict, reasons, observation=observation)


def _judge_schedule(
    trial: Trial, case: ScheduleCase, observation: Observation
) -> tuple[Judgement, dict[int, Due]]:
    """The verdict without records, and what was due of each parameter group, if values were."""
    if not observation.misshapen and case.expected.raises is None and not case.expected.accepted:
        return _judge_rates(trial, case, observation)
    gave = [unjudged(trial, case, name, s) for name, s in observation.sequences.items()]
    judged = Judgement(trial, Verdict.CONFORMS, (), tuple(gave), observation)
    if observation.misshapen:
        judgement = _judge_misshapen(case, observation, judged)
    elif case.expected.raises is not None:
        judgement = _judge_exception(case, observation, judged)
    else:
        judgement = _judge_accepted(case, observation, judged)
    ended = observation.raised is not None or observation.misshapen
    missing = () if ended else _unobserved(trial, case, observation)
    extra = (*missing, *_misfits(trial, case, judgement.comparisons))
    if extra:
        fails = judgement.verdict.fails
        judgement = replace(
            judgement,
            verdict=judgement.verdict if fails else Verdict.DIVERGES,
            reasons=(*judgement.reasons, *extra),
            other_faults=(*judgement.other_faults, *extra),
        )
    return judgement, {}


def _judge_misshapen(case: ScheduleCase, observation: Observation, judged: Judgement) -> Judgement:
    reasons = (f"gave no rate: {observation.misshapen}",)
    if case.own_values is not None:
        comparisons, _ = _compared(judged.trial, case, observation, ended=True)
        judged = replace(judged, comparisons=comparisons)
    return replace(judged, verdict=Verdict.DIVERGES, reasons=reasons, other_faults=reasons)


def _judge_accepted(case: ScheduleCase, observation: Observation, judged: Judgement) -> Judgement:
    if observation.raised is not None:
        reasons = (f"raised {observation.raised} where nothing was to be raised",)
        return replace(judged, verdict=Verdict.REFUSED, reasons=reasons)
    unsaid = tuple(_unsaid(case.expected, observation))
    verdict = Verdict.DIVERGES if unsaid else Verdict.CONFORMS
    return replace(judged, verdict=verdict, reasons=unsaid, other_faults=unsaid)


def _judge_rates(
    trial: Trial, case: ScheduleCase, observation: Observation
) -> tuple[Judgement, dict[int, Due]]:
    comparisons, dues = _compared(trial, case, observation)
    judged = Judgement(trial, Verdict.CONFORMS, (), comparisons, observation)
    broken = [
        text for c in comparisons if c.name.startswith(REPORTED) for text in contradictions(c)
    ]
    if broken and not case.expected.documented:
        return replace(judged, verdict=Verdict.BROKEN_CASE, reasons=(_first_of(broken),)), dues
    if observation.raised is not None:
        others = tuple(_misfits(trial, case, comparisons))
        reasons = (f"raised {observation.raised} where values were due", *others)
        return replace(judged, verdict=Verdict.REFUSED, reasons=reasons, other_faults=others), dues
    others = tuple(_other_faults(trial, case, observation, comparisons))
    faults = (*others, *(_deviations(c) for c in comparisons if c.first))
    if not faults:
        return judged, dues
    return replace(judged, verdict=Verdict.DIVERGES, reasons=faults, other_faults=others), dues


def _compared(
    trial: Trial, case: ScheduleCase, observation: Observation, ended: bool = False
) -> tuple[tuple[Comparison, ...], dict[int, Due]]:
    dues: dict[int, Due] = {}
    for name in observation.sequences:
        group = group_of(name)
        dues[group] = dues.get(group) or due(trial, case, group)
    comparisons = tuple(
        compare(trial, case, name, sequence, dues[group_of(name)], ended)
        for name, sequence in observation.sequences.items()
    )
    return comparisons, dues


def _judge_exception(case: ScheduleCase, observation: Observation, judged: Judgement) -> Judgement:
    """The verdict where an exception was due: on it, where it came, and the rates before it."""
    expected, raised = case.expected, observation.raised
    wanted = " or ".join(expected.exceptions)
    if raised is None:
        values = [float(s.values[0]) for s in observation.sequences.values() if len(s.values)]
        gave = f"gave {values[0]!r}" if values else "gave no value"
        reason = f"{gave} where {wanted} was due"
        return replace(judged, verdict=Verdict.ACCEPTED, reasons=(reason,))
    comparisons, _ = _compared(judged.trial, case, observation, ended=True)
    judged = replace(judged, comparisons=comparisons)
    reasons = tuple(_exception_faults(expected, raised, steps_reached(case, observation)))
    reasons += tuple(f"before it, {_deviations(c)}" for c in comparisons if c.first)
    return replace(judged, verdict=Verdict.DIVERGES, reasons=reasons) if reasons else judged


def _exception_faults(due: Expected, raised: Raised, at: int | str) -> Iterable[str]:
    wanted = " or ".join(due.exceptions)
    if not {raised.type, *raised.bases} & set(due.exceptions):
        yield f"raised {raised} where {wanted} was due"
    elif due.message and (
        faults := list(
            unmatched(
                due.message,
                [raised.message],
                f"the text of {raised}",
                f"the text of {raised} does not match {due.message!r}",
            )
        )
    ):
        yield from faults
    elif at != (CONSTRUCTION if due.at is None else due.at):
        where = place(CONSTRUCTION if due.at is None else due.at)
        yield f"raised {raised} {place(at)}, and it was due {where}"


def _explained(
    trial: Trial, case: ScheduleCase, comparisons: tuple[Comparison, ...], dues: dict[int, Due]
) -> Diagnosis | None:
    """The diagnosis; one that fails is a fault of the suite, and costs itself and not the run."""
    try:
        return diagnose(trial, case, comparisons, dues)
    except Exception as error:
        warnings.warn(f"no diagnosis of {trial.id}, please report it: {error!r}", stacklevel=1)
        return None


def _other_faults(
    trial: Trial, case: ScheduleCase, observation: Observation, comparisons: Items[Comparison]
) -> Iterable[str]:
    yield from _unobserved(trial, case, observation)
    yield from _misfits(trial, case, comparisons)
    yield from _unsaid(case.expected, observation)


def _deviations(comparison: Comparison) -> str:
    """The first value that is not as due, and how many more there are."""
    return _first_of([str(comparison.first), *comparison.diverging[1:]])


def _unobserved(trial: Trial, case: ScheduleCase, observation: Observation) -> Iterable[str]:
    kinds = (REPORTED, APPLIED) if trial.shows_applied else (REPORTED,)
    for group in range(len(case.groups) + 1):
        for kind in kinds:
            name = f"{kind} {group}" if group else kind
            if name not in observation.sequences:
                yield f"the {name} rate was not observed"


def _misfits(trial: Trial, case: ScheduleCase, comparisons: Items[Comparison]) -> Iterable[str]:
    """Sequences of another precision than the implementation's, or of too many rates."""
    for comparison in comparisons:
        name, due = comparison.name, precision_due(trial.implementation, comparison.name)
        asked = len(case.steps_of(group_of(name)))
        if comparison.length and comparison.seen_in != due:
            yield f"the {name} rate is {comparison.seen_in}, not {due}"
        if comparison.length > asked:
            yield f"{comparison.length} {name} rates for {asked} steps"


def _unsaid(due: Expected, observation: Observation) -> Iterable[str]:
    """What was to be printed or warned of, and was not."""
    if due.prints:
        otherwise = f"printed nothing that matches {due.prints!r}"
        yield from unmatched(due.prints, [observation.printed], "what was printed", otherwise)
    if due.warns is False and observation.warnings:
        yield f"warned where nothing was to be said: {_first_of(observation.warnings)}"
    if due.warns:
        otherwise = f"gave no warning that matches {due.warns!r}"
        yield from unmatched(due.warns, observation.warnings, "the warnings", otherwise)


def _first_of(items: Items[object]) -> str:
    return f"{items[0]} (and {len(items) - 1} more)" if len(items) > 1 else str(items[0])

"""`report.json`: a published format. `report.schema.json` is generated from these models.

Within one major version of the format, fields may be added, and none is removed or changes its
meaning. Numbers that JSON has no literal for stand as the strings NaN, Infinity and -Infinity.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from hashlib import sha256
from statistics import median
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

import harness
from harness.agreement import Agreement, agreements
from harness.case import CONSTRUCTION, Case, KnownDivergence, ScheduleCase
from harness.catalogue import Made, Named, Other
from harness.comparison import Comparison, Deviation, Extreme, group_of, steps_reached
from harness.coverage import coverage
from harness.diagnosis import Diagnosis
from harness.divergence import place
from harness.judgement import Judgement
from harness.observation import Lost, Observation
from harness.plan import family_of
from harness.recording import in_words
from harness.reproducer import advanced, explain_command, written
from harness.reproducer.source import source
from harness.revision import revision
from harness.signature import signature_text
from harness.situation import situation
from harness.suite import Run
from harness.verdict import Verdict
from harness.workers import Environment

MAX_POINTS = 1_000
"""A longer sequence is thinned to about so many points, its extremes kept."""


class Model(BaseModel):
    """Frozen, and written with its infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class SuiteEntry(Model):
    """Which suite made the report."""

    name: str
    version: str
    commit: str | None = Field(description="git commit, with + where the tree was changed")


class EnvironmentEntry(Model):
    """An environment, or why there is none."""

    name: str
    framework: str
    version: str | None
    python: str | None
    packages: dict[str, str]
    devices: list[str]
    modes: list[str] = Field(description="execution modes in which trials were run")
    absent_devices: dict[str, str] = Field(description="device to the reason")
    failure: str | None
    processes: int = Field(description="worker processes that ran side by side")
    start_seconds: float
    printed: str = Field(description="what the framework wrote while it was imported")


class CaseEntry(Model):
    """A case, and what its schedule is."""

    name: str
    description: str
    source: str
    file: str
    line: int
    tags: list[str]
    dimension: str = Field(description="what the case is there to test")
    situation: list[str] = Field(description="what happens in the training, in words")
    due: list[str] = Field(description="what is due besides values, in words")
    family: str = Field(description="'surface' for a case about signatures")
    schedule: dict[str, Any]
    steps_per_epoch: int | None
    length: int = Field(description="steps that the case looks at")
    steps: list[int] = Field(description="thinned where `length` is greater than their number")
    reference: list[float] = Field(description="the reference model's rates at `steps`")
    expected: list[float | None] = Field(description="the case's own rates at `steps`")
    digest: str = Field(
        default="",
        description="the same where the reference model's rates are, at every step and group; "
        "empty for a case about signatures",
    )
    definition: str = Field(
        default="",
        description="the same where all is that the case asks for, whatever it is called; empty "
        "in reports before format 2.3",
    )
    by_reference: bool = Field(
        default=True,
        description="whether the reference model's rates are expected; not where a documentation's "
        "numbers alone are, an exception, or anything that is accepted",
    )


class ExtremeEntry(Model):
    """The greatest of something, and where."""

    value: float
    step: int


class DeviationEntry(Model):
    """The first value that is not as due."""

    sequence: str
    step: int
    against: str = Field(description="'expected' (the case's number) or 'reference'")
    due: float
    observed: float | None
    error: float
    budget: float


class SequenceEntry(Model):
    """One observed sequence; `observed` and `budget` stand at the case's `steps`.

    Both are NaN at steps before a parameter group joined.
    """

    name: str = Field(description="'reported' or 'applied'")
    precision: str
    length: int
    diverging: int = Field(description="number of steps that are not as due")
    greatest_absolute_error: ExtremeEntry | None
    greatest_relative_error: ExtremeEntry | None
    greatest_ulp_error: ExtremeEntry | None
    greatest_budget_share: ExtremeEntry | None = Field(
        description="null too where a documentation's numbers alone are judged"
    )
    greatest_error_from_best: ExtremeEntry | None = Field(
        default=None,
        description="in ULP, from the best that the precision can do: the exact rate of the "
        "parameters as the implementation holds them, rounded once",
    )
    observed: list[float]
    budget: list[float]
    digest: str = Field(default="", description="the same where all values are, bit for bit")
    ulp_errors: tuple[float, float] | None = Field(
        default=None,
        description="the least and the greatest error, in ULP, with their signs; null where one is "
        "not finite",
    )


class CallEntry(Model):
    """What was passed to the API."""

    written: str = Field(description="the call as a user would write it")
    arguments: dict[str, Any] = Field(description="functions and parts as their source")
    base_lr: float | None = Field(description="the optimizer's rate, where the API wraps one")
    optimizer: str
    advanced: str = Field(description="when the schedule moves on")


class ExceptionEntry(Model):
    """What was raised."""

    type: str
    message: str
    step: int | None = Field(
        default=None,
        description="the first step whose rate was not reached; null where it was raised at "
        "construction",
    )


class CauseEntry(Model):
    """A hypothesis that reproduces the observed values."""

    name: str
    parameters: dict[str, int | float | str]
    sequences: list[str] = Field(description="the observed sequences that it is about")
    also: list[str] = Field(description="less simple causes that reproduce the same values")


class TrialEntry(Model):
    """One trial and its verdict."""

    id: str
    case: str
    family: str
    implementation: str
    framework: str
    environment: str
    device: str
    mode: str
    verdict: str
    fails: bool
    reasons: list[str]
    call: CallEntry | None
    form: str
    precision: str
    first_divergence: DeviationEntry | None
    diagnosis: str | None = Field(
        description="the cause that reproduces the observed values, or that there is none; null "
        "where no value needs explaining, or a known divergence explains them"
    )
    cause: CauseEntry | None = Field(default=None, description="the diagnosis for programs")
    sequences: list[SequenceEntry]
    signature: str | None
    deprecation: str = Field(
        default="", description="what the API's documentation says of its end, where it was asked"
    )
    exception: ExceptionEntry | None
    warnings: list[str]
    printed: str
    seconds: float
    known_divergence: str | None
    command: str = Field(description="what shows this trial in full")
    taken_from: str | None = Field(
        default=None,
        description="when the run started that this trial was run in; null where it is this one",
    )


class AgreementEntry(Model):
    """Two trials of a case that are far apart, in relation to their budgets together."""

    case: str
    sequence: str
    first: str
    second: str
    step: int
    difference: float
    budget_share: float


class DivergenceEntry(Model):
    """A known divergence that concerns a case of this run."""

    name: str
    description: str
    kind: str
    severity: str
    cases: list[str]
    implementations: list[str]
    target: str
    versions: str
    seen: list[str]
    expected: str
    observed: str
    explanation: str
    remedy: str
    until: str
    upstream: str | None
    source: str
    file: str
    line: int


class CoverageCell(Model):
    """How many cases of the run test a dimension of an implementation."""

    cases: int
    reason: str = Field(description="why there is none, where there is nothing to test")


class CoverageEntry(Model):
    """An implementation, and what of it is tested."""

    implementation: str
    dimensions: dict[str, CoverageCell]


class BudgetUse(Model):
    """The greatest share of its budget that each conforming trial used, at any of its steps."""

    trials: int = Field(description="those that conform, and whose rates the reference judges")
    median: float
    greatest: float


class ChangeEntry(Model):
    """Something that is not as in the baseline."""

    kind: Literal[
        "new divergence",
        "lost trial",
        "stale finding",
        "incident",
        "contradiction",
        "nothing compared",
        "moved",
        "changed exception",
        "improved",
        "new trial",
        "changed case",
        "version",
    ]
    subject: str = Field(description="the trial's id, the record's name, or the environment's")
    text: str = Field(description="what changed, in words")
    file: str | None = Field(description="the case's file, or the record's")
    line: int | None
    fails: bool = Field(description="whether the gate is closed by it")


class ChangesEntry(Model):
    """What changed since the baseline."""

    baseline: str = Field(description="the file")
    changes: list[ChangeEntry]


class DivisionEntry(Model):
    """How the cases were divided into shards, and which of these the report is of."""

    shards: list[int] = Field(description="from 1 on")
    digest: str = Field(description="of what they were divided by: names, costs and the number")
    cases: list[list[str]] = Field(description="the names of the cases of each shard")

    @property
    def missing(self) -> dict[int, list[str]]:
        """The cases of each shard that the report is not of; nothing is missing without any."""
        every = dict(enumerate(self.cases, start=1))
        return {n: names for n, names in every.items() if names and n not in self.shards}


class TakenEntry(Model):
    """What was not run again, since nothing that it depends on has changed."""

    trials: int = Field(description="how many trials were taken from the report before")
    report: str = Field(description="the report before, as a file")
    started: str = Field(description="when its run started")


class Report(Model):
    """A whole run."""

    format: Literal["2.3"] = "2.3"
    suite: SuiteEntry
    commit: str | None = Field(
        default=None,
        description="git commit of the repository that the run was started in, where that is not "
        "the suite's own; with + where it was changed",
    )
    uncommitted: str = Field(
        default="",
        description="a digest of the code and the cases in that repository that were not as in its "
        "commit when the run was started; empty where all were",
    )
    started: str = Field(description="ISO 8601, UTC")
    seconds: float
    selection: dict[str, Any] = Field(description="what the user left out; empty for everything")
    stopped_early: bool
    full: bool = Field(description="whether every execution mode was tried")
    incidents: list[str] = Field(description="deaths of workers that cost no trial")
    counts: dict[str, int] = Field(description="verdict to its number of trials")
    fails: bool
    budget_use: BudgetUse | None = Field(default=None, description="null where nothing conforms")
    environments: list[EnvironmentEntry]
    cases: list[CaseEntry]
    trials: list[TrialEntry]
    agreements: list[AgreementEntry]
    known_divergences: list[DivergenceEntry]
    coverage: list[CoverageEntry] = Field(
        description="implementations by dimensions, over the cases of this run"
    )
    changes: ChangesEntry | None = Field(
        default=None, description="null where there is no baseline, or only a part was run"
    )
    taken: TakenEntry | None = Field(default=None, description="null where every trial was run")
    division: DivisionEntry | None = Field(
        default=None, description="null where the report is not of shards, or is of all of them"
    )


def report_schema() -> dict[str, Any]:
    """The JSON Schema of `report.json`."""
    schema = Report.model_json_schema(mode="serialization")
    number = {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
    schema = json.loads(json.dumps(schema), object_hook=lambda node: _with_infinities(node, number))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _with_infinities(node: dict[str, Any], number: dict[str, Any]) -> dict[str, Any]:
    if node.get("type") == "number":
        return {**{key: node[key] for key in node if key != "type"}, **number}
    return node


def schema_text() -> str:
    """The text of `harness/report/report.schema.json`."""
    return json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n"


class Gathering:
    """The entries of a report, made case by case, so that full sequences need not be kept."""

    def __init__(self) -> None:
        self._cases: dict[str, CaseEntry] = {}
        self._trials: dict[str, list[TrialEntry]] = {}
        self._agreements: dict[str, list[AgreementEntry]] = {}

    def take(self, judgements: list[Judgement]) -> None:
        """The judgements of one case, all that there will be."""
        case = judgements[0].trial.case
        kept = _kept_points(case, judgements) if isinstance(case, ScheduleCase) else None
        self._cases[case.name] = _case(case, kept)
        self._trials[case.name] = [_trial(judgement, kept) for judgement in judgements]
        self._agreements[case.name] = [_agreement(a) for a in agreements(judgements)]

    def cases(self, run: Run) -> list[CaseEntry]:
        """In the order of the run."""
        return [self._cases[case.name] for case in run.cases]

    def trials(self, run: Run) -> list[TrialEntry]:
        """In the order of the run."""
        of_case = {name: iter(entries) for name, entries in self._trials.items()}
        return [next(of_case[judgement.trial.case.name]) for judgement in run.judgements]

    def agreements(self, run: Run) -> list[AgreementEntry]:
        """In the order of the run."""
        return [entry for case in run.cases for entry in self._agreements[case.name]]


def from_run(run: Run, gathering: Gathering | None = None) -> Report:
    """The report on a run, whose judgements `gathering` has taken, or still have their values."""
    if gathering is None:
        gathering = Gathering()
        by_case: dict[str, list[Judgement]] = defaultdict(list)
        for judgement in run.judgements:
            by_case[judgement.trial.case.name].append(judgement)
        for together in by_case.values():
            gathering.take(together)
    trials = gathering.trials(run)
    counts: dict[str, int] = defaultdict(int)
    for judgement in run.judgements:
        counts[judgement.verdict.value] += 1
    return Report(
        suite=this_suite(),
        started=run.started.isoformat(timespec="seconds"),
        seconds=run.seconds,
        selection=run.selection.given,
        stopped_early=run.stopped_early,
        full=run.full,
        incidents=list(run.incidents),
        counts=dict(sorted(counts.items())),
        fails=run.fails,
        budget_use=budget_use_of(trials),
        environments=[_environment(environment, run) for environment in run.environments],
        cases=gathering.cases(run),
        trials=trials,
        agreements=gathering.agreements(run),
        known_divergences=divergences_of(run.cases, run.records, run.environments),
        coverage=coverage_of(run.cases),
    )


def this_suite() -> SuiteEntry:
    """The suite that is running."""
    return SuiteEntry(
        name="lr-schedule-conformance", version=harness.__version__, commit=revision()
    )


def divergences_of(
    cases: Iterable[Case],
    records: Iterable[KnownDivergence],
    environments: Iterable[Environment | EnvironmentEntry],
) -> list[DivergenceEntry]:
    """The records that concern any of `cases`, and the version in any of `environments`."""
    names = {case.name for case in cases}
    versions = [(each.framework, each.version or "") for each in environments]
    return [
        _divergence(record)
        for record in records
        if names & set(record.cases) and any(record.concerns(*each) for each in versions)
    ]


def coverage_of(cases: Iterable[Case]) -> list[CoverageEntry]:
    """What `cases` test of each implementation."""
    return [
        CoverageEntry(
            implementation=row.implementation.api,
            dimensions={
                name: CoverageCell(cases=cell.cases, reason=cell.reason)
                for name, cell in row.cells.items()
            },
        )
        for row in coverage(cases)
    ]


def budget_use_of(trials: Iterable[TrialEntry]) -> BudgetUse | None:
    """What the trials that conform used of their budgets; None where the reference judges none."""
    used = [
        [s.greatest_budget_share.value for s in trial.sequences if s.greatest_budget_share]
        for trial in trials
        if trial.verdict == Verdict.CONFORMS.value
    ]
    shares = [max(of_trial) for of_trial in used if of_trial]
    if not shares:
        return None
    return BudgetUse(trials=len(shares), median=median(shares), greatest=max(shares))


Kept = NDArray[np.int64]


def _kept_points(case: ScheduleCase, judgements: Iterable[Judgement]) -> Kept:
    """Indices into a case's steps that its report shows: evenly spread, with every extreme."""
    steps = case.observed_steps
    if len(steps) <= MAX_POINTS:
        return np.arange(len(steps))
    telling = [
        extreme.step
        for judgement in judgements
        for c in judgement.comparisons
        for extreme in (c.absolute, c.relative, c.ulp, c.share, c.first)
        if extreme is not None
    ]
    spread = np.linspace(0, len(steps) - 1, MAX_POINTS).astype(np.int64)
    return np.union1d(spread, np.searchsorted(steps, telling))


def _agreement(agreement: Agreement) -> AgreementEntry:
    return AgreementEntry(
        case=agreement.case,
        sequence=agreement.sequence,
        first=agreement.first,
        second=agreement.second,
        step=agreement.step,
        difference=agreement.difference,
        budget_share=agreement.share,
    )


def _environment(environment: Environment, run: Run) -> EnvironmentEntry:
    targets = [j.trial.target for j in run.judgements if j.verdict.ran]
    return EnvironmentEntry(
        name=environment.name,
        framework=environment.framework,
        version=environment.version or None,
        python=environment.python or None,
        packages=environment.packages,
        devices=list(environment.devices),
        modes=sorted({t.mode for t in targets if t.environment == environment.name} - {"-"}),
        absent_devices=environment.absent_devices,
        failure=environment.failure or None,
        processes=run.processes.get(environment.name, 1),
        start_seconds=environment.seconds,
        printed=environment.printed,
    )


def _case(case: Case, kept: Kept | None) -> CaseEntry:
    common = {
        "name": case.name,
        "description": case.description,
        "source": case.source,
        "file": case.file,
        "line": case.line,
        "tags": case.tags,
        "dimension": case.dimension,
        "situation": list(situation(case)),
        "due": list(_due(case)),
        "definition": _definition(case),
    }
    if not isinstance(case, ScheduleCase) or kept is None:
        return CaseEntry(
            **common,
            family="surface",
            schedule={},
            steps_per_epoch=None,
            length=0,
            steps=[],
            reference=[],
            expected=[],
        )
    steps = case.observed_steps[kept]
    return CaseEntry(
        **common,
        family=case.family,
        schedule=case.schedule.model_dump(exclude_unset=True, by_alias=True),
        steps_per_epoch=case.steps_per_epoch,
        length=len(case.observed_steps),
        steps=steps.tolist(),
        reference=case.reference[kept].tolist(),
        expected=[None if np.isnan(v) else float(v) for v in case.expected_values[kept]],
        digest=_digest(*(case.reference_of(group) for group in range(len(case.schedules)))),
        by_reference=not (
            case.expected.documented or case.expected.raises or case.expected.accepted
        ),
    )


def _definition(case: Case) -> str:
    """A digest of what a case asks for; a field that is added to the format leaves it as it is."""
    said = case.model_dump(
        exclude={"name", "description", "source", "tags", "dimension"}, exclude_defaults=True
    )
    return sha256(json.dumps(said, sort_keys=True, default=_plain).encode()).hexdigest()[:16]


def _due(case: Case) -> Iterator[str]:
    if isinstance(case, ScheduleCase):
        expected, tolerance = case.expected, case.tolerance
        if expected.raises:
            text = f" with a text that matches {expected.message!r}" if expected.message else ""
            at = place(CONSTRUCTION if expected.at is None else expected.at)
            yield f"raises {' or '.join(expected.exceptions)}{text} {at}"
        if expected.accepted:
            yield "raises nothing"
        if expected.prints:
            yield f"prints what matches {expected.prints!r}"
        if expected.warns is not None:
            yield (
                f"warns of what matches {expected.warns!r}"
                if expected.warns
                else "warns of nothing"
            )
        if tolerance:
            given = tolerance.model_dump(exclude_none=True, exclude={"reason"})
            terms = ", ".join(f"{name} {value:g}" for name, value in given.items())
            yield f"expected values within {terms}: {tolerance.reason}"
        return
    for api, surface in case.surface.items():
        if surface.signature:
            yield f"{api} has the signature {surface.signature}"
        for name, facts in surface.has.items():
            terms = ", ".join(f"{k} {v!r}" for k, v in facts.model_dump(exclude_unset=True).items())
            yield f"{api} has a parameter {name}{f' ({terms})' if terms else ''}"
        for name in surface.lacks:
            yield f"{api} has no parameter {name}"


def _trial(judgement: Judgement, kept: Kept | None) -> TrialEntry:
    trial, observation = judgement.trial, judgement.observation
    case, implementation, target = trial.case, trial.implementation, trial.target
    observed = observation if isinstance(observation, Observation) else Observation()
    printed = observation.printed if isinstance(observation, Lost) else observed.printed
    return TrialEntry(
        id=trial.id,
        case=case.name,
        family=family_of(case),
        implementation=implementation.api,
        framework=implementation.framework,
        environment=target.environment,
        device=target.device,
        mode=target.mode,
        verdict=judgement.verdict.value,
        fails=judgement.verdict.fails,
        reasons=list(judgement.reasons),
        call=_call(judgement),
        form=implementation.form.value,
        precision=implementation.precision.value,
        first_divergence=_deviation(judgement.first),
        diagnosis=judgement.why,
        cause=_cause(judgement.diagnosis),
        sequences=[
            _sequence(c, case, kept)
            for c in judgement.comparisons
            if isinstance(case, ScheduleCase) and kept is not None
        ],
        deprecation=observed.deprecation,
        signature=None if observed.signature is None else signature_text(observed.signature),
        exception=_exception(case, observed),
        warnings=list(observed.warnings),
        printed=printed,
        seconds=0.0 if observation is None else observation.seconds,
        known_divergence=judgement.record.name if judgement.record else None,
        command=explain_command(trial),
    )


def _exception(case: Case, observed: Observation) -> ExceptionEntry | None:
    raised = observed.raised
    if raised is None:
        return None
    at = steps_reached(case, observed) if isinstance(case, ScheduleCase) else CONSTRUCTION
    step = at if isinstance(at, int) else None
    return ExceptionEntry(type=raised.type, message=raised.message, step=step)


def _call(judgement: Judgement) -> CallEntry | None:
    trial, call = judgement.trial, judgement.trial.call
    if call is None:
        return None
    return CallEntry(
        written=written(trial),
        arguments={name: _plain(value) for name, value in call.arguments.items()},
        base_lr=call.base_lr,
        optimizer=trial.optimizer,
        advanced=advanced(trial),
    )


def _plain(value: Any) -> Any:
    """An argument as JSON: a function or a part of a composition as its source."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return source(value) if isinstance(value, Made | Named | Other) else value


def _sequence(comparison: Comparison, case: ScheduleCase, kept: Kept) -> SequenceEntry:
    # A group that joins later has no rates before.
    missing = len(case.observed_steps) - len(case.steps_of(group_of(comparison.name)))
    late = kept[kept >= missing] - missing
    late = late[late < len(comparison.observed)]
    before = [math.nan] * int((kept < missing).sum())
    return SequenceEntry(
        name=comparison.name,
        precision=comparison.seen_in,
        length=comparison.length,
        diverging=len(comparison.diverging),
        greatest_absolute_error=_extreme(comparison.absolute),
        greatest_relative_error=_extreme(comparison.relative),
        greatest_ulp_error=_extreme(comparison.ulp),
        greatest_budget_share=None if case.expected.documented else _extreme(comparison.share),
        greatest_error_from_best=_extreme(comparison.from_best),
        observed=before + comparison.observed[late].tolist(),
        budget=before + comparison.allowed[late].tolist(),
        digest=_digest(comparison.observed),
        ulp_errors=comparison.signed_ulp,
    )


def _digest(*sequences: NDArray[np.float64]) -> str:
    """Of the bytes of float64 numbers, so that no value moves unseen; every NaN is the same."""
    hashed = sha256()
    for values in sequences:
        plain = np.where(np.isnan(values), np.nan, values)
        hashed.update(plain.astype("<f8").tobytes())
    return hashed.hexdigest()[:16]


def _extreme(extreme: Extreme | None) -> ExtremeEntry | None:
    return None if extreme is None else ExtremeEntry(value=extreme.value, step=extreme.step)


def _deviation(deviation: Deviation | None) -> DeviationEntry | None:
    if deviation is None:
        return None
    return DeviationEntry(
        sequence=deviation.sequence,
        step=deviation.step,
        against=deviation.against,
        due=deviation.due,
        observed=deviation.observed,
        error=deviation.error,
        budget=deviation.allowed,
    )


def _cause(diagnosis: Diagnosis | None) -> CauseEntry | None:
    if diagnosis is None:
        return None
    return CauseEntry(
        name=diagnosis.cause.value,
        parameters=diagnosis.parameters,
        sequences=list(diagnosis.sequences),
        also=[other.cause.value for other in diagnosis.also],
    )


def _divergence(record: KnownDivergence) -> DivergenceEntry:
    return DivergenceEntry(
        name=record.name,
        description=record.description,
        kind=record.kind,
        cases=record.cases,
        implementations=record.implementations,
        severity=record.severity,
        upstream=record.upstream,
        target=record.target,
        versions=record.versions,
        seen=record.seen,
        expected=record.expected,
        observed="; ".join(in_words(record.observed)),
        explanation=record.explanation,
        remedy=record.remedy,
        until=record.until,
        source=record.source,
        file=record.file,
        line=record.line,
    )

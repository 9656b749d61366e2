"""Every form driven through the whole training on the installed frameworks, and judged.

A worker is given the code of each form as a module of its own, so what is verified is what is
printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.case import Expected, ScheduleCase
from harness.catalogue import Call, Kind
from harness.comparison import APPLIED, REPORTED, Comparison
from harness.errors import NothingToRun
from harness.judge import Judge
from harness.judgement import Judgement
from harness.observation import Observation
from harness.plan import Skip, Target, Trial
from harness.reference.arithmetic import Float64
from harness.traces.allowance import allowance
from harness.translation.forms import Form
from harness.translation.reading import Original
from harness.verdict import Verdict
from harness.workers import Environment, EnvironmentSpec, Workers

SECONDS_PER_UPDATE = 0.02
LEAST_SECONDS = 300.0
MODES = {"torch": "eager", "mindspore": "graph"}
"""MindSpore's updates take a tenth of the time in a graph."""


@dataclass(frozen=True)
class Difference:
    """How far two sequences are apart at most, and at which update."""

    value: float
    step: int


@dataclass(frozen=True)
class Verified:
    """A form, and what was seen of it.

    `apart` is how far its rates are from the original's, by the sequence's name.
    """

    form: Form
    judgement: Judgement
    version: str
    apart: dict[str, Difference]

    @property
    def conforms(self) -> bool:
        """Whether all its rates, over the whole training, are as they are due."""
        return self.judgement.verdict is Verdict.CONFORMS

    def alike(self, own: Verified) -> bool:
        """Whether its rates are the original's, as far as two implementations can agree."""
        mine, others = self._by_name, own._by_name
        return self.ran and all(
            name in mine and name in others and _agree(mine[name], others[name])
            for name in (REPORTED, APPLIED)
        )

    @property
    def _by_name(self) -> dict[str, Comparison]:
        return {comparison.name: comparison for comparison in self.judgement.comparisons}

    @property
    def ran(self) -> bool:
        """Whether it could be tried at all."""
        return self.judgement.verdict.ran


def _agree(one: Comparison, other: Comparison) -> bool:
    a, b = one.observed, other.observed
    if len(a) != len(b):
        return False
    allowed = allowance(one.steps, a, b, (one.precision, other.precision)).recursive
    return bool(np.all(np.abs(a - b) <= allowed))


def unheard(_: int, __: int) -> None:
    """Nobody is told how the verification gets on."""


def case_of(original: Original) -> ScheduleCase:
    """The schedule over the whole training, as a case."""
    # Not validated: a training may be longer than a case file is allowed to look at.
    case = ScheduleCase.model_construct(
        {"family", "schedule", "steps", "steps_per_epoch", "expected"},
        name=original.text,
        description="What is to be written anew.",
        source=original.place,
        family=original.family,
        schedule=original.schedule,
        steps=original.training.updates,
        steps_per_epoch=original.training.steps_per_epoch,
        expected=Expected(accepted=True),
        dimension="applied",
        tags=[],
    )
    first = float(original.schedule.rates(np.array([0]), 1)[0])
    expected = Expected.model_construct({"values"}, values={0: first})
    return case.model_copy(update={"expected": expected})


def verify(
    original: Original,
    own: Form | None,
    found: Sequence[Form],
    target: str | None = None,
    on_progress: Callable[[int, int], None] = unheard,
) -> tuple[Verified | None, list[Verified]]:
    """Drive the original and every form through the training.

    Args:
        original: what is written anew.
        own: the original as a form.
        found: the forms.
        target: device and mode of the forms' framework, such as `cpu/pynative`.
        on_progress: told how many are done, and of how many.

    Raises:
        NothingToRun: the forms' framework cannot be started.
    """
    every = [*([own] if own else []), *found]
    case, beside = case_of(original), {f"form_{i}.py": f.module for i, f in enumerate(every)}
    limit = max(LEAST_SECONDS, original.training.updates * SECONDS_PER_UPDATE)
    specs = [
        EnvironmentSpec(name, framework, beside=beside)
        for framework in dict.fromkeys(form.implementation.framework for form in every)
        for name in _processes(framework, found)
    ]
    with Workers(specs, time_limit=limit) as workers:
        environments = {e.name: e for e in workers.environments()}
        needed = found[0].implementation.framework if found else ""
        if found and environments[needed].failure:
            raise NothingToRun(
                f"{needed} could not be started, so nothing was verified: "
                f"{environments[needed].failure}\nremedy: install it where conform is installed, "
                "or print the forms unverified: --no-verify"
            )
        trials = _trials(case, every, environments, target, own)
        if found and all(trial.skip for trial in trials[-len(found) :]):
            devices = ", ".join(environments[needed].devices)
            raise NothingToRun(
                f"none of the forms can be tried on {target} here; devices of {needed}: {devices}"
            )
        judgements = _judged(trials, workers, environments, on_progress)
    first = judgements[0] if own else None
    results = [
        Verified(
            form,
            judgement,
            environments[judgement.trial.target.environment].version,
            _apart(judgement, first),
        )
        for form, judgement in zip(every, judgements, strict=True)
    ]
    return (results[0], results[1:]) if own else (None, results)


def _processes(framework: str, found: Sequence[Form]) -> Iterable[str]:
    """MindSpore takes most of the time, and has two processes."""
    several = framework == "mindspore" and len(found) > 1
    return (framework, f"{framework} 2") if several else (framework,)


def _trials(
    case: ScheduleCase,
    every: Sequence[Form],
    environments: dict[str, Environment],
    target: str | None,
    own: Form | None,
) -> list[Trial]:
    trials = []
    for number, form in enumerate(every):
        framework = form.implementation.framework
        names = [name for name in environments if name.partition(" ")[0] == framework]
        environment = environments[names[number % len(names)]]
        if environment.failure:
            skip = Skip(Verdict.UNAVAILABLE, environment.failure)
            where = Target(environment.name, "-", "-")
            trials.append(Trial(case, form.implementation, where, form.call, skip))
            continue
        device, mode = environment.devices[0], MODES[framework]
        if target and form is not own:
            device, _, mode = target.partition("/")
            mode = mode or MODES[framework]
            if device not in environment.devices or mode not in form.implementation.modes:
                reason = f"{form.title} is not tried on {device}/{mode} here"
                skip = Skip(Verdict.UNAVAILABLE, reason)
                where = Target(environment.name, device, mode)
                trials.append(Trial(case, form.implementation, where, form.call, skip))
                continue
        where = Target(environment.name, device, mode)
        trials.append(Trial(case, form.implementation, where, form.call))
    return trials


def _judged(
    trials: list[Trial],
    workers: Workers,
    environments: dict[str, Environment],
    on_progress: Callable[[int, int], None],
) -> list[Judgement]:
    judge = Judge((), {name: e.version for name, e in environments.items()})
    sent: dict[str, int] = {}
    found: dict[int, Judgement] = {}
    running = []
    for number, trial in enumerate(trials):
        if trial.skip is not None:
            found[number] = judge.judge(trial, None)
            continue
        driven = _driven(trial, number)
        sent[driven.implementation.api + str(driven.target)] = number
        running.append(driven)
    on_progress(len(found), len(trials))
    for driven, observation in workers.run(running):
        number = sent[driven.implementation.api + str(driven.target)]
        found[number] = judge.judge(trials[number], observation)
        on_progress(len(found), len(trials))
    return [found[number] for number in range(len(trials))]


def _driven(trial: Trial, number: int) -> Trial:
    """The trial as the worker is told of it: by the module that holds the code."""
    if trial.implementation.kind is Kind.CALLBACK or trial.call is None:
        # The adapter gives a callback its metric.
        return trial
    call: Call = replace(trial.call, arguments={})
    api = f"form_{number}.make"
    return replace(trial, implementation=replace(trial.implementation, api=api), call=call)


def _apart(judgement: Judgement, first: Judgement | None) -> dict[str, Difference]:
    if first is None or not isinstance(first.observation, Observation):
        return {}
    if judgement is first or not isinstance(judgement.observation, Observation):
        return {}
    apart = {}
    for name in (REPORTED, APPLIED):
        one = first.observation.sequences.get(name)
        other = judgement.observation.sequences.get(name)
        if one is not None and other is not None:
            length = min(len(one.values), len(other.values))
            difference: Float64 = np.abs(one.values[:length] - other.values[:length])
            if length:
                at = int(np.argmax(np.nan_to_num(difference, nan=np.inf)))
                apart[name] = Difference(float(difference[at]), at)
    return apart

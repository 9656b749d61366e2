"""Faults planted one after the other, each against the trials that can reach it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence as Items
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from harness.adapters import ADAPTERS, PLANTING
from harness.case import ScheduleCase, SurfaceCase
from harness.judge import Judge
from harness.judgement import Judgement
from harness.observation import Lost, Observation, Sequence
from harness.plan import Trial, plan
from harness.strength.faults import Fault
from harness.workers import Environment, EnvironmentSpec, Workers, default_environments

TIME_LIMIT = 20.0
"""Seconds that a trial may take on a faulty module."""
FIRST_TRIALS = 2
"""Trials that are sent together at first; each time that they catch nothing, twice as many."""
_LINES = "lines of "
_CANNOT_PLANT = "CannotPlant"


class Fate(StrEnum):
    """What became of a fault."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    UNREACHED = "survived, no trial gets there"


@dataclass(frozen=True)
class Outcome:
    """What became of one fault: caught `by` a trial, which says `how`, or by none of `tried`."""

    fault: Fault
    fate: Fate
    by: str = ""
    how: str = ""
    tried: int = 0


def planting(
    framework: str, modules: Items[str], fault: tuple[Fault, str] | None = None
) -> EnvironmentSpec:
    """An environment in which faults of `modules` can be planted.

    Args:
        framework: whose adapter drives it.
        modules: those that faults may be of.
        fault: one that is there from the start, with the faulty source.
    """
    adapter = ADAPTERS[framework]
    imported = fault and {"module": fault[0].module, "source": fault[1]}
    config = {"adapter": adapter.stem, "modules": list(modules), "imported": imported}
    return EnvironmentSpec(
        framework,
        framework,
        adapter=PLANTING,
        beside={
            adapter.name: adapter.read_text(encoding="utf-8"),
            "planting.json": json.dumps(config),
        },
    )


@dataclass
class Baseline:
    """What every trial of a framework shows on the modules as they are installed."""

    environment: Environment
    judge: Judge
    trials: dict[str, Trial] = field(default_factory=dict)
    observations: dict[str, Observation] = field(default_factory=dict)
    failing: list[str] = field(default_factory=list)
    """Trials that fail without a fault, and so can tell nothing."""
    lines: dict[str, dict[str, NDArray[np.int64]]] = field(default_factory=dict)
    """By module and trial: the lines gone through, increasing."""

    def reaching(self, fault: Fault) -> list[Trial]:
        """The trials that a fault can show in, the quickest first."""
        first, last = fault.lines
        reaching = []
        for name, trial in self.trials.items():
            if isinstance(trial.case, SurfaceCase):
                if _holds(trial.implementation.api, fault):
                    reaching.append(trial)
                continue
            lines = self.lines[fault.module].get(name)
            if lines is not None:
                at = int(np.searchsorted(lines, first))
                if at < len(lines) and lines[at] <= last:
                    reaching.append(trial)
        return sorted(reaching, key=lambda trial: self.observations[trial.id].seconds)


def _holds(api: str, fault: Fault) -> bool:
    """Whether a fault is in the signature, or the making, of an API."""
    owner, _, name = fault.where.partition(".")
    return api.rpartition(".")[2] == owner and name in {"", "__init__"}


def baseline(
    framework: str,
    modules: Items[str],
    cases: Items[ScheduleCase | SurfaceCase],
    judge: Callable[[Environment], Judge],
    on_trial: Callable[[int, int], None],
    stopping: threading.Event,
) -> Baseline | str | None:
    """Run every trial of a framework once, with the lines that it goes through.

    Returns the reason as a text where the framework cannot be started, and None when it was broken
    off. `on_trial` is told how many of how many trials are done.
    """
    processes = {spec.framework: spec.processes for spec in default_environments()}
    spec = replace(planting(framework, modules), processes=processes[framework])
    with Workers([spec]) as workers:
        environment = workers.environments()[0]
        if environment.failure:
            return environment.failure
        found = Baseline(environment, judge(environment))
        found.lines = {module: {} for module in modules}
        trials = [trial for trial in plan(cases, [environment]) if trial.skip is None]
        trials.sort(key=lambda trial: trial.target.mode)
        for done, (trial, observation) in enumerate(workers.run(trials, {"traces": True}), 1):
            on_trial(done, len(trials))
            if stopping.is_set():
                return None
            if isinstance(observation, Lost):
                found.failing.append(trial.id)
                continue
            seen = {**observation.sequences}
            for module in modules:
                lines = seen.pop(_LINES + module, Sequence("int64", np.array([])))
                found.lines[module][trial.id] = lines.values.astype(np.int64)
            rates_only = replace(observation, sequences=seen)
            if found.judge.judge(trial, rates_only).verdict.fails:
                found.failing.append(trial.id)
            else:
                found.trials[trial.id] = trial
                found.observations[trial.id] = rates_only
    return found


class Bench(AbstractContextManager["Bench"]):
    """One process in which faults are planted, one after the other."""

    def __init__(
        self,
        framework: str,
        sources: dict[str, str],
        base: Baseline,
        stopping: threading.Event,
    ) -> None:
        self._framework, self._sources, self._base = framework, sources, base
        self._stopping = stopping
        self._workers: Workers | None = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def try_out(self, fault: Fault, order: Callable[[list[Trial]], list[Trial]]) -> Outcome | None:
        """What becomes of a fault; None when it was broken off.

        Args:
            fault: it is in one of the modules of `sources`.
            order: puts the trials that reach it in the order in which they are tried.
        """
        trials = order(self._base.reaching(fault))
        if not trials:
            return Outcome(fault, Fate.UNREACHED)
        if not fault.function:
            return self._imported(fault, trials)
        outcome = self._go_through(self._running(), fault, trials, message(fault))
        if outcome is not None and outcome.how == _CANNOT_PLANT:
            return self._imported(fault, trials)
        if outcome is not None and outcome.fate is Fate.CAUGHT and not self._is_sound(outcome.by):
            # What an earlier fault left behind may be what was seen.
            self._end()
            return self._imported(fault, trials)
        return outcome

    def _running(self) -> Workers:
        if self._workers is None:
            self._workers = Workers([planting(self._framework, list(self._sources))], TIME_LIMIT)
            self._workers.__enter__()
            self._workers.environments()
        return self._workers

    def _end(self) -> None:
        if self._workers is not None:
            self._workers.__exit__(None, None, None)
            self._workers = None

    def _is_sound(self, name: str) -> bool:
        """Whether a trial is as ever once the fault is gone."""
        trial = self._base.trials[name]
        ((_, observation),) = self._running().run([trial])
        return isinstance(observation, Observation) and same(
            observation, self._base.observations[name]
        )

    def _imported(self, fault: Fault, trials: list[Trial]) -> Outcome | None:
        """In a process of its own, which imports the faulty source in place of the real one."""
        source = fault.planted(self._sources[fault.module])
        spec = planting(self._framework, list(self._sources), (fault, source))
        with Workers([spec], TIME_LIMIT) as workers:
            environment = workers.environments()[0]
            if environment.failure:
                return Outcome(fault, Fate.CAUGHT, "the import", environment.failure)
            return self._go_through(workers, fault, trials, {})

    def _go_through(
        self, workers: Workers, fault: Fault, trials: list[Trial], more: dict[str, object]
    ) -> Outcome | None:
        tried = 0
        for some in _growing(trials):
            if self._stopping.is_set():
                return None
            # All of them are waited for, so that nothing is left over for the next fault.
            seen = list(workers.run(some, more))
            for trial, observation in seen:
                tried += 1
                how = self._caught(trial, observation)
                if how:
                    return Outcome(fault, Fate.CAUGHT, trial.id, how, tried)
        return Outcome(fault, Fate.SURVIVED, tried=tried)

    def _caught(self, trial: Trial, observation: Observation | Lost) -> str:
        """How a trial fails, or nothing."""
        if isinstance(observation, Observation):
            if observation.raised and observation.raised.type == _CANNOT_PLANT:
                return _CANNOT_PLANT
            if same(observation, self._base.observations[trial.id]) and not _reads(trial):
                return ""
        judgement = self._base.judge.judge(trial, observation)
        return _how(judgement) if judgement.verdict.fails else ""


def message(fault: Fault) -> dict[str, object]:
    """What a request says beside its trial, so that the fault is planted for it."""
    return {
        "fault": {
            "id": fault.id,
            "module": fault.module,
            "name": fault.function,
            "line": fault.function_line,
            "start": fault.start,
            "stop": fault.stop,
            "after": fault.padded,
        }
    }


def _how(judgement: Judgement) -> str:
    reason = judgement.reasons[0].splitlines()[0][:200] if judgement.reasons else ""
    return f"{judgement.verdict.value}: {reason}"


def _reads(trial: Trial) -> bool:
    """Whether a case looks at what is said, and not only at the rates."""
    case = trial.case
    return isinstance(case, ScheduleCase) and case.expected.reads


def same(one: Observation, other: Observation) -> bool:
    """Whether two observations show the same, to the last bit."""
    return (
        one.raised == other.raised
        and one.signature == other.signature
        and one.sequences.keys() == other.sequences.keys()
        and all(
            mine.precision == other.sequences[name].precision
            and np.array_equal(mine.values, other.sequences[name].values, equal_nan=True)
            for name, mine in one.sequences.items()
        )
    )


def _growing(trials: Iterable[Trial]) -> Iterator[list[Trial]]:
    left, size = iter(trials), FIRST_TRIALS
    while some := list(islice(left, size)):
        yield some
        size *= 2


class Order:
    """What catches most is tried first, and before it what caught this very fault the last time."""

    def __init__(self, before: dict[str, str]) -> None:
        self._before = before
        self._caught: Counter[str] = Counter()

    def learn(self, outcome: Outcome) -> None:
        """Remember which trial caught a fault."""
        self._caught[outcome.by] += 1

    def of(self, fault: Fault) -> Callable[[list[Trial]], list[Trial]]:
        """How to order the trials of a fault."""
        first, caught = self._before.get(fault.id), self._caught
        return lambda trials: sorted(trials, key=lambda t: (t.id != first, -caught[t.id]))

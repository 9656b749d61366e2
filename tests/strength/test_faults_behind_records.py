"""Faults in APIs that have known divergences, with the records in force: none hides behind one.

Only trials that a record covers are looked at, so that no other trial of the API can catch what
they let pass.
"""

from __future__ import annotations

import random
import threading
from collections import Counter

import numpy as np
import pytest
from helpers.suite import suite

from harness.judge import Judge
from harness.observation import Observation
from harness.plan import Trial
from harness.strength.campaign import MODULES, source_of
from harness.strength.faults import Fault, faults
from harness.strength.measure import TIME_LIMIT, Baseline, baseline, message, planting, same
from harness.verdict import Verdict
from harness.workers import Workers

pytestmark = [pytest.mark.frameworks, pytest.mark.slow]

FAULTS = 50
"""That show in a trial, of each framework."""
FRAMEWORKS = ("torch", "mindspore")


def recorded(framework: str, modules: list[str]) -> Baseline:
    """What the trials show whose case a record of today's versions names."""
    loaded = suite()
    named = {name for record in loaded.known_divergences for name in record.cases}
    cases = [case for case in loaded.cases if case.name in named]
    found = baseline(
        framework,
        modules,
        cases,
        lambda environment: Judge(
            loaded.known_divergences, {environment.name: environment.version}, explains=False
        ),
        lambda *_: None,
        threading.Event(),
    )
    assert isinstance(found, Baseline), found
    assert not found.failing
    known = {
        name: trial
        for name, trial in found.trials.items()
        if found.judge.judge(trial, found.observations[name]).verdict is Verdict.KNOWN_DIVERGENCE
    }
    found.trials = known
    return found


def type_of(observation: Observation) -> str | None:
    return observation.raised and observation.raised.type


def rounding_alone(one: Observation, other: Observation) -> bool:
    """Whether two observations differ by a few units in the last place, or in words, at most."""
    return (
        type_of(one) == type_of(other)
        and one.misshapen == other.misshapen
        and one.sequences.keys() == other.sequences.keys()
        and all(
            len(mine.values) == len(its.values)
            and mine.precision == its.precision
            and np.allclose(mine.values, its.values, rtol=1e-6, atol=1e-12, equal_nan=True)
            for name, mine in one.sequences.items()
            for its in [other.sequences[name]]
        )
    )


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_no_fault_hides_behind_a_known_divergence(framework, capsys):
    modules = [module for module in MODULES if module.startswith(framework)]
    base = recorded(framework, modules)
    every: list[Fault] = []
    for module in modules:
        path = source_of(module)
        assert path is not None
        every += [f for f in faults(module, path.read_text(encoding="utf-8")) if f.function]
    random.Random(18).shuffle(every)
    counts: Counter[str] = Counter()
    unseen: list[tuple[str, str]] = []
    with Workers([planting(framework, modules)], TIME_LIMIT) as workers:
        workers.environments()
        for fault in every:
            if counts["faults that show"] == FAULTS:
                break
            shows = False
            trials: list[Trial] = base.reaching(fault)[:40]
            for trial, observation in list(workers.run(trials, message(fault))):
                was = base.observations[trial.id]
                if isinstance(observation, Observation):
                    if observation.raised and observation.raised.type == "CannotPlant":
                        break
                    if same(observation, was) and not observation.misshapen:
                        continue
                    if rounding_alone(observation, was):
                        counts["trials with other words or roundings"] += 1
                        continue
                shows = True
                counts["changed trials"] += 1
                if not base.judge.judge(trial, observation).verdict.fails:
                    unseen.append((fault.id, trial.id))
            counts["faults that show"] += shows
    with capsys.disabled():
        print(f"\n{framework}: {dict(counts)}, {len(unseen)} unseen")
    assert counts["faults that show"] == FAULTS
    assert not unseen, unseen[:5]

"""What makes a run fast changes no rate: real trials, run in both ways in one process, bit for bit.

Adapters let optimizers of a kind take turns with one compiled graph, look at what the suite's own
optimizer would move a weight by, leave out steps of an optimizer that nobody looks at, and await
MindSpore's calls. `one_by_one` asks for none of the first three, `awaited` for the last.
"""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase

import pytest
from helpers.draws import every

from harness.load import load
from harness.observation import Observation
from harness.plan import Trial, plan
from harness.project import CASES
from harness.suite import in_turn

pytestmark = [pytest.mark.frameworks, pytest.mark.xdist_group("shortcuts")]

EACH = 4
"""Trials of a kind that are tried in a quick run: enough that graphs are shared."""
AWAITED = [
    "epochs/*",
    "groups/*",
    "plateau/*resumed*",
    "warm_restarts/*resumed*",
    "steps/*",
    "polynomial/*every mode*",
]


@pytest.fixture(scope="module")
def trials(framework_workers):
    """Every trial that a run of the suite's own cases would send, in its order."""
    environments = framework_workers.environments()
    missing = [e.failure for e in environments if e.failure]
    if missing:
        pytest.skip(f"a framework is missing: {missing}")
    planned = plan(load([CASES]).cases, environments)
    return in_turn(trial for trial in planned if trial.skip is None and trial.call is not None)


def kind(trial: Trial) -> tuple[str, ...]:
    """What decides which shortcuts a trial takes."""
    framework, target = trial.implementation.framework, trial.target
    return framework, trial.implementation.kind.value, target.mode, trial.optimizer


def some(trials: list[Trial]) -> list[Trial]:
    """A few of each kind, and all that are so long that steps are left out."""
    taken: Counter[tuple[str, ...]] = Counter()
    chosen = []
    for trial in trials:
        taken[kind(trial)] += trial.applies
        if 0 < taken[kind(trial)] <= EACH or 1000 < trial.training.updates <= 10_001:
            chosen.append(trial)
    return chosen


def bits(observation):
    assert isinstance(observation, Observation)
    return (
        {name: (s.precision, s.values.tobytes()) for name, s in observation.sequences.items()},
        # Further lines tell which file of the worker's folder has more.
        observation.raised and (observation.raised.type, observation.raised.message.split("\n")[0]),
        observation.warnings,
    )


def observed(workers, trials, **more):
    return {trial.id: bits(seen) for trial, seen in workers.run(trials, more)}


def test_a_few_of_each_kind_have_the_rates_of_calls_made_one_by_one(framework_workers, trials):
    chosen = some(trials)
    fast = observed(framework_workers, chosen)
    plain = observed(framework_workers, chosen, one_by_one=True)
    assert fast == plain
    assert len({kind(trial) for trial in chosen}) >= 30
    assert sum(bool(sequences) for sequences, _, _ in fast.values()) >= 150


@pytest.mark.slow
def test_trials_of_every_case_have_the_rates_of_calls_made_one_by_one(framework_workers, trials):
    chosen = trials[:: every(5)]
    fast = observed(framework_workers, chosen)
    plain = observed(framework_workers, chosen, one_by_one=True)
    assert fast == plain


def test_awaited_calls_have_the_rates_of_calls_that_run_on(framework_workers, trials):
    chosen = [
        trial
        for trial in trials
        if trial.target.mode == "pynative"
        and trial.training.updates <= 100
        and any(fnmatchcase(trial.case.name, pattern) for pattern in AWAITED)
    ]
    seen = [
        {trial.id: seen for trial, seen in framework_workers.run(chosen, {"awaited": awaited})}
        for awaited in (True, False)
    ]
    first, second = ({name: bits(o) for name, o in each.items()} for each in seen)
    assert first == second
    apis = {trial.implementation.api.rpartition(".")[0] for trial in chosen}
    assert {"mindspore.nn", "mindspore.experimental.optim.lr_scheduler"} <= apis
    assert sum(bool(sequences) for sequences, _, _ in first.values()) >= 50
    # The setting leaves no words in what a trial prints.
    printed = [o.printed for each in seen for o in each.values()]
    assert not [text for text in printed if "pynative_synchronize" in text]

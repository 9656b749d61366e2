"""MindSpore calls that are awaited one by one give what they give a training that awaits none.

Real trials of every kind of API, run twice in one process: their rates, bit for bit.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from harness.load import load
from harness.observation import Observation
from harness.plan import plan
from harness.project import CASES
from harness.workers import EnvironmentSpec, Workers

CASES_TRIED = [
    "epochs/*",
    "groups/*",
    "plateau/*resumed*",
    "warm_restarts/*resumed*",
    "steps/*",
    "polynomial/*every mode*",
]


@pytest.fixture(scope="module")
def observed():
    """The observations of the same trials, awaited and not, by trial."""
    with Workers([EnvironmentSpec("mindspore", "mindspore")]) as workers:
        environments = workers.environments()
        if environments[0].failure:
            pytest.skip(f"no MindSpore: {environments[0].failure}")
        trials = [
            trial
            for trial in plan(load([CASES]).cases, environments)
            if trial.skip is None
            and trial.target.mode == "pynative"
            and trial.training.updates <= 100
            and any(fnmatchcase(trial.case.name, pattern) for pattern in CASES_TRIED)
        ]
        return [
            {trial.id: seen for trial, seen in workers.run(trials, {"awaited": awaited})}
            for awaited in (True, False)
        ]


def bits(observation):
    assert isinstance(observation, Observation)
    return (
        {name: (s.precision, s.values.tobytes()) for name, s in observation.sequences.items()},
        observation.raised,
        observation.warnings,
    )


def test_the_rates_are_the_same_bit_for_bit(observed):
    awaited, running_on = observed
    assert {name: bits(seen) for name, seen in awaited.items()} == {
        name: bits(seen) for name, seen in running_on.items()
    }


def test_every_kind_of_api_is_among_them(observed):
    apis = {trial_id.split("::")[1].rpartition(".")[0] for trial_id in observed[0]}
    assert {"mindspore.nn", "mindspore.experimental.optim.lr_scheduler"} <= apis
    assert sum(bool(seen.sequences) for seen in observed[0].values()) >= 50


def test_the_setting_leaves_no_words_in_what_a_trial_prints(observed):
    assert not [
        seen.printed
        for each in observed
        for seen in each.values()
        if "pynative_synchronize" in seen.printed
    ]

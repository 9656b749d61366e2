"""A reproducer runs as printed, with the framework alone, and prints what the adapter observed."""

from __future__ import annotations

import ast
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.case import CaseFile
from harness.load import load
from harness.observation import Observation
from harness.plan import Environment, plan
from harness.project import CASES
from harness.reproducer import explain_command, script
from harness.workers import Workers, default_environments

HERE = [
    Environment("torch", "torch", version="2.13.0", devices=("cpu", "cuda")),
    Environment("mindspore", "mindspore", version="2.10.0", devices=("cpu", "gpu", "ascend")),
]
TRIED = {"epochs/every-epoch", "page/ExponentialLR/verbose"}
TRIED_IN_GRAPH_MODE = {"steps/far-out"}


def trials_of(names, environments):
    cases = [case for case in load([CASES]).cases if case.name in names]
    return [trial for trial in plan(cases, environments) if trial.skip is None]


def test_every_trial_of_the_suite_has_a_reproducer_that_is_python():
    names = {case.name for case in load([CASES]).cases}
    for trial in trials_of(names, HERE):
        source = script(trial)
        ast.parse(source)
        assert "harness" not in source


def test_arguments_that_are_no_python_literals_are_written_as_python():
    api = "torch.optim.lr_scheduler.ExponentialLR"
    case = {
        "name": "x",
        "description": "x",
        "source": "by hand",
        "family": "exponential",
        "schedule": {"base_lr": 0.1, "decay_rate": 0.5, "decay_steps": 1},
        "steps": 1,
        "expected": {"values": [0.1]},
        "implementations": [api],
        "arguments": {api: {"gamma": float("nan"), "last_epoch": float("-inf")}},
    }
    (trial,) = plan(CaseFile.model_validate({"format": 1, "cases": [case]}).cases, HERE[:1])[:1]
    assert 'gamma=float("nan"), last_epoch=float("-inf")' in script(trial)


def test_the_command_that_shows_a_trial_can_be_typed_and_names_a_file_outside_the_suite(tmp_path):
    path = tmp_path / "it's here.yaml"
    path.write_text(
        "format: 1\ncases:\n  - name: a case; with blanks\n    description: d\n    source: s\n"
        "    surface: {torch.optim.lr_scheduler.StepLR: {lacks: [x]}}\n"
    )
    (trial,) = plan(load([path]).cases, HERE[:1])
    words = shlex.split(explain_command(trial))
    assert words[:4] == [
        "conform",
        "explain",
        "a case; with blanks",
        "torch.optim.lr_scheduler.StepLR",
    ]
    assert words[-2:] == ["--cases", str(path)]
    own = trials_of({"steps/single"}, HERE)[0]
    assert "--cases" not in explain_command(own)


@pytest.fixture(scope="module")
def observed():
    with Workers(default_environments()) as workers:
        environments = workers.environments()
        trials = trials_of(TRIED, environments) + [
            trial
            for trial in trials_of(TRIED_IN_GRAPH_MODE, environments)
            if trial.target.mode == "graph" and trial.implementation.kind == "cell"
        ]
        return [(t, o) for t, o in workers.run(trials) if isinstance(o, Observation)]


@pytest.mark.frameworks
def test_the_script_prints_what_was_observed(observed):
    assert len({(t.implementation.api, t.target.mode) for t, _ in observed}) == 10

    def run(trial):
        return subprocess.run(
            [sys.executable, "-c", script(trial)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    with ThreadPoolExecutor(2) as pool:
        for (trial, observation), done in zip(
            observed, pool.map(run, [trial for trial, _ in observed]), strict=True
        ):
            if observation.raised:
                assert done.stderr.strip().splitlines()[-1] == str(observation.raised)
                continue
            assert done.returncode == 0, (trial.id, done.stderr)
            rows = [[float(cell) for cell in line.split()] for line in done.stdout.splitlines()]
            steps, reported, applied = zip(*rows, strict=True)
            assert list(steps) == trial.case.observed_steps.tolist(), trial.id
            assert list(reported) == observation.sequences["reported"].values.tolist(), trial.id
            assert list(applied) == observation.sequences["applied"].values.tolist(), trial.id

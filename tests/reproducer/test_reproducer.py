"""A reproducer runs as printed, with the framework alone, and prints what the adapter observed."""

from __future__ import annotations

import ast
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers.making import schedule_case, trial as trial_of
from helpers.suite import suite

from harness.case import CaseFile
from harness.catalogue import IMPLEMENTATIONS, Named
from harness.load import load
from harness.observation import Observation
from harness.plan import plan
from harness.reproducer import explain_command, script
from harness.reproducer.source import source as code
from harness.workers import Environment

HERE = [
    Environment("torch", "torch", version="2.13.0", devices=("cpu", "cuda")),
    Environment("mindspore", "mindspore", version="2.10.0", devices=("cpu", "gpu", "ascend")),
]


def features(trial):
    """What a script has to get right: a kind of implementation, and a name and a value."""
    case, training = trial.case, trial.training
    found = {
        "mode": trial.target.mode,
        "optimizer": trial.optimizer,
        "rate": (training.lr_dtype, training.lr_shared, training.lr_parameter),
        "stepping": training.stepping,
        "told": bool(training.told),
        "step replaced": training.step_replaced,
        "resume": training.resume and training.resume.by,
        "resumed into": bool(training.resume and training.resume.into),
        "resumed twice": bool(training.resume and training.resume.twice),
        "reading": training.reading,
        "changes": bool(training.changes),
        "groups": bool(case.groups),
        "joins": any(group.added_at for group in case.groups),
        "metrics": bool(trial.call.metrics),
        "applies": trial.applies,
        "per epoch": trial.call.per_epoch and training.steps_per_epoch > 1,
        "parts": case.family in {"sequential", "chained"},
        "raises": bool(case.expected.raises),
    }
    implementation = trial.implementation
    return {(implementation.framework, implementation.kind, *pair) for pair in found.items()}


def features_of_the_framework(trial):
    """The same, where the kinds of a framework's implementations are one more feature."""
    implementation = trial.implementation
    found = {(implementation.framework, *pair) for _, _, *pair in features(trial)}
    return found | {implementation.kind}


def covering(trials, features):
    """Few trials that have every feature that any of them has."""
    short = [t for t in trials if t.call is not None and t.training.updates <= 40]
    by_id = {trial.id: features(trial) for trial in short}
    missing, chosen = set().union(*by_id.values()), []
    while missing:
        best = max(short, key=lambda trial: len(by_id[trial.id] & missing))
        missing -= by_id[best.id]
        chosen.append(best)
    return chosen


def every_trial(environments, cases=None):
    return [t for t in plan(cases or suite().cases, environments) if t.skip is None]


def assert_python(trials):
    for trial in trials:
        source = script(trial)
        ast.parse(source)
        assert "harness" not in source


def test_a_trial_of_each_kind_has_a_reproducer_that_is_python():
    trials = {frozenset(features(trial)): trial for trial in every_trial(HERE) if trial.call}
    assert len(trials) > 100
    assert_python(trials.values())


@pytest.mark.slow
def test_every_trial_of_the_suite_has_a_reproducer_that_is_python():
    assert_python(every_trial(HERE))


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
    own = every_trial(HERE, [case for case in suite().cases if case.name == "steps/single"])[0]
    assert "--cases" not in explain_command(own)


def observed(trials, workers):
    return [(t, o) for t, o in workers.run(trials) if isinstance(o, Observation)]


def assert_script_prints(trial, observation, done):
    if observation.raised:
        assert observation.raised.type in done.stderr, (trial.id, done.stderr[-500:])
        return
    assert done.returncode == 0, (trial.id, done.stderr[-500:])
    if observation.signature is not None:
        return
    rows = [
        [float(cell) for cell in line.split()]
        for line in done.stdout.splitlines()
        if line[:1].isdigit()
    ]
    names = ("reported", "applied") if trial.applies else ("reported",)
    for group in range(len(trial.case.groups) + 1):
        for offset, name in enumerate(names, start=1 + group * len(names)):
            if name == "applied" and not trial.shows_applied:
                continue
            printed = [(row[0], row[offset]) for row in rows if len(row) > offset]
            sequence = observation.sequences[f"{name} {group}" if group else name]
            steps = trial.case.steps_of(group).tolist()
            due = list(zip(steps, sequence.values.tolist(), strict=False))
            assert repr(printed) == repr([(float(s), v) for s, v in due]), (trial.id, name)


def run_scripts(pairs, tmp_path):
    def run(number):
        # As a file, which MindSpore's graph mode reads sources from.
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "script.py").write_text(script(pairs[number][0]))
        return subprocess.run(
            [sys.executable, "script.py"],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            cwd=folder,
        )

    with ThreadPoolExecutor(2) as pool:
        for (trial, observation), done in zip(pairs, pool.map(run, range(len(pairs))), strict=True):
            assert_script_prints(trial, observation, done)


HERE_ON_CPU = [
    Environment("torch", "torch", version="2.13.0", devices=("cpu",)),
    Environment("mindspore", "mindspore", version="2.10.0", devices=("cpu",)),
]


@pytest.mark.frameworks
@pytest.mark.parametrize(
    "features", [features_of_the_framework, pytest.param(features, marks=pytest.mark.slow)]
)
def test_the_script_prints_what_was_observed(features, tmp_path, framework_workers, quick_python):
    trials = covering(every_trial(HERE_ON_CPU), features)
    assert len(trials) >= 20
    run_scripts(observed(trials, framework_workers), tmp_path)


MODULES = {api.rpartition(".")[0] for api in IMPLEMENTATIONS}
RARE = "torch.optim.swa_utils"
"""What `import torch` leaves out."""


@pytest.mark.frameworks
@pytest.mark.parametrize(
    "module", [RARE, *(pytest.param(m, marks=pytest.mark.slow) for m in sorted(MODULES - {RARE}))]
)
def test_a_script_imports_what_it_needs(module, tmp_path, framework_workers):
    """In a real interpreter, which has imported nothing before."""
    trial = next(
        trial
        for trial in every_trial(HERE_ON_CPU)
        if trial.implementation.api.rpartition(".")[0] == module and trial.training.updates < 20
    )
    run_scripts(observed([trial], framework_workers), tmp_path)


@pytest.mark.slow
@pytest.mark.frameworks
def test_every_finding_is_reproduced_by_the_script_of_its_smallest_case(
    tmp_path, framework_workers, quick_python
):
    loaded = suite()
    by_case = {case.name: case for case in loaded.cases}
    trials = {}
    for record in loaded.known_divergences:
        smallest = by_case[record.cases[0]]
        for trial in plan([smallest], HERE_ON_CPU, full=True):
            version = "2.13.0" if trial.implementation.framework == "torch" else "2.10.0"
            api, target = trial.implementation.api, str(trial.target)
            if trial.skip is None and record.covers(smallest.name, api, target, version):
                trials.setdefault(record.name, trial)
    # Those of earlier versions alone have no trial here.
    assert set(trials) == {r.name for r in loaded.known_divergences if not r.is_past}
    run_scripts(observed(list(trials.values()), framework_workers), tmp_path)


@pytest.mark.parametrize("file", ["-x.yaml", "my cases/a.yaml", "a;b.yaml", "$(x).yaml", "--cases"])
def test_the_command_that_shows_a_trial_can_be_copied(file):
    case = schedule_case(name="it's $HOME; `x` *")
    case.located(file, 1)
    words = shlex.split(explain_command(trial_of(case)))
    assert words[:3] == ["conform", "explain", "it's $HOME; `x` *"]
    place = words[words.index("--cases") + 1]
    assert not place.startswith("-")
    assert Path(place) == Path(file)


@pytest.mark.parametrize("a", [float("nan"), float("inf"), -float("inf")])
def test_a_function_of_what_is_no_number_is_code_that_runs(a):
    for name in ("power", "inverse", "inverse_sqrt", "constant"):
        eval(code(Named(name, a)))
    assert len(eval(code(Named("table", 1.0, (a, a)))).__code__.co_consts) >= 1

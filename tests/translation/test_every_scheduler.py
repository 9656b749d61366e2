"""Every schedule of each framework is written for the other, and the printed code does as it says.

The code is taken out of what is printed and run as it is, by a Python that knows nothing of the
suite; its rates are held against the reference model.
"""

from __future__ import annotations

import json
import subprocess
import sys
from textwrap import dedent

import numpy as np
import pytest
from helpers.calls import MINDSPORE, TORCH

from harness.catalogue import IMPLEMENTATIONS
from harness.project import own_records
from harness.translation import Length, migrate, read, telling
from harness.translation.source import in_text

EPOCHS, EVERY = 12, 7
RUNNER = '''
import json, runpy, sys
import numpy as np

def parameter():
    if framework == "torch":
        import torch
        return torch.nn.Parameter(torch.zeros(1))
    import mindspore
    return mindspore.Parameter(mindspore.Tensor(np.zeros(1, np.float32)), name="weight")

class Network:
    def trainable_params(self):
        return [parameter()]
    parameters = trainable_params

def stepped(made, code, updates, every, metrics):
    """As the comment in the code says."""
    per_epoch, metrics, rates = "# after each epoch:" in code, iter(metrics), []
    assert per_epoch or "# after each update:" in code
    for update in range(updates):
        rates.append(float(made["scheduler"].get_last_lr()[0]))
        if not per_epoch or (update + 1) % every == 0:
            made["optimizer"].step() if framework == "torch" else None
            told = [next(metrics)] if "scheduler.step(metric)" in code else []
            made["scheduler"].step(*told)
    return rates

def looked_up(made, updates):
    import mindspore
    rates = made["learning_rate"]
    if isinstance(rates, list):
        assert len(rates) == updates
        return rates
    return [float(rates(mindspore.Tensor(step, mindspore.int32))) for step in range(updates)]

framework = sys.argv[1]
for job in json.load(sys.stdin):
    made = runpy.run_path(job["file"], init_globals={"network": Network()})
    code = open(job["file"]).read()
    if "scheduler" in made:
        rates = stepped(made, code, job["updates"], job["every"], job["metrics"])
    elif "learning_rate" in made:
        rates = looked_up(made, job["updates"])
    else:
        assert "callback" in made
        rates = None
    print("RATES", json.dumps([job["number"], rates]))
'''


def printed_codes(text: str) -> list[str]:
    """The code blocks between the heads of the forms and what was verified of them."""
    codes, lines, inside = [], [], False
    for line in text.splitlines():
        if line[:1].isdigit() and ". " in line[:4]:
            inside, lines = True, []
        elif inside and (line.startswith("    ") or not line):
            lines.append(line)
        elif inside:
            codes.append(dedent("\n".join(lines)))
            inside = False
    return codes


def _printed(migration) -> list[str]:
    return printed_codes("\n".join(telling.lines(migration)))


def _migrated(call: str, framework: str, run: bool = True):
    length = Length(EPOCHS * EVERY, EVERY, per_step=False)
    return migrate(read(in_text(call, {}, framework), length, 0.1), own_records(), run=run)


def test_the_calls_are_of_every_scheduler_of_torch():
    apis = {in_text(call, {}).api for call in TORCH}
    assert apis == {api for api in IMPLEMENTATIONS if api.startswith("torch.")}


def test_the_calls_are_of_every_schedule_of_mindspore_that_is_no_code_of_the_user():
    apis = {in_text(call, {}, "mindspore").api for call in MINDSPORE}
    assert {api for api in IMPLEMENTATIONS if api.startswith("mindspore.")} - apis == {
        "mindspore.nn.learning_rate_schedule.LearningRateSchedule",
        "mindspore.train.LearningRateScheduler",
    }


ALWAYS = ("LambdaLR", "StepLR", "SequentialLR", "ReduceLROnPlateau")
"""Together they have a form of each kind; what is printed for the others is run below."""


@pytest.mark.frameworks
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(call, marks=[] if call.startswith(ALWAYS) else [pytest.mark.slow])
        for call in TORCH
    ],
)
def test_a_torch_scheduler_has_a_form_in_mindspore_that_conforms_over_the_whole_length(
    call, quick_python
):
    migration = _migrated(call, "torch")
    assert migration.proven
    assert migration.own.conforms
    for way in migration.ways:
        assert way.conforms, (way.form.title, way.verified.judgement.reasons)
        assert {c.name for c in way.verified.judgement.comparisons} == {"reported", "applied"}
        for comparison in way.verified.judgement.comparisons:
            assert len(comparison.observed) == EPOCHS * EVERY
    assert _printed(migration) == _printed(_migrated(call, "torch", run=False))


def test_reduce_on_plateau_is_said_to_have_no_list_and_no_cell():
    migration = _migrated("ReduceLROnPlateau(patience=2)", "torch", run=False)
    text = "\n".join(telling.lines(migration))
    assert "no list and no Cell can" in text and "made up" in text
    assert [way.form.kind for way in migration.ways] == ["scheduler"]


@pytest.mark.frameworks
@pytest.mark.parametrize(
    ("calls", "origin", "framework"),
    [(TORCH, "torch", "mindspore"), (MINDSPORE, "mindspore", "torch")],
    ids=["to mindspore", "to torch"],
)
def test_the_printed_code_runs_as_it_is_and_follows_the_schedule(
    calls, origin, framework, tmp_path
):
    jobs, dues = [], []
    for call in calls:
        migration = _migrated(call, origin, run=False)
        original = migration.original
        codes = _printed(migration)
        assert len(codes) == len(migration.ways) > 0, call
        steps = np.arange(original.training.updates)
        due = original.schedule.rates(steps, original.training.steps_per_epoch)
        for code, way in zip(codes, migration.ways, strict=True):
            file = tmp_path / f"printed_{len(jobs)}.py"
            file.write_text(code, encoding="utf-8")
            jobs.append(
                {
                    "number": len(jobs),
                    "file": str(file),
                    "updates": len(steps),
                    "every": original.training.steps_per_epoch,
                    "metrics": getattr(original.schedule, "metrics", []),
                }
            )
            dues.append((call, way, due))
    runner = tmp_path / "runner.py"
    runner.write_text(RUNNER, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(runner), framework],  # a real one, which has imported nothing
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = dict(
        json.loads(line.removeprefix("RATES "))
        for line in done.stdout.splitlines()
        if line.startswith("RATES ")
    )
    assert len(seen) == len(jobs)
    for number, (call, way, due) in enumerate(dues):
        if seen[number] is None:
            assert way.form.kind == "callback"
            continue
        exact = way.form.implementation.precision == "float64"
        allowed = (1e-13 if exact else 2e-6) * due.max()
        assert np.abs(np.array(seen[number]) - due).max() <= allowed, (call, way.form.title)


@pytest.mark.frameworks
@pytest.mark.parametrize(
    "call",
    [
        "nn.ExponentialDecayLR(0.1, 0.9, 14, is_stair=True)",
        "nn.piecewise_constant_lr([14, 35, 84], [0.1, 0.02, 0.03])",
        pytest.param("nn.WarmUpLR(0.1, 20)", marks=pytest.mark.slow),
        pytest.param(
            "mindspore.experimental.optim.lr_scheduler.CosineAnnealingLR(T_max=12, eta_min=0.001)",
            marks=pytest.mark.slow,
        ),
        "train.ReduceLROnPlateau(patience=3)",
    ],
)
def test_a_schedule_of_mindspore_has_a_form_in_torch_that_conforms(call, quick_python):
    migration = _migrated(call, "mindspore")
    assert migration.proven
    assert all(way.conforms for way in migration.ways)


def test_decay_in_stairs_of_whole_epochs_is_stepped_once_an_epoch_in_torch():
    call = "nn.ExponentialDecayLR(0.1, 0.9, 14, is_stair=True)"
    first = _migrated(call, "mindspore", run=False).ways[0]
    assert "# after each epoch: scheduler.step()" in first.form.code
    assert "StepLR(optimizer, step_size=2, gamma=0.9)" in first.form.code


def test_rates_with_one_factor_between_them_are_a_multi_step_schedule_in_torch():
    call = "nn.piecewise_constant_lr([14, 35, 84], [0.1, 0.01, 0.001])"
    first = _migrated(call, "mindspore", run=False).ways[0]
    assert "MultiStepLR(optimizer, milestones=[2, 5], gamma=0.1)" in first.form.code


@pytest.mark.frameworks
def test_where_torch_strays_from_its_definition_nothing_is_said_to_be_proven(quick_python):
    call = "SequentialLR([ExponentialLR(0.9), MultiplicativeLR(lambda t: 0.5)], milestones=[2])"
    migration = _migrated(call, "torch")
    assert migration.strays and not migration.proven
    assert "not as its own definition" in "\n".join(telling.lines(migration))


@pytest.mark.frameworks
def test_where_torch_strays_the_form_that_strays_alike_is_named(quick_python):
    migration = _migrated("ConstantLR(total_iters=0)", "torch")
    assert migration.strays
    assert migration.recommended.form.title == (
        "mindspore.experimental.optim.lr_scheduler.ConstantLR"
    )


@pytest.mark.frameworks
def test_a_form_that_fails_is_not_recommended_and_the_finding_is_told(quick_python):
    call = "SequentialLR([ConstantLR(0.5, 2), MultiStepLR([2, 4])], milestones=[3])"
    migration = _migrated(call, "torch")
    lost = next(way for way in migration.ways if way.form.kind == "scheduler")
    assert not lost.conforms
    assert any("AttributeError at the milestone before a MultiStepLR" in c for c in lost.caveats)
    assert migration.proven and migration.recommended is not lost

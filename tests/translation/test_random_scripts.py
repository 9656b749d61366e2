"""Where a script is said to do nothing else, it does nothing else: random scripts are run."""

from __future__ import annotations

import pytest
from helpers.random_scripts import BASE, CALL, GAMMA, drawn, run

from harness.errors import Untranslatable
from harness.translation.course import UPDATE, Course
from harness.translation.reading import Length, read
from harness.translation.source import in_file

LENGTH = Length(24, 1, per_step=False, is_said=True)


def claimed(path, text):
    """What is said of the script, if nothing but the pace is: after what it is stepped."""
    path.write_text(text, encoding="utf-8")
    written = [each for each in in_file(path, None, {}) if each.text == CALL]
    try:
        said = read(written[0], LENGTH, None).differences
    except Untranslatable:
        return None
    if any("updates, not" not in each for each in said):
        return None
    assert written[0].course.unit
    return written[0].course


def contradicted(log, course):
    """What a run shows that the claim does not allow; empty where there is nothing."""
    for schedule in [one for kind, one, _ in log if kind == "made" and one.gamma == GAMMA]:
        steps = updates = since = 0
        for kind, one, rate in log:
            if kind == "update" and one is schedule.optimizer:
                if rate != BASE * GAMMA**steps:
                    return f"update {updates} at {rate} after {steps} steps"
                if course.unit == UPDATE and steps != updates:
                    return f"update {updates} after {steps} steps"
                if course.passes and steps != updates // course.passes:
                    return f"update {updates} in epoch {steps} of {course.passes} updates"
                updates, since = updates + 1, since + 1
            elif kind == "step" and one is schedule:
                if not since:
                    return f"step {steps} follows no update"
                steps, since = steps + 1, 0
    return ""


def check(path, seeds):
    faithful = 0
    for seed in seeds:
        text = drawn(seed)
        course = claimed(path, text)
        if course is not None:
            faithful += 1
            for again in range(3):
                wrong = contradicted(run(text, again), course)
                assert not wrong, f"seed {seed}: {wrong}\n{text}"
    return faithful


def test_what_is_said_of_random_scripts_is_so(tmp_path):
    assert check(tmp_path / "train.py", range(1000)) > 20


@pytest.mark.slow
def test_what_is_said_of_many_random_scripts_is_so(tmp_path):
    assert check(tmp_path / "train.py", range(1000, 30_000)) > 600


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("optimizer.step()\noptimizer.step()\nscheduler.step()\n", "update 1 after 0 steps"),
        ("scheduler.step()\noptimizer.step()\n", "step 0 follows no update"),
        ("optimizer.step()\nscheduler.step()\nscheduler.step()\n", "step 1 follows no update"),
        ("optimizer.step()\nscheduler.step()\noptimizer.param_groups[0]['lr'] = 1.0\n"
         "optimizer.step()\n", "update 1 at 1.0"),
    ],
)  # fmt: skip
def test_a_claim_that_is_false_is_seen(text, wrong):
    made = drawn(0).partition("class Trainer")[0]
    start = "optimizer = SGD([], lr=0.25)\nscheduler = StepLR(optimizer, 1, 0.5)\n"
    assert wrong in contradicted(run(made + start + text, 0), Course((), UPDATE))

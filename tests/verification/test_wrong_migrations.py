"""Twelve migrations that went wrong, on the real frameworks: each is caught, and named.

`TORCH_PYTHON` and `MINDSPORE_PYTHON` in the environment name interpreters with other versions.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.case import Tolerance
from harness.traces.comparing import PairVerdict
from harness.traces.diagnosis import PairCause
from harness.verification import Training, side, verify

pytestmark = [pytest.mark.frameworks, pytest.mark.usefixtures("quick_python")]

FOLDER = Path(__file__).parent / "wrong"
CAUSES = {
    "unit": PairCause.UNIT,
    "after_warmup": PairCause.WARM_UP,
    "decay_steps": PairCause.TIMES,
    "staircase": PairCause.STAIRCASE,
    "base_rate": PairCause.FACTOR,
    "warmup_twice": PairCause.WARM_UP,
    "milestones": PairCause.TIMES,
    "frozen": PairCause.FROZEN,
    "precision": PairCause.PRECISION,
    "groups": PairCause.GROUP,
    "resume": PairCause.RESUMED,
    "too_short": PairCause.LENGTH,
}


def most_are_slow(*others: str) -> list:
    """The names, slow but for a few that run each part of a driver; causes are found elsewhere."""
    slow = pytest.mark.slow
    return [pytest.param(name, marks=[] if name in others else [slow]) for name in CAUSES]


def compared(name: str, function: str):
    """The PyTorch script of a folder and a function of the MindSpore script beside it."""
    one = side("torch", str(FOLDER / name / "train_torch.py"), os.environ.get("TORCH_PYTHON"))
    moved = f"{FOLDER / name / 'train_mindspore.py'}:{function}"
    other = side("mindspore", moved, os.environ.get("MINDSPORE_PYTHON"))
    steps, tolerance = 200, None
    if name == "precision":
        # Both are as good as their precision can be: only who asks for more sees them differ.
        steps, tolerance = 1500, Tolerance(rtol=1e-5, reason="asked for")
    training = Training(steps, 20, (100,) if name == "resume" else ())
    return verify((one, other), training, tolerance=tolerance).comparison


@pytest.mark.parametrize(
    "name", most_are_slow("unit", "frozen", "precision", "groups", "resume", "too_short")
)
def test_a_wrong_migration_is_caught_and_named(name):
    comparison = compared(name, "build")
    assert comparison.verdict is not PairVerdict.AGREE
    assert comparison.diagnosis is not None
    assert comparison.diagnosis.cause is CAUSES[name], comparison.diagnosis.sentence


@pytest.mark.parametrize("name", most_are_slow("after_warmup", "groups", "resume"))
def test_the_corrected_migration_agrees(name):
    assert compared(name, "corrected").verdict is PairVerdict.AGREE


def test_every_folder_is_tested():
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == set(CAUSES)

"""The best that a precision can do, held against plain powers of what it holds."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from helpers.making import CELL, TORCH_EXPONENTIAL, schedule_case, trial
from mpmath import mpf

from harness.budget.held import Held, best
from harness.catalogue import Precision

STEPS = np.array([1, 3, 30, 300])


def best_of(api: str) -> list[float]:
    """The best rates of a halving every three steps."""
    schedule = {"base_lr": 0.5, "decay_rate": 0.5, "decay_steps": 3}
    case = schedule_case(schedule=schedule, steps=301, expected={"values": {0: 0.5}})
    made = trial(case, api)
    assert made.call is not None
    return best(case.schedule, made.call, made.training, STEPS, made.implementation).tolist()


def test_where_a_root_is_passed_its_powers_are_the_best():
    gamma = 0.5 ** (1 / 3)
    with mpmath.workdps(50):
        due = [float(mpf(0.5) * mpf(gamma) ** int(step)) for step in STEPS]
    assert due != [0.5 * 0.5 ** (step / 3) for step in STEPS.tolist()]
    assert best_of(TORCH_EXPONENTIAL) == due


def test_where_the_formula_s_own_parameters_are_passed_it_is_the_best():
    with mpmath.workdps(50):
        due = [float(mpf(0.5) ** (1 + mpf(int(step)) / 3)) for step in STEPS]
    assert best_of(CELL) == due


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.FLOAT64])
def test_the_best_root_is_the_nearest_float(precision):
    nearest = float(np.dtype(precision).type(2.154434690031884))
    assert float(Held(precision).root(10.0, 3).hi) == nearest

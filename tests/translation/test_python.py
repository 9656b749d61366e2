"""The rates written out in plain Python are those of the reference model."""

from __future__ import annotations

import numpy as np
import pytest

from harness.budget import unit_roundoff
from harness.catalogue import Precision
from harness.reference import FAMILIES, Plateau
from harness.translation import python
from harness.translation.tabulated import Tabulated

COUNTS = 60
SCHEDULES = {
    "chained": [
        {"parts": [{"constant": {"factor": 0.5, "total_iters": 4}}, {"linear": {
            "start_factor": 0.5, "end_factor": 0.1, "total_iters": 9}}]},
    ],
    "constant": [{"factor": 0.3, "total_iters": 7}],
    "cosine": [
        {"eta_min": 0.01, "T_max": 13},
        {"T_max": 13, "periodic": True},
    ],
    "cyclic": [
        {"max_lr": 1.0, "step_size_up": 5},
        {"max_lr": 1.0, "step_size_up": 5, "step_size_down": 3, "policy": "triangular2"},
        {"max_lr": 1.0, "step_size_up": 3, "policy": "exp_range", "gamma": 0.9},
    ],
    "exponential": [
        {"decay_rate": 0.9, "decay_steps": 1},
        {"decay_rate": 0.9, "decay_steps": 7},
        {"decay_rate": 0.9, "decay_steps": 7, "staircase": True},
        {"decay_rate": -0.9, "decay_steps": 1},
    ],
    "inverse_time": [
        {"decay_rate": 0.5},
        {"decay_rate": 0.5, "decay_every": 4},
        {"decay_rate": 0.5, "decay_every": 4, "staircase": True},
    ],
    "lambda": [
        {"function": {"name": "power", "a": 0.9}},
        {"function": {"name": "inverse", "a": 0.1}},
        {"function": {"name": "inverse_sqrt", "a": 0.1}},
        {"function": {"name": "constant", "a": 0.5}},
        {"function": {"name": "table", "values": [1.0, 0.5, 0.25]}},
    ],
    "linear": [
        {"start_factor": 0.0, "end_factor": 1.0, "total_iters": 9},
        {"start_factor": 0.9, "end_factor": 0.1, "total_iters": 9},
    ],
    "multiplicative": [
        {"function": {"name": "constant", "a": 0.9}},
        {"function": {"name": "table", "values": [9.0, 0.5, 1.5, 1.0]}},
    ],
    "multistep": [{"gamma": 0.1, "milestones": [9, 3, 3]}, {"gamma": -0.5, "milestones": [4]}],
    "natural_exponential": [
        {"decay_rate": 0.5, "decay_every": 4},
        {"decay_rate": 0.5, "decay_every": 4, "staircase": True},
    ],
    "one_cycle": [
        {"base_lr": 0.04, "max_lr": 1.0, "total_steps": 60},
        {"base_lr": 0.04, "max_lr": 1.0, "total_steps": 60, "anneal": "linear"},
        {"base_lr": 0.04, "max_lr": 1.0, "total_steps": 60, "three_phase": True},
    ],
    "piecewise": [{"milestones": [4, 9], "rates_after": [0.05, 0.5]}],
    "polynomial": [
        {"total_iters": 9, "power": 0.5},
        {"total_iters": 9, "power": 2.0, "end_lr": 0.01},
        {"total_iters": 9, "power": 2.0, "end_lr": 0.01, "cycle": True},
    ],
    "sequential": [
        {
            "milestones": [5, 30],
            "parts": [
                {"linear": {"start_factor": 0.1, "end_factor": 1.0, "total_iters": 5}},
                {"sequential": {"milestones": [9], "parts": [
                    {"exponential": {"decay_rate": 0.9, "decay_steps": 1}},
                    {"multiplicative": {"function": {"name": "constant", "a": 0.9}}}]}},
                {"warm_restarts": {"T_0": 4}},
            ],
        }
    ],
    "swa": [
        {"swa_lr": 0.5, "anneal_epochs": 9},
        {"swa_lr": 0.5, "anneal_epochs": 9, "anneal": "linear"},
        {"swa_lr": 0.5, "anneal_epochs": 0},
    ],
    "warm_restarts": [{"T_0": 4, "eta_min": 0.01}, {"T_0": 4, "T_mult": 3}],
}  # fmt: skip


def rates(schedule):
    namespace: dict = {}
    code = python.definition(schedule, COUNTS)
    exec(f"{python.imports(code)}\n{code}", namespace)
    return np.array([namespace["rate"](t) for t in range(COUNTS)])


def test_every_family_but_the_one_that_metrics_drive_is_written_out():
    assert set(SCHEDULES) == set(FAMILIES) - {"plateau"}
    with pytest.raises(LookupError):
        python.definition(Plateau(base_lr=0.1, metrics=[1.0]), COUNTS)


@pytest.mark.parametrize(
    ("family", "given"), [(family, g) for family, each in SCHEDULES.items() for g in each]
)
def test_plain_python_gives_the_rates_of_the_reference_model(family, given):
    schedule = FAMILIES[family].model_validate({"base_lr": 0.1, **given})
    exact = schedule.rates(np.arange(COUNTS), 1)
    room = 64 * unit_roundoff(Precision.FLOAT64) * np.abs(exact).max()
    assert np.abs(rates(schedule) - exact).max() <= room


@pytest.mark.parametrize("multiplied", [False, True])
def test_a_function_of_the_user_gives_the_rates_of_its_factors(multiplied):
    schedule = Tabulated(
        base_lr=0.1,
        factors=tuple(1 - t / 100 for t in range(COUNTS)),
        multiplied=multiplied,
        source="def factor(t):\n    return 1 - t / 100",
    )
    exact = schedule.rates(np.arange(COUNTS), 1)
    assert np.allclose(rates(schedule), exact, rtol=1e-14)
    by_hand = np.array([1 - t / 100 for t in range(COUNTS)])
    assert np.allclose(exact, 0.1 * (np.cumprod(by_hand) if multiplied else by_hand), rtol=1e-14)

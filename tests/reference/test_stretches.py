"""A long schedule is worked out in stretches, and has the rates of each count by itself."""

from __future__ import annotations

import numpy as np
import pytest

from harness.reference import FAMILIES

LONG = [
    ("constant", {"factor": 0.5, "total_iters": 9000}),
    ("linear", {"start_factor": 0.1, "end_factor": 1.0, "total_iters": 19000}),
    ("cosine", {"eta_min": 1e-4, "T_max": 7000, "periodic": True}),
    ("cyclic", {"max_lr": 0.7, "step_size_up": 3000, "policy": "exp_range", "gamma": 0.9999}),
    ("exponential", {"decay_rate": 0.9999, "decay_steps": 1}),
    ("exponential", {"decay_rate": 0.9, "decay_steps": 100, "staircase": True}),
    ("inverse_time", {"decay_rate": 0.001}),
    ("natural_exponential", {"decay_rate": 1e-4}),
    ("multistep", {"gamma": 0.1, "milestones": [5000, 17000]}),
    ("polynomial", {"end_lr": 1e-4, "total_iters": 6000, "power": 0.9, "cycle": True}),
    ("swa", {"swa_lr": 0.05, "anneal_epochs": 15000}),
    ("warm_restarts", {"eta_min": 1e-4, "T_0": 3000, "T_mult": 2}),
]


@pytest.mark.parametrize(("family", "schedule"), LONG)
def test_a_stretch_has_the_rates_of_each_count_by_itself(family, schedule):
    made = FAMILIES[family].model_validate({"base_lr": 0.1, **schedule})
    steps = np.arange(40_000)
    some = steps[::37]
    together, alone = made.exact(steps, 1, {})[some], made.exact(some, 1, {})
    assert together.hi.tolist() == alone.hi.tolist()
    assert (np.abs(together.lo - alone.lo) <= 1e-13 * np.spacing(np.abs(alone.hi))).all()

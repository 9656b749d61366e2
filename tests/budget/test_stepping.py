"""Told the epoch, a scheduler evaluates its closed form; one that has none goes on as ever."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.making import schedule_case, trial

from harness.comparison import due


def budget_of(family, schedule, api, stepping):
    case = schedule_case(
        family=family,
        schedule=schedule,
        steps=9,
        stepping=stepping,
        expected={"values": {0: schedule["base_lr"]}},
    )
    return due(trial(case, api), case, 0).error


@pytest.mark.parametrize(
    ("family", "schedule", "api"),
    [
        (
            "swa",
            {"base_lr": 0.1, "swa_lr": 0.0, "anneal_epochs": 12, "anneal": "linear"},
            "torch.optim.swa_utils.SWALR",
        ),
        (
            "multiplicative",
            {"base_lr": 0.1, "function": {"name": "power", "a": 0.9}},
            "torch.optim.lr_scheduler.MultiplicativeLR",
        ),
    ],
)
def test_without_a_closed_form_the_roundings_of_every_update_are_let_pass(family, schedule, api):
    plain = budget_of(family, schedule, api, "plain")
    assert np.array_equal(budget_of(family, schedule, api, "epoch"), plain)


def test_a_closed_form_is_given_no_room_for_the_updates_before():
    schedule = {"base_lr": 0.1, "decay_rate": 0.9, "decay_steps": 1}
    api = "torch.optim.lr_scheduler.ExponentialLR"
    plain = budget_of("exponential", schedule, api, "plain")
    assert budget_of("exponential", schedule, api, "epoch")[-1] < plain[-1]

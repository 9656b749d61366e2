"""Every implementation has cases in every dimension that it has, or the reason why not."""

from __future__ import annotations

import pytest
from helpers.making import case_file, schedule_case
from helpers.suite import suite

from harness.case import DIMENSIONS
from harness.catalogue import IMPLEMENTATIONS, mappings
from harness.coverage import coverage

TORCH = """LambdaLR MultiplicativeLR StepLR MultiStepLR ConstantLR LinearLR ExponentialLR
PolynomialLR CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR OneCycleLR SequentialLR
ChainedScheduler ReduceLROnPlateau"""
LISTS = """piecewise_constant_lr exponential_decay_lr natural_exp_decay_lr inverse_decay_lr
cosine_decay_lr polynomial_decay_lr warmup_lr"""
CELLS = """ExponentialDecayLR NaturalExpDecayLR InverseDecayLR CosineDecayLR PolynomialDecayLR
WarmUpLR learning_rate_schedule.LearningRateSchedule"""
EXPERIMENTAL = """LambdaLR MultiplicativeLR StepLR MultiStepLR ConstantLR LinearLR ExponentialLR
PolynomialLR CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR SequentialLR
ReduceLROnPlateau"""
OFFERED = {
    *(f"torch.optim.lr_scheduler.{name}" for name in TORCH.split()),
    "torch.optim.swa_utils.SWALR",
    *(f"mindspore.nn.{name}" for name in (LISTS + " " + CELLS).split()),
    *(f"mindspore.experimental.optim.lr_scheduler.{name}" for name in EXPERIMENTAL.split()),
    "mindspore.train.LearningRateScheduler",
    "mindspore.train.ReduceLROnPlateau",
}


@pytest.fixture(scope="module")
def rows():
    return coverage(suite().cases)


def test_the_catalogue_has_every_schedule_that_the_frameworks_offer():
    assert set(IMPLEMENTATIONS) == OFFERED


def test_every_implementation_expresses_a_family():
    assert {row.api for row in mappings()} == OFFERED


def test_every_empty_cell_has_its_reason(rows):
    missing = [
        f"{row.implementation.api}: {dimension}"
        for row in rows
        for dimension, cell in row.cells.items()
        if not cell.cases and not cell.reason
    ]
    assert not missing


def test_no_implementation_is_without_cases_of_its_values(rows):
    for row in rows:
        assert row.cells["values"].cases or row.cells["composition"].cases, row.implementation.api


def test_a_case_counts_for_what_it_is_there_to_test_and_for_what_happens_in_it():
    case = schedule_case(dimension="end", changes={2: 0.5})
    cells = {row.implementation.api: row.cells for row in coverage([case])}
    stepped = cells["torch.optim.lr_scheduler.ExponentialLR"]
    assert [name for name in DIMENSIONS if stepped[name].cases] == ["end", "changes"]
    looked_up = cells["mindspore.nn.ExponentialDecayLR"]
    assert not any(cell.cases for cell in looked_up.values())  # nobody can set its rate


def test_the_parts_of_a_composition_are_tested_in_it():
    (case,) = case_file(
        {
            "name": "x",
            "description": "x",
            "source": "by hand",
            "family": "sequential",
            "schedule": {
                "base_lr": 1.0,
                "milestones": [2],
                "parts": [
                    {"constant": {"factor": 0.5, "total_iters": 2}},
                    {"exponential": {"decay_rate": 0.5, "decay_steps": 1}},
                ],
            },
            "steps": 4,
            "expected": {"values": [0.5, 0.5, 1.0, 0.5]},
            "implementations": ["torch.optim.lr_scheduler.SequentialLR"],
        }
    ).cases
    tested = {row.implementation.api for row in coverage([case]) if row.cells["composition"].cases}
    names = ("SequentialLR", "ConstantLR", "ExponentialLR")
    assert tested == {f"torch.optim.lr_scheduler.{name}" for name in names}

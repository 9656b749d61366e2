"""The table of docs/tolerance.md: its condition numbers and its bounds, held against the code."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.budget import COS_ULP, POW_ULP, POW_ULP_FLOAT32, computed, unit_roundoff
from harness.catalogue import IMPLEMENTATIONS, Precision, Training, express
from harness.reference import FAMILIES

TORCH, NN = "torch.optim.lr_scheduler", "mindspore.nn"
ROWS: dict[tuple[str, str], tuple[str, str, str, dict[str, Any], dict[str, float]]] = {
    # In each row: the API, the family, its other parameter, the schedule, and what stands for what.
    ("piecewise", "closed"): (
        f"{NN}.piecewise_constant_lr",
        "piecewise",
        "",
        {"base_lr": 0.1, "milestones": [2], "rates_after": [0.3]},
        {"t": 3},
    ),
    ("exponential", "closed"): (
        f"{NN}.ExponentialDecayLR",
        "exponential",
        "decay_rate",
        {"base_lr": 0.5, "decay_rate": 0.25, "decay_steps": 3},
        {"t": 10, "T": 3, "a": 0.25},
    ),
    ("exponential", "recursive"): (
        f"{TORCH}.ExponentialLR",
        "exponential",
        "decay_rate",
        {"base_lr": 0.5, "decay_rate": 0.75, "decay_steps": 1},
        {"t": 40},
    ),
    ("multistep", "recursive"): (
        f"{TORCH}.MultiStepLR",
        "multistep",
        "gamma",
        {"base_lr": 0.5, "gamma": 0.25, "milestones": [2, 3, 9]},
        {"t": 5, "k": 2},
    ),
    ("linear, as a warm-up", "closed"): (
        f"{NN}.WarmUpLR",
        "linear",
        "",
        {"base_lr": 0.5, "start_factor": 0.0, "end_factor": 1.0, "total_iters": 7},
        {"t": 3},
    ),
    ("inverse_time", "closed"): (
        f"{NN}.InverseDecayLR",
        "inverse_time",
        "decay_rate",
        {"base_lr": 0.5, "decay_rate": 0.5},
        {"t": 7, "a": 0.5},
    ),
    ("natural_exponential", "closed"): (
        f"{NN}.NaturalExpDecayLR",
        "natural_exponential",
        "decay_rate",
        {"base_lr": 0.5, "decay_rate": 0.5},
        {"t": 4, "a": 0.5},
    ),
    ("polynomial", "closed"): (
        f"{NN}.PolynomialDecayLR",
        "polynomial",
        "power",
        {"base_lr": 0.5, "total_iters": 7, "power": 2.0},
        {"t": 2, "T": 7, "a": 2.0},
    ),
    ("cosine", "closed"): (
        f"{NN}.cosine_decay_lr",
        "cosine",
        "",
        {"base_lr": 0.5, "T_max": 9},
        {"t": 2, "s": math.pi * 2 / 9},
    ),
    ("lambda, a power", "closed"): (
        f"{TORCH}.LambdaLR",
        "lambda",
        "function.a",
        {"base_lr": 0.5, "function": {"name": "power", "a": 0.5}},
        {"t": 9},
    ),
    ("multiplicative", "recursive"): (
        f"{TORCH}.MultiplicativeLR",
        "multiplicative",
        "function.a",
        {"base_lr": 0.5, "function": {"name": "constant", "a": 0.5}},
        {"t": 9},
    ),
}
HEAD = "| family | form | formula or recursion |"


def table() -> dict[tuple[str, str], tuple[str, str]]:
    """The last two columns, by the first two."""
    path = Path(__file__).parents[2] / "docs" / "tolerance.md"
    lines = path.read_text(encoding="utf-8").partition(HEAD)[2].splitlines()[2:]
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            break
        family, form, _, condition, roundings = (cell.strip() for cell in line.split("|")[1:-1])
        rows[family, form] = condition.strip("`"), roundings.strip("`")
    return rows


def value(expression: str, precision: Precision, names: dict[str, float]) -> float:
    w = POW_ULP_FLOAT32 if precision is Precision.FLOAT32 else POW_ULP
    d = abs(float(np.dtype(precision).type(math.e)) - math.e) / math.e / unit_roundoff(precision)
    known = {**vars(math), "abs": abs, "w": w, "v": COS_ULP, "d": d, **names}
    return float(eval(expression, {"__builtins__": {}}, known))


def test_every_row_of_the_table_is_tested():
    assert set(table()) == set(ROWS)


@pytest.mark.parametrize("row", ROWS, ids="-".join)
def test_the_bound_of_the_table_is_that_of_the_code(row):
    api, family, _, made, names = ROWS[row]
    schedule, implementation = FAMILIES[family].model_validate(made), IMPLEMENTATIONS[api]
    assert implementation.form.value == row[1]
    training, steps = Training(int(names["t"]) + 1, 1), np.array([int(names["t"])])
    rates = schedule.rates(steps, 1)
    call = express(implementation, family, schedule, training)
    allowed = computed(schedule, call, training, steps, rates, implementation)
    u = unit_roundoff(implementation.precision)
    due = value(table()[row][1], implementation.precision, names)
    assert (allowed / np.abs(rates)).item() / u == pytest.approx(due, rel=1e-4)


@pytest.mark.parametrize("row", [row for row in ROWS if ROWS[row][2]], ids="-".join)
def test_the_condition_number_of_the_table_is_the_derivative_of_the_reference(row):
    api, family, parameter, made, names = ROWS[row]
    steps, change = np.array([int(names["t"])]), 1e-6

    def rate(factor: float) -> float:
        if parameter == "function.a":
            function = {**made["function"], "a": made["function"]["a"] * factor}
            moved = {**made, "function": function}
        else:
            moved = {**made, parameter: made[parameter] * factor}
        return float(FAMILIES[family].model_validate(moved).rates(steps, 1).item())

    slope = (rate(1 + change) - rate(1 - change)) / (2 * change * rate(1.0))
    due = value(table()[row][0], IMPLEMENTATIONS[api].precision, names)
    assert abs(slope) == pytest.approx(due, rel=1e-5)

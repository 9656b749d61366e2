"""The call that each mapping makes, written by hand for a schedule or two; and why it makes none.

The numbers are small: halves and quarters, a training of 9 updates, in epochs of 3 where it counts
them.
"""

from __future__ import annotations

from typing import Any

import pytest

from harness.catalogue import (
    IMPLEMENTATIONS,
    Call,
    Made,
    Named,
    Training,
    Unsupported,
    express,
    mappings,
)
from harness.reference import FAMILIES

TORCH, NN = "torch.optim.lr_scheduler", "mindspore.nn"
EXPERIMENTAL, TRAIN = "mindspore.experimental.optim.lr_scheduler", "mindspore.train"
JOINED = "mindspore.nn.learning_rate_schedule.LearningRateSchedule"
BOTH = (TORCH, EXPERIMENTAL)


def expressed(family: str, api: str, schedule: dict[str, Any], **training: Any) -> Any:
    made = FAMILIES[family].model_validate({"base_lr": 0.5, **schedule})
    need = Training(**{"updates": 9, "steps_per_epoch": 3 if made.per_epoch else 1, **training})
    return express(IMPLEMENTATIONS[api], family, made, need)


EPOCHS = {"counted_in": "epochs"}
WAVE = {"eta_min": 0.25, "T_max": 8}
DECAY = {"decay_rate": 0.5, "decay_every": 4}
PLATEAU = {
    "metrics": [1.0] * 9,
    "mode": "max",
    "factor": 0.25,
    "patience": 2,
    "threshold": 0.125,
    "threshold_mode": "abs",
    "cooldown": 3,
    "min_lr": 0.0625,
    "eps": 0.0,
}
CYCLE = {"max_lr": 2.0, "step_size_up": 2, "step_size_down": 4}
ONE = {"max_lr": 2.0, "div_factor": 4.0, "final_div_factor": 8.0, "total_steps": 9}
HALF = {"exponential": {"decay_rate": 0.5, "decay_steps": 1}}

SCHEDULERS = [
    ("constant", "ConstantLR", {"factor": 0.25, "total_iters": 2}, None),
    ("linear", "LinearLR", {"start_factor": 0.25, "end_factor": 0.75, "total_iters": 4}, None),
    ("multistep", "MultiStepLR", {"milestones": [4, 2, 2], "gamma": 0.5}, None),
    ("polynomial", "PolynomialLR", {"total_iters": 4, "power": 2.0}, None),
    ("cosine", "CosineAnnealingLR", WAVE, None),
    (
        "warm_restarts",
        "CosineAnnealingWarmRestarts",
        {"T_0": 2, "T_mult": 3, "eta_min": 0.125},
        None,
    ),
    (
        "lambda",
        "LambdaLR",
        {"function": {"name": "table", "values": [1.0, 0.5]}},
        {"lr_lambda": Named("table", 1.0, (1.0, 0.5))},
    ),
    (
        "multiplicative",
        "MultiplicativeLR",
        {"function": {"name": "constant", "a": 0.5}},
        {"lr_lambda": Named("constant", 0.5)},
    ),
    (
        "plateau",
        "ReduceLROnPlateau",
        PLATEAU,
        {name: value for name, value in PLATEAU.items() if name != "metrics"},
    ),
]


@pytest.mark.parametrize("unit", ["updates", "epochs"])
@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize(("family", "name", "schedule", "arguments"), SCHEDULERS)
def test_a_scheduler_takes_the_familys_own_parameters(
    module, family, name, schedule, arguments, unit
):
    call = expressed(family, f"{module}.{name}", {**schedule, "counted_in": unit})
    assert call == Call(
        arguments or schedule,
        base_lr=0.5,
        per_epoch=unit == "epochs",
        metrics=tuple(schedule.get("metrics", ())),
    )


@pytest.mark.parametrize(
    ("family", "api", "schedule", "arguments"),
    [
        (
            "cyclic",
            f"{EXPERIMENTAL}.CyclicLR",
            {**CYCLE, "policy": "exp_range", "gamma": 0.75},
            {"base_lr": 0.5, **CYCLE, "mode": "exp_range", "gamma": 0.75},
        ),
        (
            "cyclic",
            f"{TORCH}.CyclicLR",
            {**CYCLE, "policy": "triangular2"},
            {
                "base_lr": 0.5,
                **CYCLE,
                "mode": "triangular2",
                "gamma": 1.0,
                "cycle_momentum": False,
            },
        ),
        (
            "one_cycle",
            f"{TORCH}.OneCycleLR",
            {**ONE, "pct_start": 0.25, "anneal": "linear", "three_phase": True},
            {
                **ONE,
                "pct_start": 0.25,
                "anneal_strategy": "linear",
                "three_phase": True,
                "cycle_momentum": False,
            },
        ),
        (
            "swa",
            "torch.optim.swa_utils.SWALR",
            {"swa_lr": 0.125, "anneal_epochs": 4, "anneal": "linear"},
            {"swa_lr": 0.125, "anneal_epochs": 4, "anneal_strategy": "linear"},
        ),
    ],
)
def test_a_scheduler_with_names_of_its_own_takes_them(family, api, schedule, arguments):
    assert expressed(family, api, schedule) == Call(arguments, base_lr=0.5)


def lengths(unit: str) -> dict[str, int]:
    return {"total_step": 9, "step_per_epoch": 3 if unit == "epochs" else 1}


@pytest.mark.parametrize("unit", ["updates", "epochs"])
@pytest.mark.parametrize(
    ("family", "name", "schedule", "arguments"),
    [
        (
            "cosine",
            "cosine_decay_lr",
            WAVE,
            {"min_lr": 0.25, "max_lr": 0.5, "decay_epoch": 8},
        ),
        (
            "polynomial",
            "polynomial_decay_lr",
            {"end_lr": 0.125, "total_iters": 4, "power": 2.0, "cycle": True},
            {
                "learning_rate": 0.5,
                "end_learning_rate": 0.125,
                "decay_epoch": 4,
                "power": 2.0,
                "update_decay_epoch": True,
            },
        ),
        (
            "inverse_time",
            "inverse_decay_lr",
            {**DECAY, "staircase": True},
            {"learning_rate": 0.5, "decay_rate": 0.5, "decay_epoch": 4, "is_stair": True},
        ),
        (
            "linear",
            "warmup_lr",
            {"start_factor": 0.0, "end_factor": 1.0, "total_iters": 4},
            {"learning_rate": 0.5, "warmup_epoch": 4},
        ),
    ],
)
def test_a_list_counts_epochs_and_an_update_may_be_one(family, name, schedule, arguments, unit):
    call = expressed(family, f"{NN}.{name}", {**schedule, "counted_in": unit})
    assert call == Call({**arguments, **lengths(unit)})


@pytest.mark.parametrize(
    ("family", "name", "schedule", "arguments"),
    [
        ("cosine", "CosineDecayLR", WAVE, {"min_lr": 0.25, "max_lr": 0.5, "decay_steps": 8}),
        (
            "polynomial",
            "PolynomialDecayLR",
            {"end_lr": 0.125, "total_iters": 4, "power": 2.0, "cycle": True},
            {
                "learning_rate": 0.5,
                "end_learning_rate": 0.125,
                "decay_steps": 4,
                "power": 2.0,
                "update_decay_steps": True,
            },
        ),
        (
            "inverse_time",
            "InverseDecayLR",
            DECAY,
            {"learning_rate": 0.5, "decay_rate": 0.5, "decay_steps": 4, "is_stair": False},
        ),
        (
            "linear",
            "WarmUpLR",
            {"start_factor": 0.0, "end_factor": 1.0, "total_iters": 4},
            {"learning_rate": 0.5, "warmup_steps": 4},
        ),
    ],
)
def test_a_cell_counts_updates(family, name, schedule, arguments):
    assert expressed(family, f"{NN}.{name}", schedule) == Call(arguments)


def test_a_decay_of_a_cell_that_counts_epochs_is_a_stair_of_whole_epochs():
    stairs = expressed(
        "inverse_time", f"{NN}.InverseDecayLR", {**DECAY, **EPOCHS, "staircase": True}
    )
    assert (stairs.arguments["decay_steps"], stairs.arguments["is_stair"]) == (12, True)
    each = {"decay_rate": 0.5, "decay_every": 1, **EPOCHS}
    stairs = expressed("natural_exponential", f"{NN}.NaturalExpDecayLR", each)
    assert (stairs.arguments["decay_steps"], stairs.arguments["is_stair"]) == (3, True)
    assert stairs.arguments["decay_rate"] == 0.5 / 3
    assert stairs.derived == {"decay_rate"}


def test_the_rate_of_a_natural_decay_is_for_each_unit_counted():
    call = expressed("natural_exponential", f"{NN}.natural_exp_decay_lr", DECAY)
    assert call.arguments["decay_rate"] == 0.125
    assert call.derived == {"decay_rate"}
    call = expressed("natural_exponential", f"{NN}.NaturalExpDecayLR", DECAY)
    assert (call.arguments["decay_rate"], call.arguments["decay_steps"]) == (0.125, 4)
    one = expressed("natural_exponential", f"{NN}.natural_exp_decay_lr", {"decay_rate": 0.5})
    assert (one.arguments["decay_rate"], one.derived) == (0.5, frozenset())


def test_a_line_between_two_rates_is_a_polynomial_of_power_one():
    line = {"start_factor": 0.5, "end_factor": 0.25, "total_iters": 4}
    ends = {"learning_rate": 0.25, "end_learning_rate": 0.125, "power": 1.0}
    call = expressed("linear", f"{NN}.polynomial_decay_lr", line)
    assert call.arguments == {**ends, **lengths("updates"), "decay_epoch": 4}
    assert call.derived == {"learning_rate", "end_learning_rate"}
    call = expressed("linear", f"{NN}.PolynomialDecayLR", line)
    assert call.arguments == {**ends, "decay_steps": 4}


def test_rates_between_milestones_end_with_the_training():
    rates = {"milestones": [2, 4, 40], "rates_after": [0.25, 0.125, 0.0625]}
    call = expressed("piecewise", f"{NN}.piecewise_constant_lr", rates)
    assert call.arguments == {"milestone": [2, 4, 9], "learning_rates": [0.5, 0.25, 0.125]}
    assert call.derived == frozenset()
    # An epoch is 3 updates.
    epochs = {"milestones": [1, 2], "rates_after": [0.25, 0.125], **EPOCHS}
    call = expressed("piecewise", f"{NN}.piecewise_constant_lr", epochs)
    assert call.arguments == {"milestone": [3, 6, 9], "learning_rates": [0.5, 0.25, 0.125]}


def test_a_factor_at_each_milestone_is_worked_out_for_a_list_of_rates():
    steps = {"milestones": [4, 2, 2], "gamma": 0.5}
    call = expressed("multistep", f"{NN}.piecewise_constant_lr", steps)
    assert call.arguments == {"milestone": [2, 4, 9], "learning_rates": [0.5, 0.125, 0.0625]}
    assert call.derived == {"learning_rates[1]", "learning_rates[2]"}


def test_a_callback_of_the_plateau_counts_the_epoch_that_fills_its_patience():
    call = expressed("plateau", f"{TRAIN}.ReduceLROnPlateau", {**PLATEAU, **EPOCHS})
    assert call.arguments == {
        "mode": "max",
        "factor": 0.25,
        "patience": 3,
        "min_delta": 0.125,
        "cooldown": 4,
        "min_lr": 0.0625,
    }
    assert (call.base_lr, call.per_epoch, call.metrics) == (0.5, True, (1.0,) * 9)
    none = expressed("plateau", f"{TRAIN}.ReduceLROnPlateau", {**PLATEAU, **EPOCHS, "cooldown": 0})
    assert none.arguments["cooldown"] == 0


def test_a_callback_that_is_asked_at_each_step_takes_the_function():
    function = {"function": {"name": "power", "a": 0.5}}
    call = expressed("multiplicative", f"{TRAIN}.LearningRateScheduler", function)
    assert call == Call({"learning_rate_function": Named("power", 0.5)}, base_lr=0.5)


@pytest.mark.parametrize("module", BOTH)
def test_a_sequence_of_schedulers_is_made_of_the_same_modules(module):
    parts = {"parts": [{"cosine": {"T_max": 9}}, HALF], "milestones": [3]}
    assert expressed("sequential", f"{module}.SequentialLR", parts) == Call(
        {
            "schedulers": [
                Made(f"{module}.CosineAnnealingLR", {"T_max": 9, "eta_min": 0.0}),
                Made(f"{module}.ExponentialLR", {"gamma": 0.5}),
            ],
            "milestones": [3],
        },
        base_lr=0.5,
    )


def test_a_sequence_of_cells_may_have_a_rate_for_each():
    own = {"inverse_time": {"base_lr": 0.25, "decay_rate": 0.5}}
    call = expressed("sequential", JOINED, {"parts": [own, HALF], "milestones": [3]})
    decay = {"decay_rate": 0.5, "decay_steps": 1, "is_stair": False}
    assert call.arguments == {
        "schedules": [
            Made(f"{NN}.InverseDecayLR", {"learning_rate": 0.25, **decay}),
            Made(f"{NN}.ExponentialDecayLR", {"learning_rate": 0.5, **decay}),
        ],
        "milestones": [3],
    }
    assert call.base_lr is None


def test_chained_schedulers_are_made_in_turn():
    parts = {"parts": [{"constant": {"factor": 0.25, "total_iters": 2}}, HALF]}
    assert expressed("chained", f"{TORCH}.ChainedScheduler", parts) == Call(
        {
            "schedulers": [
                Made(f"{TORCH}.ConstantLR", {"factor": 0.25, "total_iters": 2}),
                Made(f"{TORCH}.ExponentialLR", {"gamma": 0.5}),
            ]
        },
        base_lr=0.5,
    )


LINE = {"start_factor": 0.5, "end_factor": 1.0, "total_iters": 4}
UNSUPPORTED = [
    ("linear", f"{TORCH}.LinearLR", {**LINE, "start_factor": 0.0}),
    ("linear", f"{TORCH}.LinearLR", {**LINE, "end_factor": 1.5}),
    ("linear", f"{EXPERIMENTAL}.LinearLR", {**LINE, "start_factor": 1.5}),
    ("linear", f"{NN}.warmup_lr", LINE),
    ("linear", f"{NN}.WarmUpLR", {**LINE, "start_factor": 0.0, "end_factor": 0.5}),
    ("linear", f"{NN}.WarmUpLR", {**LINE, "start_factor": 0.0, **EPOCHS}),
    ("linear", f"{NN}.polynomial_decay_lr", {**LINE, "start_factor": 0.0}),
    ("linear", f"{NN}.PolynomialDecayLR", {**LINE, **EPOCHS}),
    ("multistep", f"{NN}.piecewise_constant_lr", {"gamma": 0.5, "milestones": [0, 3]}),
    ("polynomial", f"{TORCH}.PolynomialLR", {"end_lr": 0.1, "total_iters": 4, "power": 1.0}),
    ("polynomial", f"{TORCH}.PolynomialLR", {"cycle": True, "total_iters": 4, "power": 1.0}),
    ("polynomial", f"{NN}.PolynomialDecayLR", {**EPOCHS, "total_iters": 4, "power": 1.0}),
    ("cosine", f"{TORCH}.CosineAnnealingLR", {"T_max": 7}),
    ("cosine", f"{NN}.cosine_decay_lr", {"T_max": 7, "periodic": True}),
    ("cosine", f"{NN}.CosineDecayLR", {"T_max": 7, "periodic": True}),
    ("cosine", f"{NN}.CosineDecayLR", {"T_max": 8, **EPOCHS}),
    ("inverse_time", f"{NN}.InverseDecayLR", {**DECAY, **EPOCHS}),
    ("natural_exponential", f"{NN}.NaturalExpDecayLR", {**DECAY, **EPOCHS}),
    (
        "multiplicative",
        f"{TRAIN}.LearningRateScheduler",
        {"function": {"name": "constant"}, **EPOCHS},
    ),
    ("plateau", f"{TRAIN}.ReduceLROnPlateau", PLATEAU),
    ("plateau", f"{TRAIN}.ReduceLROnPlateau", {**PLATEAU, **EPOCHS, "threshold_mode": "rel"}),
    ("plateau", f"{TRAIN}.ReduceLROnPlateau", {**PLATEAU, **EPOCHS, "eps": 1e-8}),
    ("plateau", f"{TRAIN}.ReduceLROnPlateau", {**PLATEAU, **EPOCHS, "factor": 0.0}),
    (
        "sequential",
        f"{EXPERIMENTAL}.SequentialLR",
        {"parts": [{"inverse_time": {"decay_rate": 0.5}}], "milestones": []},
    ),
    (
        "sequential",
        JOINED,
        {"parts": [{"constant": {"factor": 0.5, "total_iters": 2}}], "milestones": []},
    ),
    ("sequential", JOINED, {"parts": [HALF], "milestones": [], **EPOCHS}),
]


@pytest.mark.parametrize(("family", "api", "schedule"), UNSUPPORTED)
def test_what_an_api_cannot_express_is_unsupported_and_says_why(family, api, schedule):
    told = expressed(family, api, schedule)
    assert isinstance(told, Unsupported)
    assert told.reason


@pytest.mark.parametrize("steps_per_epoch", [1])
def test_where_an_epoch_is_an_update_a_cell_counts_epochs_too(steps_per_epoch):
    for family, name, schedule in (
        ("cosine", "CosineDecayLR", {"T_max": 9}),
        ("polynomial", "PolynomialDecayLR", {"total_iters": 4, "power": 1.0}),
        ("inverse_time", "InverseDecayLR", DECAY),
    ):
        in_epochs = expressed(
            family, f"{NN}.{name}", {**schedule, **EPOCHS}, steps_per_epoch=steps_per_epoch
        )
        assert in_epochs == expressed(family, f"{NN}.{name}", schedule)


def test_a_cosine_up_to_its_end_is_the_same_for_those_who_stay_and_those_who_go_on():
    for periodic in (False, True):
        schedule = {"T_max": 8, "periodic": periodic}
        for api in (f"{TORCH}.CosineAnnealingLR", f"{NN}.cosine_decay_lr", f"{NN}.CosineDecayLR"):
            assert isinstance(expressed("cosine", api, schedule), Call)


def test_every_mapping_says_what_its_arguments_are_and_when_it_is_exact():
    for mapping in mappings():
        assert mapping.parameters
        assert mapping.exact_when
        assert all(mapping.parameters.values())

"""The parameters of every implementation, in their order and with their defaults.

Kept here, since a call has to be read where its framework is not installed; a test holds them
against the installed classes.
"""

from __future__ import annotations

import ast
from typing import Any

from harness.catalogue.rows import EXPERIMENTAL, NN, TORCH

REQUIRED = object()
"""In place of a default, where there is none."""
REMOVED = ("verbose",)
"""Parameters that older schedulers had at their end, and that change no rate."""

_THIRD = 1.0 / 3
_BOTH: dict[str, dict[str, Any]] = {
    "LambdaLR": {"lr_lambda": REQUIRED},
    "MultiplicativeLR": {"lr_lambda": REQUIRED},
    "StepLR": {"step_size": REQUIRED, "gamma": 0.1},
    "MultiStepLR": {"milestones": REQUIRED, "gamma": 0.1},
    "ConstantLR": {"factor": _THIRD, "total_iters": 5},
    "LinearLR": {"start_factor": _THIRD, "end_factor": 1.0, "total_iters": 5},
    "ExponentialLR": {"gamma": REQUIRED},
    "PolynomialLR": {"total_iters": 5, "power": 1.0},
    "CosineAnnealingLR": {"T_max": REQUIRED, "eta_min": 0.0},
    "CosineAnnealingWarmRestarts": {"T_0": REQUIRED, "T_mult": 1, "eta_min": 0.0},
    "SequentialLR": {"schedulers": REQUIRED, "milestones": REQUIRED},
}
_CYCLIC = {
    **{"base_lr": REQUIRED, "max_lr": REQUIRED, "step_size_up": 2000, "step_size_down": None},
    **{"mode": "triangular", "gamma": 1.0, "scale_fn": None, "scale_mode": "cycle"},
}
_PLATEAU = {
    **{"mode": "min", "factor": 0.1, "patience": 10, "threshold": 1e-4, "threshold_mode": "rel"},
    **{"cooldown": 0, "min_lr": 0, "eps": 1e-8},
}
_LAST = {"last_epoch": -1}
_DECAY = {"learning_rate": REQUIRED, "decay_rate": REQUIRED}
_LENGTHS = {"total_step": REQUIRED, "step_per_epoch": REQUIRED}
_STAIR = {"is_stair": False}
_EXPONENTIAL_LIST = {**_DECAY, **_LENGTHS, "decay_epoch": REQUIRED, **_STAIR}
_EXPONENTIAL_CELL = {**_DECAY, "decay_steps": REQUIRED, **_STAIR}
_RANGE = {"min_lr": REQUIRED, "max_lr": REQUIRED}
_ENDS = {"learning_rate": REQUIRED, "end_learning_rate": REQUIRED}

SIGNATURES: dict[str, dict[str, Any]] = {
    **{
        f"{module}.{name}": {"optimizer": REQUIRED, **parameters, **_LAST}
        for module in (TORCH, EXPERIMENTAL)
        for name, parameters in _BOTH.items()
    },
    f"{TORCH}.CyclicLR": {
        "optimizer": REQUIRED,
        **_CYCLIC,
        **{"cycle_momentum": True, "base_momentum": 0.8, "max_momentum": 0.9},
        **_LAST,
    },
    f"{TORCH}.OneCycleLR": {
        **{"optimizer": REQUIRED, "max_lr": REQUIRED, "total_steps": None, "epochs": None},
        **{"steps_per_epoch": None, "pct_start": 0.3, "anneal_strategy": "cos"},
        **{"cycle_momentum": True, "base_momentum": 0.85, "max_momentum": 0.95},
        **{"div_factor": 25.0, "final_div_factor": 1e4, "three_phase": False},
        **_LAST,
    },
    f"{TORCH}.ChainedScheduler": {"schedulers": REQUIRED, "optimizer": None},
    f"{TORCH}.ReduceLROnPlateau": {"optimizer": REQUIRED, **_PLATEAU},
    "torch.optim.swa_utils.SWALR": {
        **{"optimizer": REQUIRED, "swa_lr": REQUIRED, "anneal_epochs": 10},
        **{"anneal_strategy": "cos", **_LAST},
    },
    f"{EXPERIMENTAL}.CyclicLR": {"optimizer": REQUIRED, **_CYCLIC, **_LAST},
    f"{EXPERIMENTAL}.ReduceLROnPlateau": {"optimizer": REQUIRED, **_PLATEAU},
    f"{NN}.piecewise_constant_lr": {"milestone": REQUIRED, "learning_rates": REQUIRED},
    f"{NN}.exponential_decay_lr": _EXPONENTIAL_LIST,
    f"{NN}.natural_exp_decay_lr": _EXPONENTIAL_LIST,
    f"{NN}.inverse_decay_lr": _EXPONENTIAL_LIST,
    f"{NN}.cosine_decay_lr": {**_RANGE, **_LENGTHS, "decay_epoch": REQUIRED},
    f"{NN}.polynomial_decay_lr": {
        **{**_ENDS, **_LENGTHS, "decay_epoch": REQUIRED, "power": REQUIRED},
        "update_decay_epoch": False,
    },
    f"{NN}.warmup_lr": {"learning_rate": REQUIRED, **_LENGTHS, "warmup_epoch": REQUIRED},
    f"{NN}.ExponentialDecayLR": _EXPONENTIAL_CELL,
    f"{NN}.NaturalExpDecayLR": _EXPONENTIAL_CELL,
    f"{NN}.InverseDecayLR": _EXPONENTIAL_CELL,
    f"{NN}.CosineDecayLR": {**_RANGE, "decay_steps": REQUIRED},
    f"{NN}.PolynomialDecayLR": {
        **{**_ENDS, "decay_steps": REQUIRED, "power": REQUIRED, "update_decay_steps": False},
    },
    f"{NN}.WarmUpLR": {"learning_rate": REQUIRED, "warmup_steps": REQUIRED},
    f"{NN}.learning_rate_schedule.LearningRateSchedule": {},
    "mindspore.train.LearningRateScheduler": {"learning_rate_function": REQUIRED},
    "mindspore.train.ReduceLROnPlateau": {
        **{"monitor": "eval_loss", "factor": 0.1, "patience": 10, "verbose": False},
        **{"mode": "auto", "min_delta": 1e-4, "cooldown": 0, "min_lr": 0},
    },
}


class Unbound(ValueError):
    """Arguments that do not fit the parameters."""


def bind(api: str, call: ast.Call) -> dict[str, ast.expr]:
    """The arguments that a call gives, by the name of the parameter, as they are written.

    Those of `REMOVED` are among them.

    A scheduler may be written without its optimizer: `ExponentialLR(gamma=0.9)`. Then the first
    argument counts for the second parameter, if it cannot be an optimizer.

    Raises:
        Unbound: for a name that there is not, an argument given twice, or one that is missing.
    """
    names = list(SIGNATURES[api])
    if names[:1] != ["optimizer"]:
        return _bound(api, call, names)
    if not call.args or not isinstance(call.args[0], ast.Name | ast.Attribute):
        return _bound(api, call, names[1:])
    try:
        return _bound(api, call, names)
    except Unbound:
        if "opt" in ast.unparse(call.args[0]).lower():
            raise
        return _bound(api, call, names[1:])


def _bound(api: str, call: ast.Call, names: list[str]) -> dict[str, ast.expr]:
    """The same, where `names` are those of positional arguments."""
    parameters = SIGNATURES[api]
    if any(isinstance(argument, ast.Starred) for argument in call.args) or any(
        keyword.arg is None for keyword in call.keywords
    ):
        raise Unbound("arguments by * or ** are not read: write them out")
    if api.startswith((TORCH, EXPERIMENTAL)):
        names = [*names, *(name for name in REMOVED if name not in parameters)]
    if len(call.args) > len(names):
        raise Unbound(f"takes at most {len(names)} arguments, {len(call.args)} are given")
    bound = dict(zip(names, call.args, strict=False))
    for keyword in call.keywords:
        name = keyword.arg or ""
        if name not in parameters and name not in names:
            raise Unbound(f"has no parameter {name!r}; there are: {', '.join(parameters)}")
        if name in bound:
            raise Unbound(f"{name} is given twice")
        bound[name] = keyword.value
    for name, default in parameters.items():
        if default is REQUIRED and name not in bound and name != "optimizer":
            raise Unbound(f"{name} is missing")
    return bound

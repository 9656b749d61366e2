"""How each implementation expresses the families that have a shape of their own."""

from __future__ import annotations

from typing import Any

from harness.catalogue.call import Call, Training, Unsupported
from harness.catalogue.rows import (
    EXPERIMENTAL,
    LENGTHS,
    NN,
    STEPPED,
    TORCH,
    Row,
    both,
    in_updates,
    lengths,
    stepped,
)
from harness.reference import (
    Constant,
    Cosine,
    Cyclic,
    InverseTime,
    Linear,
    MultiStep,
    NaturalExponential,
    OneCycle,
    Piecewise,
    Polynomial,
    Swa,
    WarmRestarts,
)

# Constant


def _constant(schedule: Constant, _: Training) -> Call:
    return stepped(schedule, {"factor": schedule.factor, "total_iters": schedule.total_iters})


CONSTANT = both("ConstantLR", {"factor": "factor", "total_iters": "total_iters"}, "", _constant)

# Linear


def _linear(schedule: Linear, _: Training) -> Call | Unsupported:
    if not 0 < schedule.start_factor <= 1 or not 0 <= schedule.end_factor <= 1:
        return Unsupported("start_factor must be above 0, and neither factor above 1 or below 0")
    return stepped(
        schedule,
        {
            "start_factor": schedule.start_factor,
            "end_factor": schedule.end_factor,
            "total_iters": schedule.total_iters,
        },
    )


def _warms_up(schedule: Linear) -> Unsupported | None:
    if (schedule.start_factor, schedule.end_factor) != (0, 1):
        return Unsupported("begins at 0 and ends at learning_rate")
    return None


def _warmup_list(schedule: Linear, training: Training) -> Call | Unsupported:
    return _warms_up(schedule) or Call(
        {
            "learning_rate": schedule.base_lr,
            **lengths(schedule, training),
            "warmup_epoch": schedule.total_iters,
        }
    )


def _warmup_cell(schedule: Linear, training: Training) -> Call | Unsupported:
    return (
        _warms_up(schedule)
        or in_updates(schedule, training)
        or Call({"learning_rate": schedule.base_lr, "warmup_steps": schedule.total_iters})
    )


def _as_polynomial(schedule: Linear) -> dict[str, Any] | Unsupported:
    if schedule.base_lr * schedule.start_factor <= 0 or schedule.base_lr * schedule.end_factor < 0:
        return Unsupported("its rates must be above 0 at the start and not below at the end")
    return {
        "learning_rate": schedule.base_lr * schedule.start_factor,
        "end_learning_rate": schedule.base_lr * schedule.end_factor,
        "power": 1.0,
    }


def _linear_list(schedule: Linear, training: Training) -> Call | Unsupported:
    line = _as_polynomial(schedule)
    if isinstance(line, Unsupported):
        return line
    ends = {**lengths(schedule, training), "decay_epoch": schedule.total_iters}
    return _line({**line, **ends}, schedule)


def _linear_cell(schedule: Linear, training: Training) -> Call | Unsupported:
    line = _as_polynomial(schedule)
    if isinstance(line, Unsupported):
        return line
    return in_updates(schedule, training) or _line(
        {**line, "decay_steps": schedule.total_iters}, schedule
    )


def _line(arguments: dict[str, Any], schedule: Linear) -> Call:
    return Call(
        arguments,
        derived=frozenset({"learning_rate", "end_learning_rate"}),
        realises=Polynomial(
            base_lr=arguments["learning_rate"],
            end_lr=arguments["end_learning_rate"],
            total_iters=schedule.total_iters,
            power=1.0,
            counted_in=schedule.counted_in,
        ),
    )


_LINE = {
    "learning_rate": "base_lr * start_factor",
    "end_learning_rate": "base_lr * end_factor",
    "power": "1.0",
}
LINEAR: list[Row] = [
    *both(
        "LinearLR",
        {name: name for name in ("start_factor", "end_factor", "total_iters")},
        "0 < start_factor <= 1 and 0 <= end_factor <= 1",
        _linear,
    ),
    (
        f"{NN}.warmup_lr",
        {"learning_rate": "base_lr", **LENGTHS, "warmup_epoch": "total_iters"},
        "start_factor 0 and end_factor 1",
        _warmup_list,
    ),
    (
        f"{NN}.WarmUpLR",
        {"learning_rate": "base_lr", "warmup_steps": "total_iters"},
        "start_factor 0 and end_factor 1, counted in updates",
        _warmup_cell,
    ),
    (
        f"{NN}.polynomial_decay_lr",
        {**_LINE, **LENGTHS, "decay_epoch": "total_iters"},
        "start_factor above 0",
        _linear_list,
    ),
    (
        f"{NN}.PolynomialDecayLR",
        {**_LINE, "decay_steps": "total_iters"},
        "start_factor above 0, counted in updates",
        _linear_cell,
    ),
]

# MultiStep and Piecewise


def _multistep(schedule: MultiStep, _: Training) -> Call:
    return stepped(schedule, {"milestones": schedule.milestones, "gamma": schedule.gamma})


def _piecewise_list(schedule: Piecewise, training: Training) -> Call | Unsupported:
    length = training.steps_per_epoch if schedule.per_epoch else 1
    milestones = [milestone * length for milestone in schedule.milestones]
    rates = [schedule.base_lr, *schedule.rates_after]
    within = [milestone for milestone in milestones if milestone < training.updates]
    return Call(
        {
            "milestone": [*within, training.updates],
            "learning_rates": rates[: len(within) + 1],
        }
    )


def _multistep_list(schedule: MultiStep, training: Training) -> Call | Unsupported:
    milestones = sorted(set(schedule.milestones))
    if not milestones or milestones[0] == 0:
        return Unsupported("a milestone is at least 1")
    rates, rate = [], schedule.base_lr
    for milestone in milestones:
        rate *= schedule.gamma ** schedule.milestones.count(milestone)
        rates.append(rate)
    pieces = Piecewise(
        base_lr=schedule.base_lr,
        milestones=milestones,
        rates_after=rates,
        counted_in=schedule.counted_in,
    )
    call = _piecewise_list(pieces, training)
    if isinstance(call, Unsupported):
        return call
    # Each rate is the one before times gamma, rounded.
    return Call(
        call.arguments, derived=frozenset(f"learning_rates[{i}]" for i in range(1, len(rates) + 1))
    )


MULTISTEP: list[Row] = [
    *both("MultiStepLR", {"milestones": "milestones", "gamma": "gamma"}, "", _multistep),
    (
        f"{NN}.piecewise_constant_lr",
        {
            "milestone": "milestones (in updates), then the updates in the training",
            "learning_rates": "base_lr * gamma ** i, i from 0 on",
        },
        "no milestone at 0",
        _multistep_list,
    ),
]
PIECEWISE: list[Row] = [
    (
        f"{NN}.piecewise_constant_lr",
        {
            "milestone": "milestones (in updates), then the updates in the training",
            "learning_rates": "base_lr, then rates_after",
        },
        "always",
        _piecewise_list,
    ),
]

# Polynomial


def _polynomial(schedule: Polynomial, _: Training) -> Call | Unsupported:
    if schedule.end_lr != 0 or schedule.cycle:
        return Unsupported("ends at 0 and stays there")
    return stepped(schedule, {"total_iters": schedule.total_iters, "power": schedule.power})


def _has_power(schedule: Polynomial) -> Unsupported | None:
    return None if schedule.power > 0 else Unsupported("power must be above 0")


def _polynomial_list(schedule: Polynomial, training: Training) -> Call | Unsupported:
    return _has_power(schedule) or Call(
        {
            "learning_rate": schedule.base_lr,
            "end_learning_rate": schedule.end_lr,
            **lengths(schedule, training),
            "decay_epoch": schedule.total_iters,
            "power": schedule.power,
            "update_decay_epoch": schedule.cycle,
        }
    )


def _polynomial_cell(schedule: Polynomial, training: Training) -> Call | Unsupported:
    return (
        _has_power(schedule)
        or in_updates(schedule, training)
        or Call(
            {
                "learning_rate": schedule.base_lr,
                "end_learning_rate": schedule.end_lr,
                "decay_steps": schedule.total_iters,
                "power": schedule.power,
                "update_decay_steps": schedule.cycle,
            }
        )
    )


_POLYNOMIAL = {"learning_rate": "base_lr", "end_learning_rate": "end_lr", "power": "power"}
POLYNOMIAL: list[Row] = [
    *both(
        "PolynomialLR",
        {"total_iters": "total_iters", "power": "power"},
        "end_lr 0 and no cycle",
        _polynomial,
    ),
    (
        f"{NN}.polynomial_decay_lr",
        {**_POLYNOMIAL, **LENGTHS, "decay_epoch": "total_iters", "update_decay_epoch": "cycle"},
        "power above 0",
        _polynomial_list,
    ),
    (
        f"{NN}.PolynomialDecayLR",
        {**_POLYNOMIAL, "decay_steps": "total_iters", "update_decay_steps": "cycle"},
        "power above 0; counted in updates",
        _polynomial_cell,
    ),
]

# Cosine


def _passes_the_end(schedule: Cosine, training: Training) -> bool:
    length = training.steps_per_epoch if schedule.per_epoch else 1
    return (training.updates - 1) // length > schedule.T_max


def _cosine(schedule: Cosine, training: Training) -> Call | Unsupported:
    if not schedule.periodic and _passes_the_end(schedule, training):
        return Unsupported("goes up again after T_max")
    return stepped(schedule, {"T_max": schedule.T_max, "eta_min": schedule.eta_min})


def _stays(schedule: Cosine, training: Training) -> Unsupported | None:
    if not schedule.eta_min < schedule.base_lr:
        return Unsupported("its greatest rate must be above its least")
    if schedule.periodic and _passes_the_end(schedule, training):
        return Unsupported("stays at the least rate after the end")
    return None


def _cosine_list(schedule: Cosine, training: Training) -> Call | Unsupported:
    return _stays(schedule, training) or Call(
        {
            "min_lr": schedule.eta_min,
            "max_lr": schedule.base_lr,
            **lengths(schedule, training),
            "decay_epoch": schedule.T_max,
        }
    )


def _cosine_cell(schedule: Cosine, training: Training) -> Call | Unsupported:
    return (
        _stays(schedule, training)
        or in_updates(schedule, training)
        or Call(
            {
                "min_lr": schedule.eta_min,
                "max_lr": schedule.base_lr,
                "decay_steps": schedule.T_max,
            }
        )
    )


_COSINE = {"min_lr": "eta_min", "max_lr": "base_lr"}
COSINE: list[Row] = [
    *both(
        "CosineAnnealingLR",
        {"T_max": "T_max", "eta_min": "eta_min"},
        "periodic, or no training beyond T_max",
        _cosine,
    ),
    (
        f"{NN}.cosine_decay_lr",
        {**_COSINE, **LENGTHS, "decay_epoch": "T_max"},
        "eta_min below base_lr; not periodic, or no training beyond T_max",
        _cosine_list,
    ),
    (
        f"{NN}.CosineDecayLR",
        {**_COSINE, "decay_steps": "T_max"},
        "eta_min below base_lr; counted in updates; not periodic, or no training beyond T_max",
        _cosine_cell,
    ),
]


def _warm_restarts(schedule: WarmRestarts, _: Training) -> Call:
    return stepped(
        schedule,
        {"T_0": schedule.T_0, "T_mult": schedule.T_mult, "eta_min": schedule.eta_min},
    )


WARM_RESTARTS = both(
    "CosineAnnealingWarmRestarts",
    {name: name for name in ("T_0", "T_mult", "eta_min")},
    "",
    _warm_restarts,
)

# Cycles


def _cyclic(schedule: Cyclic, _: Training) -> Call:
    return stepped(
        schedule,
        {
            "base_lr": schedule.base_lr,
            "max_lr": schedule.max_lr,
            "step_size_up": schedule.step_size_up,
            "step_size_down": schedule.step_size_down,
            "mode": schedule.policy,
            "gamma": schedule.gamma,
        },
    )


def _cyclic_torch(schedule: Cyclic, training: Training) -> Call:
    return _cyclic(schedule, training).overridden({"cycle_momentum": False})


_CYCLIC = {
    **{name: name for name in ("base_lr", "max_lr", "step_size_up", "step_size_down", "gamma")},
    "mode": "policy",
}
CYCLIC: list[Row] = [
    (
        f"{TORCH}.CyclicLR",
        {**_CYCLIC, "cycle_momentum": "False; True is its default and moves the momentum too"},
        STEPPED,
        _cyclic_torch,
    ),
    (f"{EXPERIMENTAL}.CyclicLR", _CYCLIC, STEPPED, _cyclic),
]


def _one_cycle(schedule: OneCycle, _: Training) -> Call:
    return stepped(
        schedule,
        {
            "max_lr": schedule.max_lr,
            "total_steps": schedule.total_steps,
            "pct_start": schedule.pct_start,
            "anneal_strategy": schedule.anneal,
            "div_factor": schedule.div_factor,
            "final_div_factor": schedule.final_div_factor,
            "three_phase": schedule.three_phase,
            "cycle_momentum": False,
        },
    )


ONE_CYCLE: list[Row] = [
    (
        f"{TORCH}.OneCycleLR",
        {
            **{n: n for n in ("max_lr", "total_steps", "pct_start", "div_factor")},
            "final_div_factor": "final_div_factor",
            "three_phase": "three_phase",
            "anneal_strategy": "anneal",
            "cycle_momentum": "False; True is its default and moves the momentum too",
        },
        f"at most total_steps updates; {STEPPED}",
        _one_cycle,
    )
]


def _swa(schedule: Swa, _: Training) -> Call:
    return stepped(
        schedule,
        {
            "swa_lr": schedule.swa_lr,
            "anneal_epochs": schedule.anneal_epochs,
            "anneal_strategy": schedule.anneal,
        },
    )


SWA: list[Row] = [
    (
        "torch.optim.swa_utils.SWALR",
        {
            "optimizer's lr": "base_lr",
            "swa_lr": "swa_lr",
            "anneal_epochs": "anneal_epochs",
            "anneal_strategy": "anneal",
        },
        STEPPED,
        _swa,
    )
]

# Inverse time and natural exponential


def _decay_list(schedule: InverseTime, training: Training) -> Call:
    return Call(
        {
            "learning_rate": schedule.base_lr,
            "decay_rate": schedule.decay_rate,
            **lengths(schedule, training),
            "decay_epoch": schedule.decay_every,
            "is_stair": schedule.staircase,
        }
    )


def _decay_cell(
    schedule: InverseTime | NaturalExponential, training: Training
) -> Call | Unsupported:
    every, stair = schedule.decay_every, schedule.staircase
    if schedule.per_epoch and training.steps_per_epoch > 1:
        if every > 1 and not stair:
            return Unsupported("counts in updates: its slope does not stand still within an epoch")
        every, stair = every * training.steps_per_epoch, True
    return Call(
        {
            "learning_rate": schedule.base_lr,
            "decay_rate": schedule.decay_rate,
            "decay_steps": every,
            "is_stair": stair,
        }
    )


def _natural_list(schedule: NaturalExponential, training: Training) -> Call:
    call = _decay_list(schedule, training)  # type: ignore[arg-type]
    return _per_unit(call, schedule.decay_every)


def _natural_cell(schedule: NaturalExponential, training: Training) -> Call | Unsupported:
    call = _decay_cell(schedule, training)
    if isinstance(call, Unsupported):
        return call
    return _per_unit(call, call.arguments["decay_steps"])


def _per_unit(call: Call, every: int) -> Call:
    """Their decay_rate is per unit counted, whatever the length of the decay."""
    if every == 1:
        return call
    rate = call.arguments["decay_rate"] / every
    return Call({**call.arguments, "decay_rate": rate}, derived=frozenset({"decay_rate"}))


_DECAY_LIST = {"learning_rate": "base_lr", "decay_rate": "decay_rate", **LENGTHS}
_DECAY_CELL = {"learning_rate": "base_lr", "decay_rate": "decay_rate"}
_IN_STEPS = "counted in updates; or in epochs with a staircase, or with decay_every 1"
INVERSE_TIME: list[Row] = [
    (
        f"{NN}.inverse_decay_lr",
        {**_DECAY_LIST, "decay_epoch": "decay_every", "is_stair": "staircase"},
        "always",
        _decay_list,
    ),
    (
        f"{NN}.InverseDecayLR",
        {
            **_DECAY_CELL,
            "decay_steps": "decay_every, times steps_per_epoch where it counts epochs",
            "is_stair": "staircase, or True where it counts epochs",
        },
        _IN_STEPS,
        _decay_cell,
    ),
]
NATURAL_EXPONENTIAL: list[Row] = [
    (
        f"{NN}.natural_exp_decay_lr",
        {
            **_DECAY_LIST,
            "decay_rate": "decay_rate / decay_every",
            "decay_epoch": "decay_every",
            "is_stair": "staircase",
        },
        "always",
        _natural_list,
    ),
    (
        f"{NN}.NaturalExpDecayLR",
        {
            **_DECAY_CELL,
            "decay_rate": "decay_rate / decay_steps: it does not divide by decay_steps itself",
            "decay_steps": "decay_every, times steps_per_epoch where it counts epochs",
            "is_stair": "staircase, or True where it counts epochs",
        },
        _IN_STEPS,
        _natural_cell,
    ),
]

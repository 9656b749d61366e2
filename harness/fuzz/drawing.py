"""Random schedules of every family, as hypothesis draws them: parameters as a case gives them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from hypothesis import strategies as st

Parameters: TypeAlias = dict[str, Any]
Draw: TypeAlias = Callable[[Any], Any]
Floats: TypeAlias = st.SearchStrategy[float]
Wholes: TypeAlias = st.SearchStrategy[int]


def decades(low: float, high: float) -> Floats:
    """Floats whose logarithm is evenly spread."""
    return st.floats(low, high).map(lambda e: 10.0**e)


def lengths(most: float) -> Wholes:
    """Whole numbers from 1 to 10 ** most, small and great alike."""
    return st.floats(0, most).map(lambda e: int(10**e))


DECIMALS = st.sampled_from([0.1, 0.9, 0.5, 0.3, 0.01, 0.25, 1.0])
BASES = decades(-12, 6) | DECIMALS
SIGNED = BASES | BASES.map(lambda x: -x)
FACTORS = st.floats(1e-6, 1) | decades(-6, 0) | DECIMALS | st.just(0.0)
RATES = st.floats(0.05, 1.5) | st.floats(0, 12).map(lambda k: 1 - 10.0**-k) | DECIMALS


@dataclass(frozen=True)
class Scale:
    """Where the parameters of a schedule lie.

    Attributes:
        bases: rates above 0.
        others: rates that a schedule goes to.
        factors: from 0 to 1.
        lengths: counts from 1 on.
        cycles: the same, for schedules that begin anew.
        milestone: the last milestone.
        signed: whether a base rate may be below 0, which every optimizer refuses.
    """

    bases: Floats
    others: Floats
    factors: Floats
    lengths: Wholes
    cycles: Wholes
    milestone: int
    signed: bool = False


WIDE = Scale(BASES, SIGNED, FACTORS, lengths(9), lengths(6), 60, signed=True)
"""Whatever the families are defined for."""
_SHORT = st.integers(1, 12)
_RATES = st.floats(1e-4, 1) | DECIMALS | decades(-9, 1)
USUAL = Scale(_RATES, _RATES, FACTORS, _SHORT | _SHORT | lengths(4), _SHORT | lengths(3), 14)
"""What a training of a dozen updates sees something of."""
LONG = Scale(_RATES, _RATES, FACTORS, lengths(6), lengths(6), 14)
"""Schedules that go on for millions of updates."""
EXTREME = Scale(
    decades(-38, 30),
    decades(-45, 30),
    decades(-45, 0),
    _SHORT | lengths(9),
    _SHORT | lengths(6),
    14,
)
"""To the ends of float32's range, and to factors below them."""


@st.composite
def functions(draw: Draw) -> Parameters:
    name = draw(st.sampled_from(["power", "inverse", "inverse_sqrt", "constant", "table"]))
    if name == "table":
        values = decades(-6, 0.3) | decades(-6, 0.3).map(lambda x: -x) | st.just(0.0)
        return {"name": name, "values": draw(st.lists(values, min_size=1, max_size=6))}
    return {"name": name, "a": draw(RATES if name in ("power", "constant") else decades(-6, 2))}


def _constant(draw: Draw, scale: Scale) -> Parameters:
    return {"factor": draw(scale.factors), "total_iters": draw(scale.lengths | st.just(0))}


def _linear(draw: Draw, scale: Scale) -> Parameters:
    if draw(st.integers(0, 4)) == 0:  # a warm-up, which has APIs of its own
        return {"start_factor": 0.0, "end_factor": 1.0, "total_iters": draw(scale.lengths)}
    return {
        "start_factor": draw(scale.factors),
        "end_factor": draw(scale.factors),
        "total_iters": draw(scale.lengths),
    }


def _exponential(draw: Draw, scale: Scale) -> Parameters:
    return {
        "decay_rate": draw(RATES),
        "decay_steps": draw(scale.lengths),
        "staircase": draw(st.booleans()),
    }


def _multistep(draw: Draw, scale: Scale) -> Parameters:
    milestones = draw(st.lists(st.integers(0, scale.milestone), max_size=5))
    return {"gamma": draw(RATES | RATES.map(lambda x: -x)), "milestones": milestones}


def _piecewise(draw: Draw, scale: Scale) -> Parameters:
    counts_ = st.lists(st.integers(1, scale.milestone), min_size=1, max_size=5, unique=True)
    milestones = sorted(draw(counts_))
    return {"milestones": milestones, "rates_after": [draw(scale.others) for _ in milestones]}


def _decay(draw: Draw, scale: Scale) -> Parameters:
    every = draw(scale.lengths)
    rate = draw(decades(-6, 2)) if every > 1 else draw(decades(-9, 0))
    return {"decay_rate": rate, "decay_every": every, "staircase": draw(st.booleans())}


def _polynomial(draw: Draw, scale: Scale) -> Parameters:
    return {
        "end_lr": draw(st.just(0.0) | scale.others),
        "total_iters": draw(scale.lengths),
        "power": draw(st.sampled_from([0.0, 0.5, 1.0, 2.0]) | decades(-3, 1.3)),
        "cycle": draw(st.booleans()),
    }


def _cosine(draw: Draw, scale: Scale) -> Parameters:
    eta_min = draw(st.just(0.0) | scale.others)
    return {"eta_min": eta_min, "T_max": draw(scale.lengths), "periodic": draw(st.booleans())}


def _warm_restarts(draw: Draw, scale: Scale) -> Parameters:
    return {
        "eta_min": draw(st.just(0.0) | scale.others),
        "T_0": draw(scale.lengths),
        "T_mult": draw(st.integers(1, 4)),
    }


def _cyclic(draw: Draw, scale: Scale) -> Parameters:
    policy = draw(st.sampled_from(["triangular", "triangular2", "exp_range"]))
    parameters = {
        "max_lr": draw(scale.bases),
        "step_size_up": draw(scale.cycles),
        "step_size_down": draw(st.none() | scale.cycles),
        "policy": policy,
    }
    # A greater gamma leaves the range.
    return {**parameters, "gamma": min(draw(RATES), 1.0)} if policy == "exp_range" else parameters


def _one_cycle(draw: Draw, scale: Scale) -> Parameters:
    max_lr, div_factor = draw(scale.bases), draw(decades(-1, 4) | st.just(25.0))
    return {
        "base_lr": max_lr / div_factor,
        "max_lr": max_lr,
        "div_factor": div_factor,
        "final_div_factor": draw(decades(-1, 6) | st.just(1e4)),
        "total_steps": draw(scale.cycles),
        "pct_start": draw(st.floats(0, 1) | st.sampled_from([0.3, 0.1, 0.45, 0.25])),
        "anneal": draw(st.sampled_from(["cos", "linear"])),
        "three_phase": draw(st.booleans()),
    }


def _function(draw: Draw, _: Scale) -> Parameters:
    return {"function": draw(functions())}


def _plateau(draw: Draw, _: Scale) -> Parameters:
    # Few different metrics, so that some are equal; the powers of two are no edge of any threshold.
    metrics = st.sampled_from([1.0, 2.0, 0.5, 0.0, -1.0, 0.25, 4.0, math.nan, math.inf])
    return {
        "metrics": draw(st.lists(metrics, min_size=1, max_size=30)),
        "mode": draw(st.sampled_from(["min", "max"])),
        "factor": draw(st.floats(1e-6, 0.99) | st.sampled_from([0.1, 0.5])),
        "patience": draw(st.integers(0, 3)),
        "threshold": draw(st.sampled_from([0.0, 1e-4, 0.1])),
        "threshold_mode": draw(st.sampled_from(["rel", "abs"])),
        "cooldown": draw(st.integers(0, 3)),
        "min_lr": draw(st.just(0.0) | decades(-9, -1)),
        "eps": draw(st.sampled_from([0.0, 1e-8, 1e-3])),
    }


def _swa(draw: Draw, scale: Scale) -> Parameters:
    return {
        "swa_lr": draw(scale.others | st.just(0.0)),
        "anneal_epochs": draw(scale.lengths | st.just(0)),
        "anneal": draw(st.sampled_from(["cos", "linear"])),
    }


def _factor(draw: Draw, scale: Scale) -> Parameters:
    """A part of a chained schedule: what a rate can be multiplied with, again and again."""
    family = draw(st.sampled_from(["constant", "exponential", "linear", "multistep", "polynomial"]))
    part = PARAMETERS[family](draw, scale)
    if family == "constant":
        part["factor"] = draw(st.floats(0.01, 1))
    elif family == "linear":
        part["start_factor"] = draw(st.floats(0.01, 1))
    elif family == "polynomial":
        part |= {"end_lr": 0.0, "cycle": False}
    else:
        # One factor must not leave the range that another brings it back to.
        name = "gamma" if family == "multistep" else "decay_rate"
        part[name] = min(part[name], 1.0)
    return {family: part}


def _chained(draw: Draw, scale: Scale) -> Parameters:
    return {"parts": [_factor(draw, scale) for _ in range(draw(st.integers(1, 3)))]}


def _sequential(draw: Draw, scale: Scale) -> Parameters:
    parts = []
    from_bases_of_their_own = draw(st.integers(0, 3)) == 0
    for _ in range(draw(st.integers(1, 3))):
        family = draw(st.sampled_from(PARTS))
        parts.append({family: PARAMETERS[family](draw, scale)})
        if from_bases_of_their_own and draw(st.booleans()):
            parts[-1][family]["base_lr"] = draw(scale.bases)
    milestones = draw(
        st.lists(
            st.integers(0, min(scale.milestone, 40)),
            min_size=len(parts) - 1,
            max_size=len(parts) - 1,
        )
    )
    return {"parts": parts, "milestones": sorted(milestones)}


PARAMETERS: dict[str, Callable[[Draw, Scale], Parameters]] = {
    "chained": _chained,
    "constant": _constant,
    "cosine": _cosine,
    "cyclic": _cyclic,
    "exponential": _exponential,
    "inverse_time": _decay,
    "lambda": _function,
    "linear": _linear,
    "multiplicative": _function,
    "multistep": _multistep,
    "natural_exponential": _decay,
    "one_cycle": _one_cycle,
    "piecewise": _piecewise,
    "plateau": _plateau,
    "polynomial": _polynomial,
    "sequential": _sequential,
    "swa": _swa,
    "warm_restarts": _warm_restarts,
}
PARTS = sorted(set(PARAMETERS) - {"plateau", "piecewise", "one_cycle", "swa", "sequential"})


@st.composite
def parameters(draw: Draw, family: str, scale: Scale = WIDE) -> Parameters:
    """The parameters of a schedule of that family."""
    base = draw(scale.bases)
    if scale.signed and family != "plateau" and draw(st.integers(0, 7)) == 0:
        base = -base
    return {"base_lr": base, **PARAMETERS[family](draw, scale)}

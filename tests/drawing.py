"""Random schedules of every family, as hypothesis draws them: parameters as a case gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Parameters = dict[str, Any]
Draw = Callable[[Any], Any]


def decades(low: float, high: float) -> st.SearchStrategy[float]:
    """Floats whose logarithm is evenly spread."""
    return st.floats(low, high).map(lambda e: 10.0**e)


def lengths(most: float) -> st.SearchStrategy[int]:
    """Whole numbers from 1 to 10 ** most, small and great alike."""
    return st.floats(0, most).map(lambda e: int(10**e))


DECIMALS = st.sampled_from([0.1, 0.9, 0.5, 0.3, 0.01, 0.25, 1.0])
BASES = decades(-12, 6) | DECIMALS
SIGNED = BASES | BASES.map(lambda x: -x)
FACTORS = st.floats(1e-6, 1) | decades(-6, 0) | DECIMALS | st.just(0.0)
RATES = st.floats(0.05, 1.5) | st.floats(0, 12).map(lambda k: 1 - 10.0**-k) | DECIMALS
LENGTHS = lengths(9)


@st.composite
def functions(draw: Draw) -> Parameters:
    name = draw(st.sampled_from(["power", "inverse", "inverse_sqrt", "constant", "table"]))
    if name == "table":
        values = decades(-6, 0.3) | decades(-6, 0.3).map(lambda x: -x) | st.just(0.0)
        return {"name": name, "values": draw(st.lists(values, min_size=1, max_size=6))}
    return {"name": name, "a": draw(RATES if name in ("power", "constant") else decades(-6, 2))}


def _milestones(draw: Draw, least: int, most: int = 5) -> list[int]:
    return sorted(draw(st.lists(st.integers(least, 60), min_size=1, max_size=most, unique=True)))


def _constant(draw: Draw) -> Parameters:
    return {"factor": draw(FACTORS), "total_iters": draw(LENGTHS | st.just(0))}


def _linear(draw: Draw) -> Parameters:
    return {
        "start_factor": draw(FACTORS),
        "end_factor": draw(FACTORS),
        "total_iters": draw(LENGTHS),
    }


def _exponential(draw: Draw) -> Parameters:
    return {
        "decay_rate": draw(RATES),
        "decay_steps": draw(LENGTHS),
        "staircase": draw(st.booleans()),
    }


def _multistep(draw: Draw) -> Parameters:
    milestones = draw(st.lists(st.integers(0, 60), max_size=5))
    return {"gamma": draw(RATES | RATES.map(lambda x: -x)), "milestones": milestones}


def _piecewise(draw: Draw) -> Parameters:
    milestones = _milestones(draw, 1)
    return {"milestones": milestones, "rates_after": [draw(SIGNED) for _ in milestones]}


def _decay(draw: Draw) -> Parameters:
    every = draw(LENGTHS)
    rate = draw(decades(-6, 2)) if every > 1 else draw(decades(-9, 0))
    return {"decay_rate": rate, "decay_every": every, "staircase": draw(st.booleans())}


def _polynomial(draw: Draw) -> Parameters:
    return {
        "end_lr": draw(st.just(0.0) | SIGNED),
        "total_iters": draw(LENGTHS),
        "power": draw(st.sampled_from([0.0, 0.5, 1.0, 2.0]) | decades(-3, 1.3)),
        "cycle": draw(st.booleans()),
    }


def _cosine(draw: Draw) -> Parameters:
    eta_min = draw(st.just(0.0) | SIGNED)
    return {"eta_min": eta_min, "T_max": draw(LENGTHS), "periodic": draw(st.booleans())}


def _warm_restarts(draw: Draw) -> Parameters:
    return {
        "eta_min": draw(st.just(0.0) | SIGNED),
        "T_0": draw(LENGTHS),
        "T_mult": draw(st.integers(1, 4)),
    }


def _cyclic(draw: Draw) -> Parameters:
    policy = draw(st.sampled_from(["triangular", "triangular2", "exp_range"]))
    parameters = {
        "max_lr": draw(BASES),
        "step_size_up": draw(lengths(6)),
        "step_size_down": draw(st.none() | lengths(6)),
        "policy": policy,
    }
    # A greater gamma leaves the range.
    return {**parameters, "gamma": min(draw(RATES), 1.0)} if policy == "exp_range" else parameters


def _one_cycle(draw: Draw) -> Parameters:
    max_lr, div_factor = draw(BASES), draw(decades(-1, 4) | st.just(25.0))
    return {
        "base_lr": max_lr / div_factor,
        "max_lr": max_lr,
        "div_factor": div_factor,
        "final_div_factor": draw(decades(-1, 6) | st.just(1e4)),
        "total_steps": draw(lengths(6)),
        "pct_start": draw(st.floats(0, 1) | st.sampled_from([0.3, 0.1, 0.45, 0.25])),
        "anneal": draw(st.sampled_from(["cos", "linear"])),
        "three_phase": draw(st.booleans()),
    }


def _function(draw: Draw) -> Parameters:
    return {"function": draw(functions())}


def _plateau(draw: Draw) -> Parameters:
    # Few different metrics, so that some are equal; the powers of two are no edge of any threshold.
    metrics = st.sampled_from([1.0, 2.0, 0.5, -1.0, 0.25, 4.0, float("nan"), float("inf")])
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


def _swa(draw: Draw) -> Parameters:
    return {
        "swa_lr": draw(SIGNED | st.just(0.0)),
        "anneal_epochs": draw(LENGTHS | st.just(0)),
        "anneal": draw(st.sampled_from(["cos", "linear"])),
    }


def _factor(draw: Draw) -> Parameters:
    """A part of a chained schedule: what a rate can be multiplied with, again and again."""
    family = draw(st.sampled_from(["constant", "exponential", "linear", "multistep", "polynomial"]))
    part = PARAMETERS[family](draw)
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


def _chained(draw: Draw) -> Parameters:
    return {"parts": [_factor(draw) for _ in range(draw(st.integers(1, 3)))]}


def _sequential(draw: Draw) -> Parameters:
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        family = draw(st.sampled_from(PARTS))
        parts.append({family: PARAMETERS[family](draw)})
        if draw(st.booleans()):
            parts[-1][family]["base_lr"] = draw(BASES)
    milestones = draw(
        st.lists(st.integers(0, 40), min_size=len(parts) - 1, max_size=len(parts) - 1)
    )
    return {"parts": parts, "milestones": sorted(milestones)}


PARAMETERS: dict[str, Callable[[Draw], Parameters]] = {
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
def parameters(draw: Draw, family: str) -> Parameters:
    """The parameters of a schedule of that family."""
    base = draw(BASES) * (-1 if draw(st.integers(0, 7)) == 0 and family != "plateau" else 1)
    return {"base_lr": base, **PARAMETERS[family](draw)}


_LENGTH = (
    "total_iters",
    "T_max",
    "T_0",
    "decay_steps",
    "decay_every",
    "step_size_up",
    "total_steps",
)


@st.composite
def counts(draw: Draw, family: str, made: Parameters) -> list[int]:
    """Some counts where something may happen: the beginning, the edges, within, and far out."""
    if family == "one_cycle":
        last = made["total_steps"] - 1
        near = [0, 1, int(made["pct_start"] * (last + 1)), last]
    elif family == "multiplicative" or _slow(made):
        near, last = [0, 1, 2, 7], 25
    elif family == "plateau":
        near, last = [0, 1, len(made["metrics"])], len(made["metrics"])
    else:
        length = next((made[name] for name in _LENGTH if name in made), 30)
        near = [0, 1, length - 1, length, length + 1, 2 * length, 3 * length - 1]
        last = 4 * length if draw(st.booleans()) else 2**33
    within = [int(share * last) for share in draw(st.lists(st.floats(0, 1), max_size=3))]
    return sorted({min(max(count, 0), last) for count in [*near, *within]})


def _slow(made: Parameters) -> bool:
    """Whether a product that goes through every count is somewhere in it."""
    return any("multiplicative" in part or _slow(*part.values()) for part in made.get("parts", ()))

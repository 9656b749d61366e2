"""What the schedules are, in 50-digit arithmetic, written from their documentation.

Each function takes a family's parameters, as a case gives them, and a count, and gives the rate.
The texts are the documented ones and not those of `harness.reference`, which is held against them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mpmath
from mpmath import mpf

DIGITS = 50


@dataclass(frozen=True)
class Due:
    """A rate, and the size of what was added up to make it: larger where terms cancel."""

    value: mpf
    size: mpf

    def __add__(self, other: Any) -> Due:
        other = due(other)
        return Due(self.value + other.value, self.size + other.size)

    def __mul__(self, other: Any) -> Due:
        other = due(other)
        return Due(self.value * other.value, self.size * other.size)

    __radd__, __rmul__ = __add__, __mul__


def due(value: Any) -> Due:
    """A number as a `Due`."""
    return value if isinstance(value, Due) else Due(mpf(value), abs(mpf(value)))


def between(start: Any, end: Any, share: mpf) -> Due:
    """The point at `share` of the way: `start + (end - start) * share`."""
    return due(start) + due(mpf(end) - mpf(start)) * share


def risen(share: mpf) -> mpf:
    """How much of half a cosine is left: from 1 at 0 to 0 at 1, `(1 + cos(pi * share)) / 2`."""
    return mpmath.cospi(share / 2) ** 2


def constant(p: dict[str, Any], t: int) -> Due:
    return due(p["base_lr"]) * (p["factor"] if t < p["total_iters"] else 1)


def linear(p: dict[str, Any], t: int) -> Due:
    share = mpf(min(t, p["total_iters"])) / p["total_iters"]
    return between(p["start_factor"], p["end_factor"], share) * p["base_lr"]


def power(base: Any, exponent: Any) -> mpf:
    """With 0 to the power 0 being 1, and a negative base for whole exponents."""
    base = mpf(base)
    if base == 0:
        return mpf(exponent == 0)
    if base < 0:
        return (-1) ** int(exponent) * mpmath.power(-base, exponent)
    return mpmath.power(base, exponent)


def exponential(p: dict[str, Any], t: int) -> Due:
    every = p.get("decay_steps") or p["decay_epochs"]
    exponent = mpf(t // every) if p.get("staircase") else mpf(t) / every
    return due(p["base_lr"]) * power(p["decay_rate"], exponent)


def multistep(p: dict[str, Any], t: int) -> Due:
    return due(p["base_lr"]) * power(p["gamma"], sum(m <= t for m in p["milestones"]))


def piecewise(p: dict[str, Any], t: int) -> Due:
    rates = [p["base_lr"], *p["rates_after"]]
    return due(rates[sum(m <= t for m in p["milestones"])])


def _reached(p: dict[str, Any], t: int) -> mpf:
    every = p.get("decay_every", 1)
    return mpf(t // every) if p.get("staircase") else mpf(t) / every


def inverse_time(p: dict[str, Any], t: int) -> Due:
    return due(p["base_lr"]) * (1 / (1 + p["decay_rate"] * _reached(p, t)))


def natural_exponential(p: dict[str, Any], t: int) -> Due:
    return due(p["base_lr"]) * mpmath.exp(-p["decay_rate"] * _reached(p, t))


def polynomial(p: dict[str, Any], t: int) -> Due:
    total = p["total_iters"]
    if p.get("cycle"):
        total *= max(1, math.ceil(mpf(t) / total))
    left = 1 - mpf(min(t, total)) / total
    end = p.get("end_lr", 0.0)
    return (due(p["base_lr"]) + due(-end)) * power(left, p["power"]) + end


def cosine(p: dict[str, Any], t: int) -> Due:
    share = mpf(t) / p["T_max"]
    if not p.get("periodic"):
        share = min(share, mpf(1))
    return between(p.get("eta_min", 0.0), p["base_lr"], risen(share))


def warm_restarts(p: dict[str, Any], t: int) -> Due:
    length, since = p["T_0"], t
    if p.get("T_mult", 1) == 1:
        since %= length
    while since >= length:
        since -= length
        length *= p["T_mult"]
    return between(p.get("eta_min", 0.0), p["base_lr"], risen(mpf(since) / length))


def cyclic(p: dict[str, Any], t: int) -> Due:
    """Smith's triangle: max(0, 1 - |x|), x from -1 where it begins over 0 at the peak to 1."""
    up = p["step_size_up"]
    down = p.get("step_size_down") or up
    cycles, place = divmod(t, up + down)
    x = mpf(place - up) / (up if place <= up else down)
    triangle = max(mpf(0), 1 - abs(x))
    # The documented place in the cycle, 1 + t / length - cycle, is a small difference far out.
    height = Due(triangle, triangle and (up + down + t) / mpf(min(up, down)))
    if p.get("policy") == "triangular2":
        height *= mpf(2) ** -cycles
    elif p.get("policy") == "exp_range":
        height *= power(p["gamma"], t)
    return between(p["base_lr"], p["max_lr"], height)


def one_cycle(p: dict[str, Any], t: int) -> Due:
    total, top = p["total_steps"], mpf(p["max_lr"])
    start = top / p["div_factor"]
    end = start / p["final_div_factor"]
    peak = mpf(p["pct_start"]) * total - 1
    corners = [(mpf(0), start), (peak, top), (mpf(total - 1), end)]
    if p.get("three_phase"):
        corners.insert(2, (2 * peak, start))
    for (a, low), (b, high) in pairwise(corners):
        if t <= b or b == corners[-1][0]:
            share = (t - a) / (b - a)
            if p["anneal"] == "linear":
                return between(low, high, share)
            return between(high, low, risen(share))
    raise AssertionError(f"{t} is in no phase")


def function(f: dict[str, Any], t: int) -> mpf:
    """The named functions of the case format."""
    a = mpf(f.get("a", 1.0))
    if f["name"] == "table":
        return mpf(f["values"][min(t, len(f["values"]) - 1)])
    return {
        "power": lambda: power(a, t),
        "inverse": lambda: 1 / (1 + a * t),
        "inverse_sqrt": lambda: 1 / mpmath.sqrt(1 + a * t),
        "constant": lambda: a,
    }[f["name"]]()


def lambda_(p: dict[str, Any], t: int) -> Due:
    return due(p["base_lr"]) * function(p["function"], t)


def multiplicative(p: dict[str, Any], t: int) -> Due:
    if p["function"]["name"] == "constant":
        return due(p["base_lr"]) * power(p["function"].get("a", 1.0), t)
    return due(p["base_lr"]) * mpmath.fprod(function(p["function"], s) for s in range(1, t + 1))


def plateau(p: dict[str, Any], t: int, found: dict[int, float] | None = None) -> Due:
    """By the words: a best metric, epochs without improvement, a cooldown.

    `found` are rates that somebody set from outside, by the count at which they are found.
    """
    rate, least = mpf(p["base_lr"]), mpf(p.get("min_lr", 0.0))
    threshold, sign = mpf(p.get("threshold", 1e-4)), 1 if p.get("mode", "min") == "min" else -1
    best, without, cooling = None, 0, 0
    for count in range(t):
        rate = mpf((found or {}).get(count, rate))
        if count >= len(p["metrics"]):
            continue
        metric = p["metrics"][count]
        if math.isnan(metric):
            better = False
        elif best is None:
            better = metric * sign < math.inf
        else:
            by = threshold * best if p.get("threshold_mode", "rel") == "rel" else threshold
            better = metric < best - by if sign > 0 else metric > best + by
        without = 0 if better else without + 1
        best = mpf(metric) if better else best
        if cooling:
            cooling, without = cooling - 1, 0
        if without > p.get("patience", 10):
            new = max(rate * p.get("factor", 0.1), least)
            rate = new if rate - new > p.get("eps", 1e-8) else rate
            cooling, without = p.get("cooldown", 0), 0
    return due(rate)


def swa(p: dict[str, Any], t: int) -> Due:
    epochs = p.get("anneal_epochs", 10)
    share = mpf(t) / epochs if t < epochs else mpf(1)
    share = share if p.get("anneal") == "linear" else 1 - risen(share)
    return due(p["swa_lr"]) * share + due(p["base_lr"]) * (due(1) + due(-share))


def sequential(p: dict[str, Any], t: int) -> Due:
    present = sum(m <= t for m in p["milestones"])
    (family, part), begun = next(iter(p["parts"][present].items())), [0, *p["milestones"]][present]
    return DEFINITIONS[family]({"base_lr": p["base_lr"], **part}, t - begun)


def chained(p: dict[str, Any], t: int) -> Due:
    product = due(p["base_lr"])
    for part in p["parts"]:
        ((family, parameters),) = part.items()
        product = product * DEFINITIONS[family]({**parameters, "base_lr": 1.0}, t)
    return product


DEFINITIONS: dict[str, Callable[[dict[str, Any], int], Due]] = {
    "chained": chained,
    "constant": constant,
    "cosine": cosine,
    "cyclic": cyclic,
    "exponential": exponential,
    "inverse_time": inverse_time,
    "lambda": lambda_,
    "linear": linear,
    "multiplicative": multiplicative,
    "multistep": multistep,
    "natural_exponential": natural_exponential,
    "one_cycle": one_cycle,
    "piecewise": piecewise,
    "plateau": plateau,
    "polynomial": polynomial,
    "sequential": sequential,
    "swa": swa,
    "warm_restarts": warm_restarts,
}


# The recursions: how a scheduler makes each rate from the one that it finds.


def _factor_of_exponential(p: dict[str, Any], t: int) -> mpf:
    every = p.get("decay_steps") or p["decay_epochs"]
    if p.get("staircase"):
        return mpf(p["decay_rate"]) if t % every == 0 else mpf(1)
    return power(p["decay_rate"], mpf(1) / every)


def _factor_of_linear(p: dict[str, Any], t: int) -> mpf:
    before, after = (linear({**p, "base_lr": 1}, count).value for count in (t - 1, t))
    return mpf(1) if t > p["total_iters"] else after / before


def _factor_of_polynomial(p: dict[str, Any], t: int) -> mpf:
    total = p["total_iters"]
    return mpf(1) if t > total else power(mpf(total - t) / (total - t + 1), p["power"])


_FACTORS: dict[str, Callable[[dict[str, Any], int], Any]] = {
    "constant": lambda p, t: 1 / mpf(p["factor"]) if t == p["total_iters"] else 1,
    "exponential": _factor_of_exponential,
    "linear": _factor_of_linear,
    "multiplicative": lambda p, t: function(p["function"], t),
    "multistep": lambda p, t: power(p["gamma"], p["milestones"].count(t)),
    "polynomial": _factor_of_polynomial,
}


def _after_cosine(p: dict[str, Any], t: int, rate: mpf) -> mpf:
    low, length = mpf(p.get("eta_min", 0.0)), p["T_max"]
    if t > length and not p.get("periodic"):
        return rate
    if (t - 1) % (2 * length) == length:
        return rate + (p["base_lr"] - low) * (1 - mpmath.cospi(mpf(1) / length)) / 2
    after, before = (1 + mpmath.cospi(mpf(count) / length) for count in (t, t - 1))
    return low + (rate - low) * after / before


def _after_swa(p: dict[str, Any], t: int, rate: mpf) -> mpf:
    """The first rate is what the present one would have come from; and forth again."""
    epochs, swa_lr = p.get("anneal_epochs", 10), mpf(p["swa_lr"])
    before, after = (mpf(min(count, epochs)) / max(1, epochs) for count in (t - 1, t))
    if t > epochs:
        return swa_lr
    if p.get("anneal") != "linear":
        before, after = 1 - risen(before), 1 - risen(after)
    return swa_lr * after + (rate - before * swa_lr) / (1 - before) * (1 - after)


def _after_sequential(p: dict[str, Any], t: int, rate: mpf) -> mpf:
    present = sum(m <= t for m in p["milestones"])
    ((family, part),) = p["parts"][present].items()
    begun = [0, *p["milestones"]][present]
    return following(family, {"base_lr": p["base_lr"], **part}, t - begun, rate)


def _after_chained(p: dict[str, Any], t: int, rate: mpf) -> mpf:
    for part in p["parts"]:
        ((family, parameters),) = part.items()
        rate = following(family, {**parameters, "base_lr": 1.0}, t, rate)
    return rate


_FOLLOWING = {
    "chained": _after_chained,
    "cosine": _after_cosine,
    "sequential": _after_sequential,
    "swa": _after_swa,
}


def _recursive(family: str, p: dict[str, Any]) -> bool:
    """Whether schedulers make it from the rate that they find."""
    if family == "polynomial":
        return p.get("end_lr", 0.0) == 0 and not p.get("cycle")
    known = family in _FACTORS or family in _FOLLOWING
    return known and p.get("factor") != 0 and p.get("start_factor") != 0


def following(family: str, p: dict[str, Any], t: int, rate: mpf) -> mpf:
    """The rate at count `t`, where `rate` is found at the one before."""
    if t == 0 or not _recursive(family, p):
        return DEFINITIONS[family](p, t).value
    if family in _FACTORS:
        return rate * _FACTORS[family](p, t)
    return _FOLLOWING[family](p, t, rate)


def changed(family: str, p: dict[str, Any], every: int, changes: dict[int, float]) -> list[mpf]:
    """The rates of 40 updates, `every` of them a count, where somebody sets others on the way."""
    with mpmath.workdps(DIGITS):
        rates = [DEFINITIONS[family](p, 0).value]
        found: dict[int, float] = {}
        for step in range(1, 40):
            rate, (count, within) = rates[-1], divmod(step, every)
            if within == 0:
                rate = (
                    plateau(p, count, found).value
                    if family == "plateau"
                    else following(family, p, count, rate)
                )
            if step in changes:
                rate = mpf(changes[step])
                found[count] = changes[step]
            rates.append(rate)
        return rates


def rate(family: str, parameters: dict[str, Any], t: int) -> Due:
    """The rate after `t` counts."""
    with mpmath.workdps(DIGITS):
        return DEFINITIONS[family](parameters, t)


def ulps_off(value: float, exact: mpf, slack: mpf | float = 0.0) -> float:
    """The distance, but for `slack`, in units of the last place of the exact value rounded."""
    rounded = float(exact)
    if math.isinf(rounded) or not math.isfinite(value):
        return 0.0 if value == rounded else math.inf
    with mpmath.workdps(DIGITS):
        off = max(abs(mpf(value) - exact) - slack, mpf(0))
        return float(off / math.ulp(rounded))

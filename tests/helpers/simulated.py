"""Correct implementations without a framework: every API's own operations, in its own precision.

Each follows the framework's documented formula or recursion operation by operation, on numpy
scalars. What is a Python float in the framework is one here too, and is rounded where it meets a
tensor, which is what `f` does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from harness.catalogue import IMPLEMENTATIONS, Call, Kind, Made, Named, Training

Arguments = dict[str, Any]
Step = Callable[[Any, int], Any]
"""The rate at a count, from the rate at the count before; at 0, from the optimizer's."""


def simulate(api: str, call: Call, training: Training) -> np.ndarray:
    """The rates before each update of a training, in the implementation's precision."""
    implementation = IMPLEMENTATIONS[api]
    f = np.dtype(implementation.precision).type
    updates, name = range(training.updates), api.rpartition(".")[2]
    with np.errstate(all="ignore"):
        if implementation.kind is Kind.LIST:
            rates = np.array(LISTS[name](**call.arguments))
        elif implementation.kind is Kind.CELL:
            cell = _cell(name, call.arguments)
            rates = np.array([cell(update) for update in updates])
        else:
            every = training.steps_per_epoch if call.per_epoch else 1
            driver = {"metrics": call.metrics} if name == "ReduceLROnPlateau" else {}
            callback = implementation.kind is Kind.CALLBACK
            step = SCHEDULERS[name]({**call.arguments, **driver}, f, call.base_lr, callback)
            rate, rates = f(call.base_lr), []
            for update in updates:
                rate = step(rate, update // every) if update % every == 0 else rate
                rate = f(training.changes.get(update, rate))
                rates.append(rate)
            rates = np.array(rates)
    assert rates.dtype == np.dtype(implementation.precision)
    return rates.astype(np.float64)


def _called(function: Named, t: Any, f: Any) -> Any:
    """A user's function; `t` is a Python number, or a tensor."""
    a = f(function.a) if isinstance(t, np.generic) else function.a
    if function.name == "power":
        return np.power(a, t) if isinstance(t, np.generic) else a**t
    if function.name == "inverse":
        return f(1) / (f(1) + a * t)
    if function.name == "inverse_sqrt":
        return np.power(f(1) + a * t, f(-0.5))
    if function.name == "constant":
        return a
    return function.values[min(int(t), len(function.values) - 1)]


# Schedulers


def _lambda(a: Arguments, f: Any, base: float, _: bool) -> Step:
    return lambda rate, t: f(base) * f(_called(a["lr_lambda"], f(t) if f is np.float32 else t, f))


def _multiplicative(a: Arguments, f: Any, base: float, _: bool) -> Step:
    function = a.get("lr_lambda") or a["learning_rate_function"]
    return lambda rate, t: (
        rate * f(_called(function, f(t) if f is np.float32 else t, f)) if t else rate
    )


def _exponential(a: Arguments, f: Any, base: float, _: bool) -> Step:
    return lambda rate, t: rate * f(a["gamma"]) if t else rate


def _stairs(a: Arguments, f: Any, base: float, _: bool) -> Step:
    return lambda rate, t: rate if t == 0 or t % a["step_size"] else rate * f(a["gamma"])


def _multistep(a: Arguments, f: Any, base: float, _: bool) -> Step:
    times = Counter(a["milestones"])
    return lambda rate, t: rate * f(a["gamma"] ** times[t]) if t in times else rate


def _constant(a: Arguments, f: Any, base: float, _: bool) -> Step:
    def step(rate: Any, t: int) -> Any:
        if t == 0:
            return rate * f(a["factor"])
        if t != a["total_iters"]:
            return rate
        return rate * (1.0 / a["factor"]) if f is np.float64 else rate / f(a["factor"])

    return step


def _linear(a: Arguments, f: Any, base: float, _: bool) -> Step:
    start, total = a["start_factor"], a["total_iters"]
    slope = a["end_factor"] - start

    def step(rate: Any, t: int) -> Any:
        if t == 0:
            return rate * f(start)
        if t > total:
            return rate
        return rate * (f(1) + f(slope) / (f(total * start) + f(t - 1) * f(slope)))

    return step


def _polynomial(a: Arguments, f: Any, base: float, _: bool) -> Step:
    total = f(a["total_iters"])

    def step(rate: Any, t: int) -> Any:
        if t == 0 or t > a["total_iters"]:
            return rate
        factor = (f(1) - f(t) / total) / (f(1) - f(t - 1) / total)
        return rate * np.power(factor, f(a["power"]))

    return step


def _cosine(a: Arguments, f: Any, base: float, _: bool) -> Step:
    length, low = a["T_max"], f(a["eta_min"])

    def step(rate: Any, t: int) -> Any:
        if t == 0:
            return rate
        if (t - 1 - length) % (2 * length) == 0:
            return rate + (f(base) - low) * (f(1) - np.cos(f(math.pi / length))) / f(2)
        above = f(1) + np.cos(f(math.pi) * f(t) / f(length))
        return above / (f(1) + np.cos(f(math.pi) * f(t - 1) / f(length))) * (rate - low) + low

    return step


def _half_a_cosine(f: Any, base: Any, low: Any, done: int, length: int) -> Any:
    return low + (base - low) * (f(1) + np.cos(f(math.pi) * f(done) / f(length))) / f(2)


def _warm_restarts(a: Arguments, f: Any, base: float, _: bool) -> Step:
    def step(rate: Any, t: int) -> Any:
        length = a["T_0"]
        while t >= length:
            t, length = t - length, length * a["T_mult"]
        return _half_a_cosine(f, f(base), f(a["eta_min"]), t, length)

    return step


def _cyclic(a: Arguments, f: Any, base: float, _: bool) -> Step:
    up = float(a["step_size_up"])
    length = up + float(a["step_size_down"] or up)
    turn = f(up / length)

    def step(rate: Any, t: int) -> Any:
        cycle = np.floor(f(1) + f(t) / f(length))
        x = f(1) + f(t) / f(length) - cycle
        scale = x / turn if x <= turn else (x - f(1)) / (turn - f(1))
        height = (f(a["max_lr"]) - f(a["base_lr"])) * scale
        if a["mode"] == "triangular2":
            height = height * (f(1) / np.power(f(2), cycle - f(1)))
        elif a["mode"] == "exp_range":
            height = height * np.power(f(a["gamma"]), f(t))
        return f(a["base_lr"]) + height

    return step


def _one_cycle(a: Arguments, f: Any, base: float, _: bool) -> Step:
    total, top = a["total_steps"], a["max_lr"]
    start = top / a["div_factor"]
    end = start / a["final_div_factor"]
    corners = [(0.0, start), (float(a["pct_start"] * total) - 1, top), (total - 1, end)]
    if a["three_phase"]:
        corners.insert(2, (float(2 * a["pct_start"] * total) - 2, start))

    def step(rate: Any, t: int) -> Any:
        for i, ((a_, low), (b, high)) in enumerate(pairwise(corners)):
            if t <= b or i == len(corners) - 2:
                share = (t - a_) / (b - a_)
                if a["anneal_strategy"] == "linear":
                    return f((high - low) * share + low)
                return f(high + (low - high) / 2.0 * (math.cos(math.pi * share) + 1))
        raise AssertionError

    return step


def _plateau(a: Arguments, f: Any, base: float, callback: bool) -> Step:
    mode, metrics = a["mode"], a["metrics"]
    patience = a["patience"] - 1 if callback else a["patience"]
    cooldown = a["cooldown"] - 1 if callback and a["cooldown"] else a["cooldown"]
    relative = a.get("threshold_mode") == "rel"
    threshold = f(a["min_delta"] if callback else a["threshold"])
    best, bad, waiting = f(np.inf if mode == "min" else -np.inf), 0, 0

    def better(metric: Any) -> bool:
        if mode == "min":
            return metric < (best * (f(1) - threshold) if relative else best - threshold)
        return metric > (best * (f(1) + threshold) if relative else best + threshold)

    def step(rate: Any, t: int) -> Any:
        nonlocal best, bad, waiting
        if not 0 < t <= len(metrics):
            return rate
        metric = f(metrics[t - 1])
        if better(metric):
            best, bad = metric, 0
        else:
            bad += 1
        if waiting:
            waiting, bad = waiting - 1, 0
        if bad > patience:
            waiting, bad = cooldown, 0
            new = max(rate * f(a["factor"]), f(a["min_lr"]))
            return new if rate - new > f(a.get("eps", 0.0)) else rate
        return rate

    return step


def _swa(a: Arguments, f: Any, base: float, _: bool) -> Step:
    linear, epochs = a["anneal_strategy"] == "linear", a["anneal_epochs"]

    def annealed(t: float) -> float:
        return t if linear else (1 - math.cos(math.pi * t)) / 2

    def step(rate: Any, t: int) -> Any:
        t = max(1, t) if epochs == 0 else t
        before = annealed(max(0, min(1, (t - 1) / max(1, epochs))))
        first = a["swa_lr"] if before == 1 else (rate - before * a["swa_lr"]) / (1 - before)
        alpha = annealed(max(0, min(1, t / max(1, epochs))))
        return f(a["swa_lr"] * alpha + first * (1 - alpha))

    return step


def _of(made: Made, f: Any, base: float) -> Step:
    return SCHEDULERS[made.api.rpartition(".")[2]](made.arguments, f, base, False)


def _sequential(a: Arguments, f: Any, base: float, _: bool) -> Step:
    parts = [_of(part, f, base) for part in a["schedulers"]]
    starts = [0, *a["milestones"]]

    def step(rate: Any, t: int) -> Any:
        present = sum(milestone <= t for milestone in a["milestones"])
        return parts[present](
            f(base) if t == starts[present] else rate,
            t - starts[present],
        )

    return step


def _chained(a: Arguments, f: Any, base: float, _: bool) -> Step:
    parts = [_of(part, f, base) for part in a["schedulers"]]

    def step(rate: Any, t: int) -> Any:
        for part in parts:
            rate = part(rate, t)
        return rate

    return step


SCHEDULERS: dict[str, Callable[[Arguments, Any, Any, bool], Step]] = {
    "ChainedScheduler": _chained,
    "ConstantLR": _constant,
    "CosineAnnealingLR": _cosine,
    "CosineAnnealingWarmRestarts": _warm_restarts,
    "CyclicLR": _cyclic,
    "ExponentialLR": _exponential,
    "LambdaLR": _lambda,
    "LearningRateScheduler": _multiplicative,
    "LinearLR": _linear,
    "MultiStepLR": _multistep,
    "MultiplicativeLR": _multiplicative,
    "OneCycleLR": _one_cycle,
    "PolynomialLR": _polynomial,
    "ReduceLROnPlateau": _plateau,
    "SWALR": _swa,
    "SequentialLR": _sequential,
    "StepLR": _stairs,
}


# Lists: Python's own floats


def _epochs(total_step: int, step_per_epoch: int) -> list[int]:
    return [i // step_per_epoch for i in range(total_step)]


def _exponential_list(
    learning_rate, decay_rate, total_step, step_per_epoch, decay_epoch, is_stair
) -> list[float]:
    return [
        learning_rate * decay_rate ** (t // decay_epoch if is_stair else t / decay_epoch)
        for t in _epochs(total_step, step_per_epoch)
    ]


def _natural_list(
    learning_rate, decay_rate, total_step, step_per_epoch, decay_epoch, is_stair
) -> list[float]:
    return [
        learning_rate
        * math.e ** (-decay_rate * (t // decay_epoch * decay_epoch if is_stair else t))
        for t in _epochs(total_step, step_per_epoch)
    ]


def _inverse_list(
    learning_rate, decay_rate, total_step, step_per_epoch, decay_epoch, is_stair
) -> list[float]:
    return [
        learning_rate
        / (1 + (decay_rate * (t // decay_epoch) if is_stair else decay_rate * t / decay_epoch))
        for t in _epochs(total_step, step_per_epoch)
    ]


def _cosine_list(min_lr, max_lr, total_step, step_per_epoch, decay_epoch) -> list[float]:
    delta = 0.5 * (max_lr - min_lr)
    return [
        min_lr + delta * (1 + math.cos(math.pi * min(t, decay_epoch) / decay_epoch))
        for t in _epochs(total_step, step_per_epoch)
    ]


def _polynomial_list(
    learning_rate,
    end_learning_rate,
    total_step,
    step_per_epoch,
    decay_epoch,
    power,
    update_decay_epoch=False,
) -> list[float]:
    rates = []
    for t in _epochs(total_step, step_per_epoch):
        total = (
            decay_epoch * max(math.ceil(t / decay_epoch), 1) if update_decay_epoch else decay_epoch
        )
        left = 1 - min(t, total) / total
        rates.append((learning_rate - end_learning_rate) * left**power + end_learning_rate)
    return rates


def _warmup_list(learning_rate, total_step, step_per_epoch, warmup_epoch) -> list[float]:
    return [
        learning_rate * min(t, warmup_epoch) / warmup_epoch
        for t in _epochs(total_step, step_per_epoch)
    ]


def _piecewise_list(milestone, learning_rates) -> list[float]:
    rates: list[float] = []
    for until, rate in zip(milestone, learning_rates, strict=True):
        rates += [rate] * (until - len(rates))
    return rates


LISTS: dict[str, Callable[..., list[float]]] = {
    "cosine_decay_lr": _cosine_list,
    "exponential_decay_lr": _exponential_list,
    "inverse_decay_lr": _inverse_list,
    "natural_exp_decay_lr": _natural_list,
    "piecewise_constant_lr": _piecewise_list,
    "polynomial_decay_lr": _polynomial_list,
    "warmup_lr": _warmup_list,
}


# Cells: float32 tensors

_F = np.float32


def _cell(name: str, a: Arguments) -> Callable[[int], Any]:
    if name == "LearningRateSchedule":
        parts = [_cell(part.api.rpartition(".")[2], part.arguments) for part in a["schedules"]]
        starts = [0, *a["milestones"]]

        def joined(step: int) -> Any:
            present = sum(milestone <= step for milestone in a["milestones"])
            return parts[present](step - starts[present])

        return joined
    return lambda step: CELLS[name](a, step)


def _quotient(a: Arguments, step: int) -> Any:
    p = _F(step) / _F(a["decay_steps"])
    return np.floor(p) if a["is_stair"] else p


def _natural_cell(a: Arguments, step: int) -> Any:
    p, every = _F(step), _F(a["decay_steps"])
    p = np.floor(p / every) * every if a["is_stair"] else p
    return _F(a["learning_rate"]) * np.power(_F(math.e), _F(-a["decay_rate"]) * p)


def _cosine_cell(a: Arguments, step: int) -> Any:
    p = _F(min(step, a["decay_steps"])) / _F(a["decay_steps"])
    wave = _F(1) + np.sin(_F(math.pi) * (p + _F(0.5)))
    return _F(a["min_lr"]) + _F(0.5 * (a["max_lr"] - a["min_lr"])) * wave


def _polynomial_cell(a: Arguments, step: int) -> Any:
    t, total = _F(step), _F(a["decay_steps"])
    if a.get("update_decay_steps"):
        total = total * max(np.ceil(t / total), _F(1))
    left = _F(1) - min(t, total) / total
    start, end = a["learning_rate"], a["end_learning_rate"]
    return _F(start - end) * np.power(left, _F(a["power"])) + _F(end)


CELLS: dict[str, Callable[[Arguments, int], Any]] = {
    "CosineDecayLR": _cosine_cell,
    "ExponentialDecayLR": lambda a, step: (
        _F(a["learning_rate"]) * np.power(_F(a["decay_rate"]), _quotient(a, step))
    ),
    "InverseDecayLR": lambda a, step: (
        _F(a["learning_rate"]) / (_F(1) + _F(a["decay_rate"]) * _quotient(a, step))
    ),
    "NaturalExpDecayLR": _natural_cell,
    "PolynomialDecayLR": _polynomial_cell,
    "WarmUpLR": lambda a, step: (
        _F(a["learning_rate"]) * (_F(min(step, a["warmup_steps"])) / _F(a["warmup_steps"]))
    ),
}

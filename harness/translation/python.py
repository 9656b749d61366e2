"""Schedules as plain Python: a function `rate(t)` of the counts made.

What it prints is run before it is shown, and its rates are held against the reference model.
"""

from __future__ import annotations

from collections.abc import Callable
from textwrap import indent
from typing import Any

from harness.reference import (
    Chained,
    Constant,
    Cosine,
    Cyclic,
    Exponential,
    Function,
    InverseTime,
    Lambda,
    Linear,
    Multiplicative,
    MultiStep,
    NaturalExponential,
    OneCycle,
    Piecewise,
    Polynomial,
    Schedule,
    Sequential,
    Swa,
    WarmRestarts,
)
from harness.translation.tabulated import Tabulated


def definition(schedule: Schedule, counts: int, name: str = "rate") -> str:
    """Python source that defines `name(t)`, the rate once `t` updates or epochs are made.

    `counts` is how many values of `t` there are, for what is worked out from one to the next.

    Raises:
        LookupError: the schedule is driven by more than the count.
    """
    write = _WRITERS.get(type(schedule))
    for kind in type(schedule).__mro__:
        write = write or _WRITERS.get(kind)
    if write is None:
        raise LookupError(type(schedule).__name__)
    return write(schedule, counts, name)


def imports(code: str) -> str:
    """The import line that the code needs, or nothing."""
    lines = ["import math"] if "math." in code else []
    lines += ["import numpy as np"] if "np." in code else []
    lines += ["import numpy"] if "numpy." in code else []
    return "\n".join(lines)


def _function(name: str, *body: str) -> str:
    return f"def {name}(t):\n" + indent("\n".join(body), "    ")


def _returns(formula: Callable[[Any], str]) -> Callable[[Any, int, str], str]:
    """A schedule that is one expression."""
    return lambda schedule, _, name: _function(name, f"return {formula(schedule)}")


def _exponential(s: Exponential) -> str:
    if s.decay_every == 1:
        return f"{s.base_lr} * {_base(s.decay_rate)} ** t"
    divided = "//" if s.staircase else "/"
    return f"{s.base_lr} * {_base(s.decay_rate)} ** (t {divided} {s.decay_every})"


def _base(number: float) -> str:
    return f"({number})" if number < 0 else f"{number}"


def _multistep(s: MultiStep) -> str:
    passed = f"sum(t >= milestone for milestone in {s.milestones})"
    return f"{s.base_lr} * {_base(s.gamma)} ** {passed}"


def _constant(s: Constant) -> str:
    return f"{s.base_lr} * ({s.factor} if t < {s.total_iters} else 1.0)"


def _linear(s: Linear) -> str:
    done = f"min(t, {s.total_iters}) / {s.total_iters}"
    if not s.start_factor:
        return f"{s.base_lr} * {s.end_factor} * {done}"
    rise = f"({s.end_factor} - {s.start_factor})"
    return f"{s.base_lr} * ({s.start_factor} + {rise} * {done})"


def _polynomial(s: Polynomial, _: int, name: str) -> str:
    total = str(s.total_iters)
    lines = []
    if s.cycle:
        lines.append(f"total = {total} * max(1, -(-t // {total}))")
        total = "total"
    left = f"(1 - min(t, {total}) / {total})"
    if s.end_lr:
        lines.append(f"return ({s.base_lr} - {s.end_lr}) * {left} ** {s.power} + {s.end_lr}")
    else:
        lines.append(f"return {s.base_lr} * {left} ** {s.power}")
    return _function(name, *lines)


def _cosine(s: Cosine) -> str:
    at = f"t % {2 * s.T_max}" if s.periodic else f"min(t, {s.T_max})"
    return _wave(s.eta_min, s.base_lr, f"({at}) / {s.T_max}")


def _wave(low: float, high: float, share: str) -> str:
    wave = f"(1 + math.cos(math.pi * {share})) / 2"
    return f"{low} + ({high} - {low}) * {wave}" if low else f"{high} * {wave}"


def _warm_restarts(s: WarmRestarts, _: int, name: str) -> str:
    if s.T_mult == 1:
        share = f"(t % {s.T_0}) / {s.T_0}"
        return _function(name, f"return {_wave(s.eta_min, s.base_lr, share)}")
    return _function(
        name,
        f"length = {s.T_0}",
        "while t >= length:",
        f"    t, length = t - length, length * {s.T_mult}",
        f"return {_wave(s.eta_min, s.base_lr, 't / length')}",
    )


def _cyclic(s: Cyclic, _: int, name: str) -> str:
    up = s.step_size_up
    down = s.step_size_down or up
    scale = {
        "triangular": "",
        "triangular2": " / 2**cycle",
        "exp_range": f" * {_base(s.gamma)} ** t",
    }[s.policy]
    return _function(
        name,
        f"cycle, place = divmod(t, {up + down})",
        f"height = place / {up} if place < {up} else ({up + down} - place) / {down}",
        f"return {s.base_lr} + ({s.max_lr} - {s.base_lr}) * height{scale}",
    )


def _one_cycle(s: OneCycle, _: int, name: str) -> str:
    start = f"{s.max_lr} / {s.div_factor}"
    lines = [
        f"top, start = {s.max_lr}, {start}",
        f"end = start / {s.final_div_factor}",
        f"peak = {s.pct_start} * {s.total_steps} - 1",
    ]
    phases = ["(0, peak, start, top)"]
    if s.three_phase:
        lines.append(f"back = 2 * {s.pct_start} * {s.total_steps} - 2")
        phases += ["(peak, back, top, start)", f"(back, {s.total_steps - 1}, start, end)"]
    else:
        phases.append(f"(peak, {s.total_steps - 1}, top, end)")
    lines.append(f"for begins, ends, one, other in [{', '.join(phases)}]:")
    lines.append(f"    if t <= ends or ends == {s.total_steps - 1}:")
    lines.append("        done = (t - begins) / (ends - begins)")
    if s.anneal == "linear":
        lines.append("        return one + (other - one) * done")
    else:
        lines.append("        return other + (one - other) * (1 + math.cos(math.pi * done)) / 2")
    return _function(name, *lines)


def _swa(s: Swa, _: int, name: str) -> str:
    if not s.anneal_epochs:
        return _function(name, f"return {s.swa_lr}")
    share = f"min(t, {s.anneal_epochs}) / {s.anneal_epochs}"
    if s.anneal == "cos":
        share = f"(1 - math.cos(math.pi * {share})) / 2"
    return _function(
        name, f"done = {share}", f"return {s.swa_lr} * done + {s.base_lr} * (1 - done)"
    )


def _reached(s: InverseTime | NaturalExponential) -> str:
    if s.staircase:
        return f"(t // {s.decay_every})"
    return "t" if s.decay_every == 1 else f"t / {s.decay_every}"


def _inverse_time(s: InverseTime) -> str:
    return f"{s.base_lr} / (1 + {s.decay_rate} * {_reached(s)})"


def _natural_exponential(s: NaturalExponential) -> str:
    return f"{s.base_lr} * math.exp(-{s.decay_rate} * {_reached(s)})"


def _piecewise(s: Piecewise, _: int, name: str) -> str:
    lines = []
    for milestone, rate in zip(s.milestones, [s.base_lr, *s.rates_after], strict=False):
        lines += [f"if t < {milestone}:", f"    return {rate}"]
    return _function(name, *lines, f"return {[s.base_lr, *s.rates_after][-1]}")


_NAMED = {
    "power": "{a} ** t",
    "inverse": "1 / (1 + {a} * t)",
    "inverse_sqrt": "(1 + {a} * t) ** -0.5",
    "constant": "{a}",
    "table": "{values}[min(t, {last})]",
}


def _named(function: Function) -> str:
    values = list(function.values)
    return _NAMED[function.name].format(a=function.a, values=values, last=len(values) - 1)


def _lambda(s: Lambda) -> str:
    return f"{s.base_lr} * ({_named(s.function)})"


def _one_by_one(base_lr: float, factor: str, counts: int, name: str) -> str:
    """From each rate to the next, kept in a list."""
    rates = f"{name}s"
    return "\n".join(
        [
            f"{rates} = [{base_lr}]",
            f"for t in range(1, {counts}):",
            f"    {rates}.append({rates}[-1] * ({factor}))",
            "",
            "",
            _function(name, f"return {rates}[min(t, {counts - 1})]"),
        ]
    )


def _multiplicative(s: Multiplicative, counts: int, name: str) -> str:
    return _one_by_one(s.base_lr, _named(s.function), counts, name)


def _tabulated(s: Tabulated, counts: int, name: str) -> str:
    if s.multiplied:
        return f"{s.source}\n\n\n{_one_by_one(s.base_lr, 'factor(t)', counts, name)}"
    return f"{s.source}\n\n\n" + _function(name, f"return {s.base_lr} * factor(t)")


def _sequential(s: Sequential, counts: int, name: str) -> str:
    names = [f"{name}_{number}" for number in range(1, len(s.parts) + 1)]
    parts = [definition(p, counts, own) for p, own in zip(s.schedules, names, strict=True)]
    lines = []
    for own, start in reversed(list(zip(names[1:], s.milestones, strict=True))):
        lines += [f"if t >= {start}:", f"    return {own}(t - {start})"]
    return "\n\n\n".join([*parts, _function(name, *lines, f"return {names[0]}(t)")])


def _chained(s: Chained, counts: int, name: str) -> str:
    names = [f"{name}_factor_{number}" for number in range(1, len(s.parts) + 1)]
    parts = [
        definition(p.model_copy(update={"base_lr": 1.0}), counts, own)
        for p, own in zip(s.schedules, names, strict=True)
    ]
    product = " * ".join(f"{own}(t)" for own in names)
    return "\n\n\n".join([*parts, _function(name, f"return {s.base_lr} * {product}")])


_WRITERS: dict[type[Any], Callable[[Any, int, str], str]] = {
    Chained: _chained,
    Constant: _returns(_constant),
    Cosine: _returns(_cosine),
    Cyclic: _cyclic,
    Exponential: _returns(_exponential),
    InverseTime: _returns(_inverse_time),
    Lambda: _returns(_lambda),
    Linear: _returns(_linear),
    Multiplicative: _multiplicative,
    MultiStep: _returns(_multistep),
    NaturalExponential: _returns(_natural_exponential),
    OneCycle: _one_cycle,
    Piecewise: _piecewise,
    Polynomial: _polynomial,
    Sequential: _sequential,
    Swa: _swa,
    Tabulated: _tabulated,
    WarmRestarts: _warm_restarts,
}

"""Faults planted in correct implementations: the simulated one, with one thing made wrong.

Each planter draws a case and gives what a faulty implementation would show. What it draws is such
that the fault shows; where it shows in the same values as a simpler fault by plain mathematics, it
says so, and another is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.budget import unit_roundoff
from harness.case import ScheduleCase
from harness.catalogue import (
    IMPLEMENTATIONS,
    Kind,
    Precision,
    Training,
    Unsupported,
    express,
    mappings,
)
from harness.diagnosis import Cause
from harness.judgement import Judgement
from harness.observation import Observation
from harness.verdict import Verdict
from helpers import simulated
from helpers.making import judged, schedule_case, sequence, trial
from helpers.simulated import simulate

Rng = np.random.Generator
SCHEDULER = "torch.optim.lr_scheduler."
EXPERIMENTAL = "mindspore.experimental.optim.lr_scheduler."


class Again(Exception):
    """What was drawn is no example of the fault."""


class Equal(Again):
    """What was drawn gives the values of a simpler fault, by plain mathematics."""


# Schedules


def rate(rng: Rng, low: float = -4, high: float = 0) -> float:
    return float(f"{10 ** rng.uniform(low, high):.3g}")


def base(rng: Rng) -> float:
    return rate(rng, -4, 0)


def length(rng: Rng, most: int = 16) -> int:
    return int(rng.integers(3, most))


def _milestones(rng: Rng) -> list[int]:
    return sorted(
        rng.choice(np.arange(2, 20), size=int(rng.integers(2, 4)), replace=False).tolist()
    )


def _plateau(rng: Rng) -> dict[str, Any]:
    return {
        "metrics": rng.choice([1.0, 2.0, 0.5, 4.0, 0.25], size=64).tolist(),
        "factor": rate(rng, -1, -0.1),
        "patience": int(rng.integers(1, 4)),
        "cooldown": int(rng.integers(0, 3)),
        "threshold": 0.0,
        "eps": 0.0,
    }


def _sequential(rng: Rng) -> dict[str, Any]:
    parts = [
        {"linear": {"start_factor": 0.1, "end_factor": 1.0, "total_iters": length(rng, 8)}},
        {"exponential": {"decay_rate": rate(rng, -0.3, -0.02), "decay_steps": 1}},
    ]
    return {"parts": parts, "milestones": [length(rng, 10)]}


PARAMETERS: dict[str, Callable[[Rng], dict[str, Any]]] = {
    "constant": lambda rng: {"factor": rate(rng, -1, -0.1), "total_iters": length(rng)},
    "cosine": lambda rng: {"T_max": length(rng), "periodic": True, "eta_min": 1e-5},
    "cyclic": lambda rng: {
        "max_lr": rate(rng, 0.3, 1),
        "step_size_up": length(rng, 8),
        "step_size_down": length(rng, 8),
    },
    "exponential": lambda rng: {
        "decay_rate": rate(rng, -0.4, -0.02),
        "decay_steps": int(rng.integers(1, 7)),
        "staircase": bool(rng.integers(2)),
    },
    "inverse_time": lambda rng: {
        "decay_rate": rate(rng, -2, 0),
        "decay_every": int(rng.integers(2, 7)),
        "staircase": bool(rng.integers(2)),
    },
    "lambda": lambda rng: {"function": {"name": "power", "a": rate(rng, -0.4, -0.02)}},
    "linear": lambda rng: {
        "start_factor": rate(rng, -1, -0.2),
        "end_factor": 1.0,
        "total_iters": length(rng),
    },
    "multistep": lambda rng: {"gamma": rate(rng, -1, -0.05), "milestones": _milestones(rng)},
    "natural_exponential": lambda rng: {
        "decay_rate": rate(rng, -2, 0),
        "decay_every": int(rng.integers(2, 7)),
        "staircase": bool(rng.integers(2)),
    },
    "piecewise": lambda rng: {"milestones": [5, length(rng) + 4], "rates_after": [base(rng), 0.5]},
    "plateau": _plateau,
    "polynomial": lambda rng: {
        "total_iters": length(rng),
        "power": float(rng.choice([0.5, 1.0, 2.0, 3.0])),
    },
    "sequential": _sequential,
    "warm_restarts": lambda rng: {
        "T_0": length(rng, 10),
        "T_mult": int(rng.integers(1, 3)),
        "eta_min": 1e-5,
    },
}
FAMILIES = sorted(PARAMETERS)


@dataclass(frozen=True)
class Drawn:
    """A case, and one implementation of it."""

    case: ScheduleCase
    api: str

    @property
    def n(self) -> int:
        return len(self.case.observed_steps)

    def rates(self, updates: int | None = None, **changed: Any) -> np.ndarray:
        """What a correct implementation gives, for another schedule if that is changed."""
        case = self.case
        schedule = case.schedule.model_copy(update=changed) if changed else case.schedule
        every = case.steps_per_epoch
        return self.of(schedule, updates or self.n, every)

    def of(self, schedule: Any, updates: int, every: int = 1) -> np.ndarray:
        training = Training(updates, every)
        call = express(IMPLEMENTATIONS[self.api], self.case.family, schedule, training)
        if isinstance(call, Unsupported):
            raise Again
        return simulate(self.api, call, training)

    def counts(self, updates: int) -> np.ndarray:
        """The rates at the schedule's own counts."""
        case = self.case
        field = "decay_epochs" if case.family == "exponential" else "counted_in"
        schedule = case.schedule
        if schedule.per_epoch and field == "decay_epochs":
            schedule = schedule.model_copy(
                update={"decay_steps": schedule.decay_epochs, "decay_epochs": None}
            )
        elif schedule.per_epoch:
            schedule = schedule.model_copy(update={"counted_in": "updates"})
        return self.of(schedule, updates)


def drawn(
    rng: Rng,
    family: str | None = None,
    api: str | None = None,
    n: int | None = None,
    every: int = 1,
    per_epoch: bool = False,
    parameters: dict[str, Any] | None = None,
    **fields: Any,
) -> Drawn:
    """A case of a random family, unless it is given, on a random implementation."""
    family = family or str(rng.choice(FAMILIES))
    terms = {"base_lr": base(rng), **PARAMETERS[family](rng), **(parameters or {})}
    if family == "cyclic" and "base_lr" not in (parameters or {}):
        terms["base_lr"] = rate(rng, -3, -1)
    rows = mappings(family=family) if api is None else mappings(api, family)
    chosen = rows[int(rng.integers(len(rows)))].api
    implementation = IMPLEMENTATIONS[chosen]
    if chosen.endswith("ReduceLROnPlateau") and implementation.kind is Kind.CALLBACK:
        raise Again
    if family == "cosine" and implementation.kind is not Kind.SCHEDULER:
        terms = {**terms, "periodic": False}
    if chosen.endswith(("WarmUpLR", "warmup_lr")):
        terms = {**terms, "start_factor": 0.0}
    if per_epoch and family == "exponential":
        terms["decay_epochs"] = terms.pop("decay_steps")
    elif per_epoch:
        terms["counted_in"] = "epochs"
    n = n or int(rng.integers(24, 48))
    case = schedule_case(
        family=family,
        schedule=terms,
        steps=n,
        steps_per_epoch=every,
        expected={"accepted": True},
        **fields,
    )
    case = case.model_copy(update={"expected": _EXPECTED})
    try:
        trial(case, chosen)
    except ValueError:
        raise Again from None
    return Drawn(case, chosen)


_EXPECTED = schedule_case().expected.model_copy(update={"values": {}})


def verdict(it: Drawn, reported: Any, applied: Any = None) -> Judgement:
    """The judgement on a trial of it that showed these rates."""
    made = trial(it.case, it.api)
    implementation = made.implementation
    sequences = {"reported": sequence(implementation.precision, reported)}
    applied = reported if applied is None else applied
    sequences["applied"] = sequence(implementation.applied_precision, applied)
    return judged(made, Observation(sequences=sequences))


def same(one: np.ndarray, other: np.ndarray, room: float = 1e-9) -> bool:
    """Whether two sequences are the same up to what rounding may do."""
    return bool(np.allclose(one, other, rtol=room, atol=room * float(np.abs(other).max())))


def shifted(it: Drawn, rates: np.ndarray) -> bool:
    """Whether these rates are the due ones a few steps late or early."""
    due, steps = it.rates(it.n + 3), np.arange(it.n)
    return any(same(rates, due[np.maximum(steps + by, 0)]) for by in range(-3, 4) if by)


# The faults


def late_or_early(rng: Rng) -> Judgement:
    it = drawn(rng)
    by = int(rng.integers(1, 7)) * (1 if rng.integers(2) else -1)
    rates = it.rates(it.n + 8)[np.maximum(np.arange(it.n) - by, 0)]
    if same(rates, rates[:1]):
        raise Equal  # it stands still: how late that is, nobody can see
    return verdict(it, rates)


def other_unit(rng: Rng) -> Judgement:
    per_epoch, every = bool(rng.integers(2)), int(rng.integers(2, 5))
    it = drawn(rng, every=every, per_epoch=per_epoch)
    steps = np.arange(it.n)
    return verdict(it, it.counts(it.n)[steps if per_epoch else steps // every])


def staircase(rng: Rng) -> Judgement:
    if rng.integers(3):
        it = drawn(rng, str(rng.choice(["exponential", "inverse_time", "natural_exponential"])))
        other = not it.case.schedule.staircase
        return verdict(it, it.rates(staircase=other))
    every = int(rng.integers(2, 5))
    it = drawn(rng, every=every)
    return verdict(it, it.rates()[np.arange(it.n) // every * every])


LENGTHS = {
    "total_iters",
    *("T_max", "T_0", "decay_steps", "decay_every", "step_size_up", "step_size_down"),
    *("patience", "cooldown", "milestones"),
}


def length_off_by_one(rng: Rng) -> Judgement:
    it = drawn(rng)
    schedule = it.case.schedule
    if it.case.family == "sequential":
        at = schedule.milestones[0]
        return verdict(it, it.rates(milestones=[at + 1 if rng.integers(2) else at - 1]))
    names = sorted(LENGTHS & set(type(schedule).model_fields))
    if not names:
        raise Again
    name = str(rng.choice(names))
    value, by = getattr(schedule, name), 1 if rng.integers(2) else -1
    if isinstance(value, list):
        which = int(rng.integers(len(value)))
        value = [v + by * (i == which) for i, v in enumerate(value)]
        if len(set(value)) < len(value):
            raise Again
    else:
        value += by
    if value == 0 and name not in {"cooldown", "patience"}:
        raise Again
    if value == -1:
        raise Again
    rates = it.rates(**{name: value})
    if shifted(it, rates):
        raise Equal  # as with a single milestone
    return verdict(it, rates)


def factor_once_too_often(rng: Rng) -> Judgement:
    family = str(
        rng.choice(["exponential", "multistep", "constant", "plateau", "linear", "cosine"])
    )
    rows = [m.api for m in mappings(family=family) if _stepped(m.api)]
    it = drawn(rng, family, str(rng.choice(rows)))
    call, name = trial(it.case, it.api).call, it.api.rpartition(".")[2]
    f = np.dtype(IMPLEMENTATIONS[it.api].precision).type

    def stepped(twice: int) -> np.ndarray:
        driver = {"metrics": call.metrics} if name == "ReduceLROnPlateau" else {}
        step = simulated.SCHEDULERS[name]({**call.arguments, **driver}, f, call.base_lr, False)
        rate, rates = f(call.base_lr), []
        for t in range(it.n):
            before, rate = rate, step(rate, t)
            if t == twice:
                # Not a second step() of one that counts, but its factor a second time.
                rate = step(rate, t) if family != "plateau" else rate * (rate / before)
            rates.append(rate)
        return np.array(rates)

    return verdict(it, stepped(int(rng.integers(1, it.n - 2))))


def _stepped(api: str) -> bool:
    return IMPLEMENTATIONS[api].kind is Kind.SCHEDULER


def another_base_rate(rng: Rng) -> Judgement:
    it = drawn(rng)
    return verdict(it, it.rates(base_lr=it.case.schedule.base_lr * rate(rng, -1, 1)))


def frozen(rng: Rng) -> Judgement:
    it = drawn(rng)
    rates = it.rates()[np.minimum(np.arange(it.n), int(rng.integers(0, it.n - 2)))]
    if it.case.family == "constant" and same(rates, rates[:1]):
        raise Equal  # a factor that is never taken back
    return verdict(it, rates)


def clamped_or_not(rng: Rng) -> Judgement:
    family = str(
        rng.choice(["cosine", "linear", "polynomial", "warm_restarts", "constant", "cyclic"])
    )
    it = drawn(rng, family)
    return verdict(it, _with_another_end(it, rng))


def _with_another_end(it: Drawn, rng: Rng) -> np.ndarray:
    schedule, steps, rates = it.case.schedule, np.arange(it.n), it.rates()
    f = np.dtype(IMPLEMENTATIONS[it.api].precision).type
    name = it.case.family
    if name == "cosine" and schedule.periodic:
        return rates[np.minimum(steps, schedule.T_max)]
    if name == "cosine":
        low, high, n = f(schedule.eta_min), f(schedule.base_lr), schedule.T_max
        wave = np.array([np.cos(f(math.pi) * (f(t) / f(n))) for t in steps])
        return low + f(0.5) * (high - low) * (f(1) + wave)
    if name == "linear":
        start, end = f(schedule.start_factor), f(schedule.end_factor)
        done = steps.astype(f) / f(schedule.total_iters)
        return f(schedule.base_lr) * (start + (end - start) * done)
    if name == "polynomial":
        if _stepped(it.api):
            raise Again  # a recursion that has come to 0 stays there
        if rng.integers(2):
            return it.rates(cycle=True)
        left = f(1) - steps.astype(f) / f(schedule.total_iters)
        with np.errstate(all="ignore"):
            return f(schedule.base_lr) * np.power(left, f(schedule.power))
    if name == "warm_restarts":
        low, high, n = f(schedule.eta_min), f(schedule.base_lr), schedule.T_0
        held = np.minimum(steps, n).astype(f) / f(n)
        return low + (high - low) * (f(1) + np.cos(f(math.pi) * held)) / f(2)
    if name == "cyclic":
        return rates[np.minimum(steps, schedule.step_size_up + schedule.step_size_down)]
    return np.full(it.n, rates[0])


def coarser_arithmetic(rng: Rng) -> Judgement:
    fine = Precision.FLOAT64
    formats = [p for p in Precision if p is not fine]
    wanted = formats[int(rng.integers(len(formats)))]
    it = drawn(rng)
    own = IMPLEMENTATIONS[it.api]
    if unit_roundoff(wanted) <= unit_roundoff(own.precision) or own.kind is Kind.LIST:
        raise Again
    with computing_in(it.api, wanted):
        rates = it.rates()
    return verdict(it, rates)


@contextmanager
def computing_in(api: str, precision: Precision) -> Iterator[None]:
    """The simulated implementations of an API compute in another precision."""
    own = IMPLEMENTATIONS[api]
    kept = simulated.IMPLEMENTATIONS, simulated._F
    simulated.IMPLEMENTATIONS = {**IMPLEMENTATIONS, api: replace(own, precision=precision)}
    simulated._F = np.dtype(precision).type
    try:
        yield
    finally:
        simulated.IMPLEMENTATIONS, simulated._F = kept


def parameter_rounded(rng: Rng) -> Judgement:
    it = drawn(rng)
    schedule = it.case.schedule
    names = [
        name
        for name in type(schedule).model_fields
        if isinstance(getattr(schedule, name), float) and getattr(schedule, name) not in (0, 1)
    ]
    name = str(rng.choice(names))
    long = getattr(schedule, name) * (1 + 1e-3 * rng.random())
    terms = schedule.model_dump(exclude_unset=True, by_alias=True)
    it = drawn(rng, it.case.family, it.api, it.n, parameters={**terms, name: long})
    rounded = _rounded(rng, long, IMPLEMENTATIONS[it.api].precision)
    if rounded == 0:
        raise Equal  # nothing moves any more
    return verdict(it, it.rates(**{name: rounded}))


def _rounded(rng: Rng, value: float, finer: Precision) -> float:
    way = int(rng.integers(3))
    if way == 0 and finer is Precision.FLOAT64:
        return float(np.float32(value))
    if way == 1:
        return round(value, int(rng.integers(2, 7)))
    return float(f"{value:.{int(rng.integers(1, 6))}e}")


def subnormal_flushed(rng: Rng) -> Judgement:
    way = int(rng.integers(4))
    if way == 0:  # rates that float32 has no normal numbers for, in float64
        n = int(rng.integers(60, 120))
        it = drawn(
            rng,
            "exponential",
            n=n,
            parameters={"decay_rate": rate(rng, -2, -0.6), "decay_steps": 1},
        )
        rates = it.rates()
        return verdict(it, np.where(np.abs(rates) < 2.0**-126, 0.0, rates))
    if way == 1:  # a factor that is subnormal in float32
        tiny = rate(rng, -43, -39)
        family = str(rng.choice(["linear", "constant"]))
        name = {"linear": "start_factor", "constant": "factor"}[family]
        big = {name: tiny, "base_lr": rate(rng, 3, 6)}
        it = drawn(rng, family, EXPERIMENTAL + f"{family.title()}LR", parameters=big)
        if family == "constant":
            flushed = np.where(np.arange(it.n) < it.case.schedule.total_iters, 0.0, it.rates()[-1])
            return verdict(it, flushed * np.arange(it.n).astype(bool))
        raise Again
    if way == 2:  # a rate that is subnormal for a while, and grows again
        at = _milestones(rng)[:2]
        low = rate(rng, -42, -39)
        terms = {"base_lr": low, "gamma": rate(rng, 1, 6), "milestones": at}
        it = drawn(rng, "multistep", EXPERIMENTAL + "MultiStepLR", parameters=terms)
        return verdict(it, 0 * it.rates())
    terms = {"base_lr": rate(rng, -42, -39), "decay_rate": rate(rng, 0.1, 1), "decay_steps": 1}
    it = drawn(rng, "exponential", n=30, parameters=terms)
    return verdict(it, it.rates(base_lr=0.0))


def recursion_drift(rng: Rng) -> Judgement:
    """A closed form that is computed as a recursion, or as a sum, over many steps."""
    n = int(rng.integers(300, 600))
    if rng.integers(2):
        terms = {"decay_rate": float(1 - 10 ** rng.uniform(-3.5, -2)), "decay_steps": 1}
        rows = [m.api for m in mappings(family="exponential") if m.api.startswith("mindspore.nn")]
        it = drawn(rng, "exponential", str(rng.choice(rows)), n, parameters=terms)
        f = np.dtype(IMPLEMENTATIONS[it.api].precision).type
        factor, value = f(it.case.schedule.decay_rate), f(it.case.schedule.base_lr)
        rates = []
        for _ in range(n):
            rates.append(value)
            value = value * factor
        return verdict(it, rates)
    rows = [m.api for m in mappings(family="linear") if m.api.startswith("mindspore.nn")]
    terms = {"start_factor": 0.0, "end_factor": 1.0, "total_iters": n}
    it = drawn(rng, "linear", str(rng.choice(rows)), n, parameters=terms)
    f = np.dtype(IMPLEMENTATIONS[it.api].precision).type
    step, value = f(it.case.schedule.base_lr) / f(n), f(0)
    rates = []
    for _ in range(n):
        rates.append(value)
        value = value + step
    return verdict(it, rates)


def reported_but_not_applied(rng: Rng) -> Judgement:
    it = drawn(rng)
    rates, steps = it.rates(it.n + 8), np.arange(it.n)
    way = int(rng.integers(4))
    applied = [
        rates[np.maximum(steps - int(rng.integers(1, 4)), 0)],
        rates[steps + int(rng.integers(1, 4))],
        rates[np.minimum(steps, int(rng.integers(0, it.n - 2)))],
        np.full(it.n, it.case.schedule.base_lr),
    ][way]
    return verdict(it, rates[: it.n], applied)


def another_groups_rate(rng: Rng) -> Judgement:
    others = [{"schedule": {"base_lr": base(rng)}} for _ in range(int(rng.integers(1, 3)))]
    family = str(rng.choice(sorted(set(FAMILIES) - {"cyclic", "plateau", "sequential"})))
    it = drawn(rng, family, groups=others)
    made, case = trial(it.case, it.api), it.case
    rates = [it.of(schedule, it.n) for schedule in case.schedules]
    order = list(range(len(rates)))
    i, j = rng.choice(order, size=2, replace=False).tolist()
    order[i] = j
    if rng.integers(2):
        order[j] = i
    implementation = made.implementation
    sequences = {}
    for number, of in enumerate(order):
        end = f" {number}" if number else ""
        sequences[f"reported{end}"] = sequence(implementation.precision, rates[of])
        sequences[f"applied{end}"] = sequence(implementation.applied_precision, rates[of])
    return judged(made, Observation(sequences=sequences))


def resumed_at_the_wrong_step(rng: Rng) -> Judgement:
    at = int(rng.integers(4, 16))
    family = str(rng.choice(FAMILIES))
    torch = [m.api for m in mappings(family=family) if m.api.startswith("torch")]
    if not torch:
        raise Again
    resume = {"at": at, "by": "state_dict"}
    it = drawn(rng, family, str(rng.choice(torch)), resume=resume)
    by = [at, 1, -1, int(rng.integers(-3, 4))][int(rng.integers(4))]
    if by == 0:
        raise Again
    steps, rates = np.arange(it.n), it.rates(it.n + 8)
    return verdict(it, rates[np.where(steps < at, steps, np.maximum(steps - by, 0))])


PLANTERS: dict[Cause, Callable[[Rng], Judgement]] = {
    Cause.SHIFT: late_or_early,
    Cause.UNIT: other_unit,
    Cause.STAIRCASE: staircase,
    Cause.LENGTH: length_off_by_one,
    Cause.FACTOR: factor_once_too_often,
    Cause.BASE: another_base_rate,
    Cause.FROZEN: frozen,
    Cause.END: clamped_or_not,
    Cause.COMPUTED: coarser_arithmetic,
    Cause.ROUNDED: parameter_rounded,
    Cause.FLUSHED: subnormal_flushed,
    Cause.DRIFT: recursion_drift,
    Cause.NOT_APPLIED: reported_but_not_applied,
    Cause.GROUP: another_groups_rate,
    Cause.RESUMED: resumed_at_the_wrong_step,
}


def _shows(cause: Cause, judgement: Judgement) -> bool:
    """Whether the fault shows at two steps at least, where its step has to be found."""
    found = {Cause.FROZEN, Cause.FACTOR, Cause.NOT_APPLIED, Cause.BASE, Cause.ROUNDED}
    diverging = max(len(c.diverging) for c in judgement.comparisons)
    return diverging >= (3 if cause in found else 1)


def planted(cause: Cause, seed: int) -> tuple[Judgement, int]:
    """A trial that diverges for that cause, and how many drawn before it were other ones too."""
    rng = np.random.default_rng([seed, *cause.encode()])
    equal = 0
    while True:
        try:
            judgement = PLANTERS[cause](rng)
        except Equal:
            equal += 1
            continue
        except Again:
            continue
        if judgement.verdict is Verdict.DIVERGES and _shows(cause, judgement):
            return judgement, equal

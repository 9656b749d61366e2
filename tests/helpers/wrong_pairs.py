"""Two traces of which the second went wrong in a known way, with random parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.catalogue import Precision
from harness.traces.diagnosis import PairCause
from harness.traces.trace import Header, Trace

Rates = np.ndarray
Course = Callable[[Rates], Rates]


def exponential(random, steps: int) -> Course:
    base, rest = random.uniform(0.01, 1), random.uniform(0.01, 0.5)
    return lambda n: base * rest ** (n / steps)


def polynomial(random, steps: int) -> Course:
    base, power = random.uniform(0.01, 1), random.uniform(1.2, 3)
    end = base * random.uniform(0.001, 0.1)
    return lambda n: end + (base - end) * (1 - np.minimum(n, steps) / steps) ** power


def cosine(random, steps: int) -> Course:
    base = random.uniform(0.01, 1)
    end = base * random.uniform(0, 0.1)
    return lambda n: end + (base - end) * (1 + np.cos(np.pi * np.minimum(n, steps) / steps)) / 2


SLOPES = (exponential, polynomial, cosine)


def slope(random, steps: int) -> Course:
    return SLOPES[random.integers(len(SLOPES))](random, steps)


def warmed(course: Course, warm_up: int, steps: Rates, late: int = 0) -> Rates:
    """The course after a linear warm-up, `late` steps late."""
    n = np.maximum(steps - warm_up - late, 0)
    rates = course(n)
    return np.where(steps < warm_up, course(np.zeros(1)) * (steps + 1) / (warm_up + 1), rates)


class Drawn:
    """What every pair is made of."""

    def __init__(self, random) -> None:
        self.random = random
        self.epoch = int(random.integers(5, 40))
        self.epochs = int(random.integers(8, 20))
        self.length = self.epoch * self.epochs
        self.steps = np.arange(self.length)
        self.warm_up = int(random.integers(3, self.length // 4))


def unit(d: Drawn):
    course = slope(d.random, d.length)
    first, second = course(d.steps // d.epoch), course(d.steps)
    return (first, second) if d.random.integers(2) else (second, first)


def staircase(d: Drawn):
    course = slope(d.random, d.length)
    first, second = course(d.steps), course(d.steps // d.epoch * d.epoch)
    return (first, second) if d.random.integers(2) else (second, first)


def shift(d: Drawn):
    course, by = slope(d.random, d.length), int(d.random.integers(1, 30))
    return course(d.steps), course(np.maximum(d.steps - by, 0))


def factor(d: Drawn):
    rates = warmed(slope(d.random, d.length), d.warm_up, d.steps)
    times = d.random.choice([8.0, 0.125, d.random.uniform(0.1, 0.9), d.random.uniform(1.1, 9)])
    return rates, times * rates


def one_late_after_warm_up(d: Drawn):
    course = slope(d.random, d.length)
    return warmed(course, d.warm_up, d.steps), warmed(course, d.warm_up, d.steps, late=1)


def warm_up_twice(d: Drawn):
    course = slope(d.random, d.length)
    return warmed(course, d.warm_up, d.steps), warmed(course, d.warm_up, d.steps, late=-d.warm_up)


def decay_in_epochs(d: Drawn):
    course = slope(d.random, d.length)
    return course(d.steps), course(d.steps * d.epoch)


def milestones(d: Drawn):
    base, gamma = d.random.uniform(0.01, 1), d.random.uniform(0.1, 0.5)
    marks = np.sort(d.random.choice(np.arange(2, d.epochs), 2, replace=False))
    first = base * gamma ** np.searchsorted(marks * d.epoch, d.steps, side="right")
    return first, base * gamma ** np.searchsorted(marks, d.steps, side="right")


def resumed(d: Drawn):
    course, at = slope(d.random, d.length), int(d.random.integers(d.length // 4, d.length // 2))
    by = int(d.random.choice([at, d.random.integers(1, at)]))
    return course(d.steps), course(np.where(d.steps < at, d.steps, d.steps - by))


def frozen(d: Drawn):
    rates = slope(d.random, d.length)(d.steps)
    return rates, np.full(d.length, rates[0])


def ends(d: Drawn):
    rates, at = slope(d.random, d.length)(d.steps), int(d.random.integers(2, d.length - 3))
    return rates, np.where(d.steps < at, rates, rates[at])


def too_short(d: Drawn):
    seed = d.random.integers(2**32)
    schedule = (polynomial, cosine)[d.random.integers(2)]
    short, due = (
        schedule(np.random.default_rng(seed), length) for length in (d.length - d.epoch, d.length)
    )
    return due(d.steps), short(d.steps)


def rounded(d: Drawn):
    rates = slope(d.random, d.length)(d.steps)
    return rates, np.round(rates, int(d.random.integers(4, 6)))


def another_range(d: Drawn):
    rates = slope(d.random, d.length)(d.steps)
    return rates, rates.min() * d.random.uniform(2, 5) + 0.5 * (rates - rates.min())


PLANTERS = {
    "unit": (PairCause.UNIT, unit),
    "staircase": (PairCause.STAIRCASE, staircase),
    "shift": (PairCause.SHIFT, shift),
    "factor": (PairCause.FACTOR, factor),
    "one late after warm-up": (PairCause.WARM_UP, one_late_after_warm_up),
    "warm-up twice": (PairCause.WARM_UP, warm_up_twice),
    "decay in epochs": (PairCause.TIMES, decay_in_epochs),
    "milestones": (PairCause.TIMES, milestones),
    "resumed": (PairCause.RESUMED, resumed),
    "frozen": (PairCause.FROZEN, frozen),
    "ends early": (PairCause.END, ends),
    "too short": (PairCause.LENGTH, too_short),
    "rounded": (PairCause.ROUNDED, rounded),
    "another range": (PairCause.RANGE, another_range),
}


def trace(name: str, sequences: dict[str, Rates], precision: Precision, epoch: int) -> Trace:
    """A trace of these rates, as `precision` holds them."""
    held = {
        kind: np.asarray(rates.astype(precision.value).astype(np.float64))
        for kind, rates in sequences.items()
    }
    steps = np.arange(len(next(iter(held.values()))))
    return Trace(Header(name, steps_per_epoch=epoch), steps, held, dict.fromkeys(held, precision))


def planted(name: str, seed: int, precision: Precision) -> tuple[Trace, Trace]:
    """A right trace in float64 and a wrong one in `precision`."""
    drawn = Drawn(np.random.default_rng(seed))
    one, other = PLANTERS[name][1](drawn)
    return (
        trace("first", {"reported": one}, Precision.FLOAT64, drawn.epoch),
        trace("second", {"reported": other}, precision, drawn.epoch),
    )

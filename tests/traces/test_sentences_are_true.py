"""Whatever two traces are, nothing is said of them that is not true of their rates."""

from __future__ import annotations

from collections import Counter
from math import isnan

import numpy as np
import pytest
from helpers.draws import draws
from helpers.sentences import holds
from helpers.wrong_pairs import PLANTERS, SLOPES, planted

from harness.catalogue import Precision
from harness.traces.comparing import compare
from harness.traces.trace import Header, Trace

TRIES = draws(200)
"""Pairs of each kind."""


def stairs(random, length):
    every, gamma = int(random.integers(2, 8)), random.choice([0.5, 0.1, 0.8])
    return 0.1 * gamma ** ((np.arange(length) + random.integers(0, every)) // every)


def milestones(random, length):
    marks = np.sort(random.integers(1, length, random.integers(1, 4)))
    return 0.1 * 0.5 ** np.searchsorted(marks, np.arange(length), side="right")


def slope(random, length):
    return SLOPES[random.integers(3)](random, length)(np.arange(length))


def warm_up(random, length):
    top = int(random.integers(1, max(2, length // 2)))
    steps = np.arange(length)
    falling = slope(random, length)[np.maximum(steps - top, 0)]
    return np.where(steps < top, falling[0] * (steps + 1) / (top + 1), falling)


def still(random, length):
    return np.full(length, float(random.choice([0.1, 0.05, 1.0])))


def anything(random, length):
    """A few rates in any order: much happens to be alike."""
    return random.choice([0.1, 0.05, 0.025], length)


def walk(random, length):
    return 0.1 * 0.5 ** np.cumsum(random.integers(0, 2, length))


COURSES = (stairs, milestones, slope, warm_up, still, anything, walk)


def shifted(random, rates):
    by = int(random.integers(-len(rates) + 1, len(rates)))
    return rates[np.clip(np.arange(len(rates)) + by, 0, len(rates) - 1)]


def lost(random, rates):
    begin = int(random.integers(0, len(rates)))
    return rates[begin : begin + int(random.integers(1, len(rates) + 1))]


def preceded(random, rates):
    return np.concatenate([random.choice([0.1, 0.3], random.integers(1, 9)), rates])


def inserted(random, rates):
    at = int(random.integers(0, len(rates)))
    return np.insert(rates, [at] * int(random.integers(1, 5)), random.choice([0.1, 0.2]))


def held(random, rates):
    at = int(random.integers(0, len(rates)))
    return np.where(np.arange(len(rates)) < at, rates, random.choice([rates[at], rates[-1], 0.07]))


def resumed(random, rates):
    at, steps = int(random.integers(1, len(rates))), np.arange(len(rates))
    by = int(random.integers(-at, at + 1))
    return rates[np.clip(np.where(steps < at, steps, steps - by), 0, len(rates) - 1)]


def sped(random, rates):
    times = int(random.integers(2, 6))
    steps = np.arange(len(rates))
    return rates[np.minimum(steps * times if random.integers(2) else steps // times, steps[-1])]


def stepped(random, rates):
    every = int(random.integers(2, 6))
    return rates[np.arange(len(rates)) // every * every]


def scaled(random, rates):
    since = int(random.choice([0, random.integers(0, len(rates))]))
    return np.where(np.arange(len(rates)) < since, rates, rates * random.choice([0.5, 3, 1.07]))


def moved(random, rates):
    return random.choice([0.5, -1.0]) * rates + random.choice([0.2, 0.01])


def rounded(random, rates):
    return np.round(rates, int(random.integers(2, 5)))


def touched(random, rates):
    made = rates.copy()
    made[random.integers(0, len(made))] *= random.choice([0.5, 2])
    return made


def replaced(random, rates):
    return COURSES[random.integers(len(COURSES))](random, len(rates))


FAULTS = (
    *(shifted, lost, preceded, inserted, held, resumed, sped, stepped, scaled, moved, rounded),
    *(touched, replaced),
)


def trace(name: str, sequences: dict[str, np.ndarray], epoch: int | None, resumed=()) -> Trace:
    length = max(map(len, sequences.values()))
    padded = {
        kind: np.pad(rates, (0, length - len(rates)), constant_values=np.nan)
        for kind, rates in sequences.items()
    }
    precision = dict.fromkeys(padded, Precision.FLOAT64)
    header = Header(name, steps_per_epoch=epoch)
    return Trace(header, np.arange(length), padded, precision, resumed=resumed)


def said(one: Trace, other: Trace, near: float = 1e-9) -> str | None:
    """The sentence, which is true."""
    found = compare(one, other).diagnosis
    if found is None:
        return None
    rates = [
        {
            name: {n: r for n, r in zip(t.steps.tolist(), s.tolist(), strict=True) if not isnan(r)}
            for name, s in t.sequences.items()
        }
        for t in (one, other)
    ]
    assert set(found.sequences) <= rates[0].keys() & rates[1].keys()
    assert holds(found.sentence, *rates, near=near), (found.sentence, rates)
    return found.cause


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_of_one_sequence(fault):
    causes = Counter()
    for seed in range(TRIES):
        random = np.random.default_rng([seed, FAULTS.index(fault)])
        length = int(random.integers(3, 60))
        one = COURSES[seed % len(COURSES)](random, length)
        other = fault(random, one)
        if random.integers(4) == 0:
            one, other = other, one
        epoch = int(random.integers(2, 9)) if random.integers(2) else None
        mark = (int(random.integers(1, length)),) if random.integers(3) == 0 else ()
        pair = (
            trace("one", {"reported": one}, epoch),
            trace("other", {"reported": other}, epoch, mark),
        )
        causes[said(*pair)] += 1
    print(causes)


@pytest.mark.parametrize("second", FAULTS, ids=lambda fault: fault.__name__)
def test_of_several_sequences(second):
    """Of which each may have a fault of its own, the same with other numbers, or none."""
    for seed in range(TRIES):
        random = np.random.default_rng([seed, FAULTS.index(second), 1])
        length = int(random.integers(3, 40))
        course = COURSES[seed % len(COURSES)](random, length)
        faults = (second, FAULTS[random.integers(len(FAULTS))], lambda _, rates: rates)
        one, other = {}, {}
        for name in ("reported", "applied", "reported 1", "applied 1"):
            drawn = np.random.default_rng([seed, 2])  # for those with the same fault, the same one
            one[name] = course * (0.5 if name.endswith("1") else 1)
            other[name] = faults[random.integers(3)](drawn, one[name])
        said(trace("one", one, None), trace("other", other, None))


@pytest.mark.parametrize("name", PLANTERS)
def test_of_what_is_recognised(name):
    for seed in range(draws(20)):
        said(*planted(name, seed, Precision.FLOAT64), near=1e-7)


@pytest.mark.parametrize("every", [3, 4, 5, 7])
@pytest.mark.parametrize("by", [-2, -1, 1, 2])
def test_stairs_that_are_shifted_by_less_than_their_length_are_said_to_be(every, by):
    steps = np.arange(4 * every)
    one, other = (0.1 * 0.5 ** (np.maximum(steps + n, 0) // every) for n in (0, by))
    comparison = compare(
        trace("one", {"reported": one}, None), trace("other", {"reported": other}, None)
    )
    count = "one step" if abs(by) == 1 else f"{abs(by)} steps"
    way = "early" if by > 0 else "late"
    assert comparison.diagnosis.sentence == f"the second is the first, {count} {way}"
    assert comparison.proposed.offset == -by

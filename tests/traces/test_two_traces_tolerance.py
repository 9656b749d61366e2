"""docs/tolerance.md on two traces: correct ones are never further apart than is allowed."""

from __future__ import annotations

from itertools import accumulate, combinations, repeat

import numpy as np
import pytest
from hypothesis import given, strategies as st

from harness.catalogue import Precision
from harness.traces.comparing import PairVerdict, compare
from harness.traces.trace import Header, Trace

N = 2000
STEPS = np.arange(N)
TYPES = (np.float32, np.float64)


def trace(rates: np.ndarray) -> Trace:
    precision = Precision(rates.dtype.name)
    return Trace(
        Header("x"), STEPS, {"reported": rates.astype(np.float64)}, {"reported": precision}
    )


def exponential(f, base, decay):
    yield f(base) * f(decay) ** STEPS.astype(f)
    yield np.array(list(accumulate(repeat(f(decay), N - 1), lambda r, a: r * a, initial=f(base))))


def polynomial(f, base, power):
    power = 3 * power
    yield f(base) * (f(1) - STEPS.astype(f) / f(N)) ** f(power)
    yield f(base) * ((f(N) - STEPS.astype(f)) / f(N)) ** f(power)


def cosine(f, base, share):
    end = f(base * share)
    wave = np.cos(f(np.pi) * STEPS.astype(f) / f(N))
    yield end + (f(base) - end) * (f(1) + wave) / f(2)
    yield end + f(0.5) * (f(base) - end) * (f(1) + wave)


def inverse_time(f, base, decay):
    yield f(base) / (f(1) + f(decay) * STEPS.astype(f))
    yield f(base) * (f(1) / (f(1) + f(decay) * STEPS.astype(f)))


def staircase(f, base, decay):
    yield f(base) * f(decay) ** (STEPS // 30).astype(f)
    factors = [f(decay) if n % 30 == 0 else f(1) for n in range(1, N)]
    yield np.array(list(accumulate(factors, lambda r, a: r * a, initial=f(base))))


@pytest.mark.parametrize(
    "family", [exponential, polynomial, cosine, inverse_time, staircase], ids=lambda f: f.__name__
)
@given(base=st.floats(1e-6, 10), parameter=st.floats(0.05, 0.99999))
def test_no_two_correct_implementations_are_told_to_differ(family, base, parameter):
    with np.errstate(under="ignore"):
        traces = [trace(rates) for f in TYPES for rates in family(f, base, parameter)]
    for one, other in combinations(traces, 2):
        comparison = compare(one, other)
        assert comparison.verdict is PairVerdict.AGREE, comparison.sequences[0].at(
            comparison.sequences[0].first or 0
        )


@pytest.mark.parametrize("relative", [1e-3, 1e-5])
def test_an_error_beyond_all_rounding_is_found_at_any_early_step(relative):
    rates = 0.1 * 0.999**STEPS
    for step in range(0, 70, 7):
        wrong = rates.copy()
        wrong[step] *= 1 + relative
        one, other = trace(rates.astype(np.float32)), trace(wrong)
        sequence = compare(one, other, explain=False).sequences[0]
        assert (sequence.first, sequence.diverging) == (step, 1)

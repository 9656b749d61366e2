"""The powers that the reference models are made of, held against 50 digits."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from helpers.draws import draws
from hypothesis import given, settings, strategies as st

from harness.reference.double_double import DoubleDouble
from harness.reference.exact import Exact

MAX = float(np.finfo(np.float64).max)
TINY = float(np.finfo(np.float64).tiny)
LEAST = 5e-324


def exact(scale: float, base: float, count: int, parts: int) -> mpmath.mpf:
    with mpmath.workdps(50):
        return mpmath.mpf(scale) * mpmath.power(mpmath.mpf(abs(base)), mpmath.mpf(count) / parts)


def ulps_off(value: float, due: mpmath.mpf) -> float:
    """The distance in units of the last place of the exact value rounded to float64."""
    rounded = float(due)
    if math.isinf(rounded):
        return 0.0 if value == rounded else math.inf
    with mpmath.workdps(50):
        return float(abs(mpmath.mpf(value) - due) / math.ulp(rounded))


def scaled_power(scale: float, base: float, counts: np.ndarray, parts: int = 1) -> np.ndarray:
    exponent = DoubleDouble(counts) / parts
    return Exact().times_power(DoubleDouble(scale), DoubleDouble(abs(base)), exponent).rounded()


def power(scale: float, base: float, count: int, parts: int = 1) -> float:
    return scaled_power(scale, base, np.array([count]), parts).item()


@pytest.mark.parametrize("scale", [1.0, -1.0, 0.1, TINY, MAX, 0.0, LEAST, 3e-320])
@pytest.mark.parametrize("base", [0.3, 1.0, 7.5, -2.0, TINY, MAX, LEAST])
def test_to_the_power_of_nothing_only_the_scale_is_left(scale, base):
    assert power(scale, base, 0) == scale


@pytest.mark.parametrize(("count", "value"), [(0, 3.0), (1, 0.0), (2**33, 0.0)])
def test_zero_to_a_power_is_zero_and_to_none_is_one(count, value):
    assert power(3.0, 0.0, count) == value


def test_powers_of_two_are_exact_to_the_ends_of_the_range():
    counts = np.arange(1075)
    assert scaled_power(1.0, 0.5, counts).tolist() == [math.ldexp(1.0, -n) for n in counts.tolist()]
    counts = np.arange(1024)
    assert scaled_power(1.0, 2.0, counts).tolist() == [math.ldexp(1.0, n) for n in counts.tolist()]


def test_beyond_the_range_is_infinity_or_zero_with_the_sign_of_the_scale():
    assert power(-1.0, 2.0, 1024) == -math.inf
    assert power(1.0, 1.5, 2**33) == math.inf
    assert math.copysign(1.0, power(-1.0, 0.5, 2**33)) == -1.0
    assert power(1.0, 0.5, 1075) == 0.0
    assert power(0.0, 2.0, 5000) == 0.0


def test_the_whole_reach_of_the_count_is_used_without_loss():
    # The greatest count, with the rate next to 1: the rounding of a logarithm would cost 2 ** 33
    # times as much as it may.
    for base in (1 - 2.0**-53, 1 + 2.0**-52, 1 - 1e-9):
        assert ulps_off(power(0.1, base, 2**33), exact(0.1, base, 2**33, 1)) <= 0.5001


@pytest.mark.parametrize(
    ("scale", "base", "count"),
    [
        pytest.param(LEAST, 2.5, 10, id="least subnormal"),
        pytest.param(3e-320, 1.1, 100, id="subnormal"),
        pytest.param(1e-310, 1e5, 40, id="subnormal, far up"),
        pytest.param(1.7e308, 0.99, 1, id="next to the greatest"),
        pytest.param(MAX, 0.7071, 1, id="the greatest, half an octave down"),
        pytest.param(-MAX, 0.9, 3000, id="the greatest, far down"),
        pytest.param(1e-300, MAX, 1, id="greatest base"),
        pytest.param(1e300, LEAST, 1, id="least base"),
    ],
)
def test_every_finite_scale_and_base_will_do(scale, base, count):
    assert ulps_off(power(scale, base, count), exact(scale, base, count, 1)) <= 0.5001


@settings(max_examples=draws(133))
@given(
    scale=st.floats(1e-12, 1e6) | st.floats(-1e6, -1e-12),
    base=st.floats(1e-300, 1e300) | st.floats(0.5, 2.0),
    parts=st.integers(1, 10**6),
    octaves=st.floats(-1100, 1100),
)
def test_a_power_is_the_nearest_number(scale, base, parts, octaves):
    # The count is chosen for the result to come out so many octaves from the scale.
    per_count = math.log2(base) / parts
    count = min(2**33, int(abs(octaves / per_count))) if per_count else 7
    assert ulps_off(power(scale, base, count, parts), exact(scale, base, count, parts)) <= 0.5001


def test_many_counts_at_once_are_as_one_by_one():
    counts = np.array([0, 1, 2, 3, 1000, 10**6, 2**31, 2**33])
    together = scaled_power(0.3, 0.999, counts, parts=7)
    assert together.dtype == np.float64
    assert together.tolist() == [power(0.3, 0.999, count, 7) for count in counts.tolist()]


def test_no_counts_have_no_powers():
    assert scaled_power(0.3, 0.999, np.array([], dtype=np.int64)).tolist() == []

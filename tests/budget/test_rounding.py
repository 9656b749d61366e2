"""Running error analysis: each operation's bound, held against what float32 and float64 really do.

A number with a past is made: an exact value, and a float that is off by up to its error. The
operation on the floats has to stay within the bound that the operation on the numbers gives.
"""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from mpmath import mpf

from harness.budget.rounding import Numerals, Rounded, Rounding, _product, unit_roundoff
from harness.catalogue import Precision

FORMATS = [Precision.FLOAT32, Precision.FLOAT64]
SIZES = st.floats(1e-6, 1e6) | st.floats(-1e6, -1e-6)


def numbers(positive: bool = False) -> st.SearchStrategy[tuple[float, float, float]]:
    """An exact value, how wrong it may be (in roundoffs), and where in that range it is."""
    value = st.floats(1e-6, 1e6) if positive else SIZES
    return st.tuples(value, st.sampled_from([0.0, 1.0, 5.0]), st.floats(-1, 1))


def made(number: tuple[float, float, float], precision: Precision) -> tuple[Rounded, Any]:
    """The number with its error bound, and the float that an implementation would have."""
    value, roundoffs, where = number
    f, u = np.dtype(precision).type, unit_roundoff(precision)
    if roundoffs == 0:
        value = float(f(value))
    held = f(value * (1 + where * roundoffs * u))
    return Rounded(value, abs(float(held) - value), u), held


def assert_within(bound: Rounded, observed: Any, exact: mpf) -> None:
    with mpmath.workdps(50):
        off = abs(mpf(float(observed)) - exact)
        # The bound itself is worked out in float64.
        assert off <= float(bound.error) * (1 + 1e-9) + 4 * abs(exact) * mpf(2) ** -53 * mpf(1e-9)


@pytest.mark.parametrize("precision", FORMATS)
@pytest.mark.parametrize("operation", ["+", "-", "*", "/"])
def test_an_operator_stays_within_its_bound(precision, operation):
    @given(numbers(), numbers())
    def attempt(first, second):
        (a, x), (b, y) = made(first, precision), made(second, precision)
        with mpmath.workdps(50):
            p, q = mpf(float(a.value)), mpf(float(b.value))
            bound, observed, exact = {
                "+": lambda: (a + b, x + y, p + q),
                "-": lambda: (a - b, x - y, p - q),
                "*": lambda: (a * b, x * y, p * q),
                "/": lambda: (a / b, x / y, p / q),
            }[operation]()
        assert_within(bound, observed, exact)

    attempt()


@pytest.mark.parametrize("precision", FORMATS)
def test_a_power_stays_within_its_bound(precision):
    n = Rounding(precision)

    @given(numbers(positive=True), st.floats(-3, 3), st.sampled_from([0.0, 1.0, 5.0]))
    def attempt(base, exponent, roundoffs):
        (a, x), (b, y) = made(base, precision), made((exponent, roundoffs, 1.0), precision)
        exact = mpmath.power(mpf(float(a.value)), mpf(float(b.value)))
        assume(1e-30 < exact < 1e30)
        assert_within(n.power(a, b), np.power(x, y), exact)

    attempt()


@pytest.mark.parametrize("precision", FORMATS)
def test_e_to_a_power_stays_within_its_bound(precision):
    n, f = Rounding(precision), np.dtype(precision).type

    @given(st.floats(-60, 5), st.sampled_from([0.0, 1.0, 5.0]))
    def attempt(value, roundoffs):
        a, x = made((value, roundoffs, 1.0), precision)
        exact = mpmath.exp(mpf(float(a.value)))
        # By exp, and by a power of e as it is written in that precision.
        assert_within(n.exp(a), np.exp(x), exact)
        assert_within(n.exp(a), np.power(f(math.e), x), exact)

    attempt()


@pytest.mark.parametrize("precision", FORMATS)
def test_half_a_wave_stays_within_its_bound(precision):
    n, f = Rounding(precision), np.dtype(precision).type

    @given(st.integers(0, 4000), st.integers(1, 2000))
    def attempt(count, length):
        share = n.whole(count) / n.whole(length)
        with mpmath.workdps(50):
            exact = (1 + mpmath.cospi(mpf(count) / length)) / 2
        angle = f(math.pi) * f(count) / f(length)
        assert_within(n.half_wave(share), (f(1) + np.cos(angle)) / f(2), exact)
        if precision is Precision.FLOAT32:
            # As MindSpore's Cell has it.
            turned = f(math.pi) * (f(count) / f(length) + f(0.5))
            assert_within(n.half_wave(share), (f(1) + np.sin(turned)) / f(2), exact)

    attempt()


@pytest.mark.parametrize("precision", FORMATS)
def test_a_parameter_is_off_by_what_passing_it_does_and_no_more(precision):
    n, f = Rounding(precision), np.dtype(precision).type
    for value in (0.1, 0.5, 1.0, -0.3, 1e-5, 3.0):
        passed = n.parameter(value)
        assert float(passed.error) == abs(float(f(value)) - value)
    assert float(n.parameter(0.5).error) == 0.0


def test_a_parameter_that_is_lost_leaves_an_error_as_large_as_itself():
    n = Rounding(Precision.FLOAT32)
    assert float(n.parameter(1e-50).error) == 1e-50
    assert float(n.parameter(1e39).error) == 1e39


@pytest.mark.parametrize("precision", FORMATS)
def test_a_whole_number_is_exact_as_far_as_the_format_counts(precision):
    n, last = Rounding(precision), int(1 / unit_roundoff(precision))
    assert float(n.whole(last).error) == 0.0
    assert float(n.whole(last + 2 if last < 2**50 else 4 * last).error) > 0.0


@pytest.mark.parametrize("precision", FORMATS)
def test_what_rounds_nothing_costs_nothing(precision):
    n, u = Rounding(precision), unit_roundoff(precision)
    x = Rounded(0.3, 0.01, u)
    for same in (x + 0, 0 + x, x * 1, 1 * x, x / 1, n.whole(0) + x, x * n.whole(1)):
        assert (float(same.value), float(same.error)) == (0.3, 0.01)
    assert float((x / 2).error) == 0.005
    assert float((-x).error) == 0.01
    assert float(n.signed(np.array(-1.0), x).error) == 0.01
    assert float((n.whole(12) / n.whole(4)).error) == 0.0
    assert float(n.power(x, 0.0).error) == 0.0
    assert float(n.exp(n.whole(0)).error) == 0.0


@pytest.mark.parametrize("precision", FORMATS)
def test_what_is_rounded_costs_a_rounding(precision):
    n, u = Rounding(precision), unit_roundoff(precision)
    three, seven = n.whole(3), n.whole(7)
    assert float((three / seven).error) == pytest.approx(u * 3 / 7, rel=1e-6)
    assert float((three + seven).error) == pytest.approx(u * 10, rel=1e-6)
    assert float((three * seven).error) == pytest.approx(u * 21, rel=1e-6)
    # A 1 that is only nearly 1 rounds like any other number.
    nearly = Rounded(1.0, u, u)
    assert float((three * nearly).error) == pytest.approx(u * 3 + u * 3, rel=1e-5)


def test_a_divisor_that_may_be_zero_leaves_nothing_known():
    u = unit_roundoff(Precision.FLOAT32)
    assert float((Rounded(1.0, 0.0, u) / Rounded(1e-9, 2e-9, u)).error) == math.inf


def test_what_cancels_keeps_the_errors_of_both():
    u = unit_roundoff(Precision.FLOAT32)
    left = Rounded(1.0, 3e-7, u) - Rounded(1.0, 4e-7, u)
    assert float(left.value) == 0.0
    assert float(left.error) == pytest.approx(7e-7, rel=1e-6)


def test_a_choice_brings_the_error_of_what_is_chosen():
    n, u = Rounding(Precision.FLOAT64), unit_roundoff(Precision.FLOAT64)
    picked = n.where(np.array([True, False]), Rounded(1.0, 0.5, u), Rounded(2.0, 0.25, u))
    assert picked.value.tolist() == [1.0, 2.0]
    assert picked.error.tolist() == [0.5, 0.25]


@given(st.integers(1, 9999), st.integers(1, 9999), st.integers(0, 500), st.integers(1, 500))
def test_numerals_bound_what_writing_decimals_as_floats_does(base, rate, count, length):
    n = Numerals()
    written = n.parameter(base / 10_000), n.parameter(rate / 10_000)
    with mpmath.workdps(50):
        meant = mpf(base) / 10_000, mpf(rate) / 10_000
        held = mpf(base / 10_000), mpf(rate / 10_000)
        share = mpf(count) / length
        for of, by in (
            (n.power(written[1], n.whole(count) / n.whole(length)), lambda p: p[1] ** share),
            (written[0] * written[1] + written[0], lambda p: p[0] * p[1] + p[0]),
            (written[0] / written[1], lambda p: p[0] / p[1]),
            (n.exp(-written[0]), lambda p: mpmath.exp(-p[0])),
        ):
            # Below the normal range the bound itself has no digits.
            assert abs(by(meant) - by(held)) <= float(of.error) * (1 + 1e-6) + 1e-310


def test_the_unit_roundoff_is_that_of_the_standard():
    """Half the distance from 1 to the next number, with 11, 8, 24 and 53 digits (IEEE 754)."""
    exponents = {"FLOAT16": -11, "BFLOAT16": -8, "FLOAT32": -24, "FLOAT64": -53}
    for name, exponent in exponents.items():
        assert unit_roundoff(Precision[name]) == 2.0**exponent


def test_nothing_is_made_of_an_infinity_and_of_all_else_the_product():
    sizes, errors = np.array([math.inf, 2.0, 0.0, 1.0]), np.array([0.0, 3.0, math.inf, 0.5])
    with np.errstate(invalid="ignore"):
        assert _product(sizes, errors).tolist() == [0.0, 6.0, 0.0, 0.5]
    assert _product(0.0, math.inf) == 0.0
    assert _product(math.inf, 2.0) == math.inf


@pytest.mark.parametrize(("value", "error"), [(2.0, 0.2), (0.5, 1e-3), (10.0, 4.0)])
def test_a_power_carries_the_error_of_its_base(value, error):
    u = unit_roundoff(Precision.FLOAT32)
    power = Rounding(Precision.FLOAT32).power(Rounded(value, error, u), 10.0)
    away = max(abs((value + sign * error) ** 10 - value**10) for sign in (-1, 1))
    assert away <= float(power.error)
    # (1 - e)^-10 - 1, which is above (1 + e)^10 - 1.
    allowed = value**10 * ((1 - error / value) ** -10 - 1)
    assert float(power.error) == pytest.approx(allowed, rel=0.01)


def test_a_power_of_a_base_of_which_half_may_be_lost_is_not_known():
    u = unit_roundoff(Precision.FLOAT32)
    power = Rounding(Precision.FLOAT32).power(Rounded(2.0, 1.0, u), 3.0)
    assert float(power.error) == 8.0  # all of it


@pytest.mark.parametrize(
    ("precision", "roundoffs"), [(Precision.FLOAT32, 1), (Precision.FLOAT64, 2)]
)
def test_a_quotient_of_known_numbers_is_rounded_in_float64_and_then_held(precision, roundoffs):
    share = Rounding(precision).per(6.0, 8)
    assert float(share.value) == 0.75
    allowed = 0.75 * roundoffs * unit_roundoff(precision)
    assert float(share.error) == pytest.approx(allowed, rel=1e-6, abs=0)


@pytest.mark.parametrize(("value", "degree"), [(1e-300, 3), (1e300, 7), (2.0, 2), (1.0, 5)])
def test_a_root_is_off_by_its_rounded_exponent_too(value, degree):
    root = Rounding(Precision.FLOAT64).root(value, degree)
    with mpmath.workdps(50):
        exact = mpf(value) ** (mpf(1) / degree)
        away = abs(mpf(value) ** mpf(1 / degree) - exact)
    assert away <= float(root.error) * (1 + 1e-9)
    most = abs(math.log(value)) / degree + 6
    assert float(root.error) <= float(exact) * most * 2.0**-53


@pytest.mark.parametrize(("share", "error"), [(0.0, 0.01), (0.25, 0.001), (0.5, 0.01), (1.0, 0.01)])
def test_half_a_wave_is_off_by_its_slope_and_its_bend(share, error):
    u = unit_roundoff(Precision.FLOAT64)
    wave = Numerals().half_wave(Rounded(share, error, u))
    assert float(wave.value) == pytest.approx((1 + math.cos(math.pi * share)) / 2, abs=1e-15)
    ends = [
        abs(math.cos(math.pi * (share + s * error)) - math.cos(math.pi * share)) / 2
        for s in (-1, 1)
    ]
    assert max(ends) <= float(wave.error) * (1 + 1e-9)
    assert float(wave.error) <= max(ends) * 1.02


def test_a_product_with_nothing_is_exact_and_one_with_two_is_not_by_itself():
    u = unit_roundoff(Precision.FLOAT32)
    zero, third, two = Rounded(0.0, 0.0, u), Rounded(1 / 3, 0.0, u), Rounded(2.0, 0.0, u)
    assert float((zero * third).error) == 0.0
    assert float((Rounded(1.0, 0.0, u) * third).error) == 0.0
    assert float((third * Rounded(1.0, 0.0, u)).error) == 0.0
    assert float((Rounded(3.0, 0.0, u) * third).error) > 0.0
    assert float((two * third).error) > 0.0


def test_a_written_root_is_the_root():
    assert float(Numerals().root(8.0, 3).value) == pytest.approx(2.0, rel=1e-15)


@pytest.mark.parametrize("times", [0.5, 1.0, 1.5, 1.9])
def test_what_may_be_flushed_to_zero_may_be_lost(times):
    n, u = Rounding(Precision.FLOAT32), unit_roundoff(Precision.FLOAT32)
    value = n.exp(Rounded(math.log(times * n.tiny), 0.0, u))
    assert n.tiny <= float(value.error) <= 1.01 * n.tiny
    beyond = n.exp(Rounded(math.log(3 * n.tiny), 0.0, u))
    assert float(beyond.error) < 0.01 * n.tiny


@pytest.mark.parametrize("error", [1e-3, 0.02])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.6, 1.0])
def test_half_a_wave_carries_the_error_of_its_share(share, error):
    u = unit_roundoff(Precision.FLOAT64)
    wave = Rounding(Precision.FLOAT64).half_wave(Rounded(share, error, u))
    ends = (math.cos(math.pi * (share + sign * error)) for sign in (-1, 1))
    away = max(abs(end - math.cos(math.pi * share)) / 2 for end in ends)
    assert away <= float(wave.error) * (1 + 1e-9)
    assert float(wave.error) <= 1.1 * away


@pytest.mark.parametrize(
    ("value", "lost"), [(1e39, 1e39), (1e-50, 1e-50), (0.5, 0.0), (-1e39, 1e39)]
)
def test_a_parameter_beyond_the_range_is_lost_altogether(value, lost):
    assert float(Rounding(Precision.FLOAT32).parameter(value).error) == lost


def test_a_parameter_is_off_by_its_rounding():
    held = Rounding(Precision.FLOAT32).parameter(0.1)
    assert float(held.error) == abs(float(np.float32(0.1)) - 0.1)


def test_the_cosine_of_float32_is_the_sine_of_an_angle_a_quarter_turn_on():
    u = unit_roundoff(Precision.FLOAT32)
    wave = Rounding(Precision.FLOAT32).half_wave(Rounded(0.5, 0.0, u))
    # The angle is then a half turn: a sum and a product are rounded, and so was the factor pi.
    angle = 2 * math.pi * u + abs(float(np.float32(math.pi)) - math.pi)
    assert angle / 2 <= float(wave.error) <= angle / 2 + 2 * u


def test_only_whole_quotients_of_known_numbers_are_exact():
    u = unit_roundoff(Precision.FLOAT32)
    quotient = Rounded(np.array([6.0, 7.0, 9.0]), 0.0, u) / Rounded(
        np.array([3.0, 6.0, 3.0]), 0.0, u
    )
    assert quotient.error[0] == quotient.error[2] == 0.0
    assert quotient.error[1] > 0.0
    unknown = Rounded(6.0, u, u) / Rounded(3.0, 0.0, u)
    assert float(unknown.error) > u / 3


def test_a_written_quotient_is_the_quotient():
    assert float(Numerals().per(6.0, 8).value) == 0.75

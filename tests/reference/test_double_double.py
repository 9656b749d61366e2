"""Numbers of twice float64's digits, held against 50-digit arithmetic."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from mpmath import mpf

from harness.reference.arithmetic import quiet
from harness.reference.double_double import DoubleDouble
from harness.reference.elementary import cos_of_quarters, log, scaled_exp
from harness.reference.exact import Exact
from harness.reference.line import Line

EXACT = Exact()
MODERATE = st.floats(1e-100, 1e100) | st.floats(-1e100, -1e-100)


@st.composite
def numbers(draw, sizes=MODERATE):
    """A float and a second part that it does not hold."""
    high = draw(sizes)
    return DoubleDouble(high, high * draw(st.integers(-(2**20), 2**20)) * 2.0**-74)


def value(x: DoubleDouble) -> mpf:
    return mpf(float(x.hi)) + mpf(float(x.lo))


def assert_near(x: DoubleDouble, due: mpf, bits: int = 98) -> None:
    assert abs(value(x) - due) <= abs(due) * mpf(2) ** -bits
    assert float(x.rounded()) == float(x.hi)


@pytest.fixture(autouse=True)
def fifty_digits():
    with mpmath.workdps(50):
        yield


@given(numbers(), numbers())
def test_sums_products_and_quotients_have_thirty_digits(a, b):
    with mpmath.workdps(50):
        assert_near(a * b, value(a) * value(b))
        assert_near(a / b, value(a) / value(b))
        assert_near(a + b, value(a) + value(b))
        assert_near(a - b, value(a) - value(b))


def test_a_sum_that_cancels_is_exact_to_its_own_digits():
    tiny = 2.0**-90
    left = DoubleDouble(1.0, tiny) - 1.0
    assert (float(left.hi), float(left.lo)) == (tiny, 0.0)


def test_plain_numbers_may_stand_on_either_side():
    x = DoubleDouble(np.array([0.5, 2.0]))
    for made, due in (
        (1 + x, [1.5, 3.0]),
        (1 - x, [0.5, -1.0]),
        (x - 1, [-0.5, 1.0]),
        (3 * x, [1.5, 6.0]),
        (1 / x, [2.0, 0.5]),
        (np.array([4.0, 8.0]) * x, [2.0, 16.0]),
        (-x, [-0.5, -2.0]),
    ):
        assert made.rounded().tolist() == due


@given(numbers(st.floats(-600, 600)), st.floats(1e-20, 1e20))
def test_e_to_a_power_has_twenty_seven_digits(x, scale):
    with mpmath.workdps(50):
        assert_near(scaled_exp(scale, x), scale * mpmath.exp(value(x)), 90)


@pytest.mark.parametrize(
    ("x", "due"),
    [(0.0, 1.0), (-1e9, 0.0), (1e9, math.inf), (-math.inf, 0.0), (math.inf, math.inf)],
)
def test_e_to_the_ends_of_the_range(x, due):
    assert float(scaled_exp(1.0, DoubleDouble(x)).rounded()) == due


def test_a_scale_brings_a_power_back_into_the_range():
    # e ** -800 is no float; 1e300 times that is.
    assert_near(scaled_exp(1e300, DoubleDouble(-800.0)), mpf(1e300) * mpmath.exp(-800), 90)


@given(numbers(st.floats(1e-250, 1e250) | st.floats(0.5, 2.0)))
def test_a_logarithm_has_twenty_eight_digits_or_is_that_close_to_zero(x):
    with mpmath.workdps(50):
        due = mpmath.log(value(x))
        assert abs(value(log(x)) - due) <= max(abs(due), 1) * mpf(2) ** -95


@given(numbers(st.floats(0, 1e9)))
def test_a_cosine_has_twenty_seven_digits_of_its_argument(quarters):
    with mpmath.workdps(50):
        due = mpmath.cos(value(quarters) * mpmath.pi / 2)
        room = mpf(2) ** -98 * max(1, abs(value(quarters)))
        assert abs(value(cos_of_quarters(quarters)) - due) <= room


def test_a_cosine_is_exact_at_whole_quarters():
    quarters = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 1e9, 1e9 + 1])
    made = cos_of_quarters(DoubleDouble(quarters))
    assert np.abs(made.hi).tolist() == [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    assert made.hi[[0, 2, 4]].tolist() == [1.0, -1.0, 1.0]
    assert not made.lo.any()


@pytest.mark.parametrize("length", [10, 10**6, 2**33])
def test_next_to_a_zero_a_cosine_and_half_a_wave_keep_their_digits(length):
    share = DoubleDouble(float(length - 1)) / float(length)
    half = mpmath.sin(mpmath.pi / (2 * mpf(length)))
    assert_near(cos_of_quarters(share), half, 70)
    assert_near(EXACT.half_wave(share), half**2, 69)


@given(numbers(st.floats(1e-9, 1e9)), numbers(st.floats(-50, 50)))
def test_a_power_has_twenty_six_digits(base, exponent):
    with mpmath.workdps(50):
        due = mpmath.power(value(base), value(exponent))
        assume(mpf(10) ** -250 < due < mpf(10) ** 250)
        assert_near(EXACT.power(base, exponent), due, 87)


@given(numbers(st.floats(1e-100, 1e100)), st.sampled_from([0.5, -0.5, 1.0, 2.0, 3.0, 4.0]))
def test_roots_and_small_powers_of_many_numbers_have_thirty_digits(base, exponent):
    many = DoubleDouble(np.array([base.hi] * 2), np.array([base.lo] * 2))
    with mpmath.workdps(50):
        due = mpmath.power(value(base), exponent)
        assume(mpf(10) ** -250 < due < mpf(10) ** 250)
        assert_near(EXACT.power(many, exponent).at(1), due, 96)


def test_a_line_has_the_numbers_exponentials_and_cosines_of_its_members():
    counts = np.arange(3000, 3000 + 5000)
    line, plain = EXACT.whole(counts), DoubleDouble(counts)
    assert isinstance(line, Line)
    for made, due in (
        (line / 7000.0, plain / 7000.0),
        (1.0 - 3.0 * line / 0.7, 1.0 - 3.0 * plain / 0.7),
        (scaled_exp(0.3, line / -700.0), scaled_exp(0.3, plain / -700.0)),
        (cos_of_quarters(line / 7000.0), cos_of_quarters(plain / 7000.0)),
    ):
        for at in (0, 1, 4000, 4999):
            with mpmath.workdps(50):
                room = max(abs(value(due.at(at))), mpf(1)) * mpf(2) ** -96
                assert abs(value(made.at(at)) - value(due.at(at))) <= room


@pytest.mark.parametrize(
    ("base", "exponent", "due"),
    [
        (0.0, 0.0, 1.0),
        (0.0, 2.0, 0.0),
        (0.0, 0.5, 0.0),
        (5.0, 0.0, 1.0),
        (1.0, 1e9, 1.0),
        (2.0, 2000.0, math.inf),
        (2.0, -2000.0, 0.0),
        (2.0, -1074.0, 5e-324),
        (4.0, 0.5, 2.0),
    ],
)
def test_powers_at_the_edges(base, exponent, due):
    assert float(EXACT.power(DoubleDouble(base), exponent).rounded()) == due


def test_a_root_to_any_degree_is_a_power():
    assert_near(EXACT.root(0.3, 7), mpmath.power(mpf(0.3), mpf(1) / 7), 95)


@quiet
def test_what_leaves_the_range_is_an_infinity_and_not_a_nan():
    great = DoubleDouble(1.7e308)
    assert float((great + great).rounded()) == math.inf
    assert float((great * great).rounded()) == math.inf
    assert float((-great * great).rounded()) == -math.inf
    assert float((great * 0.5).rounded()) == 0.85e308
    assert float((DoubleDouble(math.inf) + 1.0).rounded()) == math.inf
    assert float((DoubleDouble(1.0) / 0.0).rounded()) == math.inf
    assert float((great / DoubleDouble(0.5)).rounded()) == math.inf
    assert float((DoubleDouble(1e-200) * 1e-200).rounded()) == 0.0


def test_zeros_stay_zeros():
    zero = DoubleDouble(0.0)
    for made in (zero + 0.0, zero * 5.0, zero / 5.0, zero - 0.0, zero * 1e308):
        assert float(made.rounded()) == 0.0


def test_a_choice_takes_both_parts():
    fine = DoubleDouble(np.array([1.0, 1.0]), np.array([1e-20, 1e-20]))
    picked = EXACT.where(np.array([True, False]), fine, 0.5)
    assert picked.hi.tolist() == [1.0, 0.5]
    assert picked.lo.tolist() == [1e-20, 0.0]


def test_a_sign_is_given_to_both_parts():
    signed = EXACT.signed(np.array(-1.0), DoubleDouble(1.0, 1e-20))
    assert (float(signed.hi), float(signed.lo)) == (-1.0, -1e-20)

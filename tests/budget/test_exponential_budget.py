"""The budget: no correct arithmetic leaves it, no fault of a few budgets stays in it.

The implementations here are numpy's, in the precisions and orders of operations that the frameworks
document, with the parameters rounded as the frameworks round them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import pytest
from helpers.draws import draws
from helpers.making import (
    CELL,
    EXPERIMENTAL_EXPONENTIAL,
    EXPERIMENTAL_STEP,
    HALVING,
    LIST,
    TORCH_EXPONENTIAL,
    TORCH_STEP,
    from_exact,
    judged,
    off_by_four_budgets,
    off_by_half_a_budget,
    schedule_case,
    trial,
)
from hypothesis import assume, example, given, settings, strategies as st

from harness.budget import budget, numeral_rounding, unit_roundoff
from harness.catalogue import IMPLEMENTATIONS, Call, Precision, Training, Unsupported, express
from harness.observation import Observation, Sequence
from harness.reference import Exponential
from harness.verdict import Verdict

# Correct implementations.


def cell(arguments: dict[str, Any], steps: np.ndarray) -> np.ndarray:
    """Closed form in float32, as `mindspore.nn.ExponentialDecayLR`: every operand is a float32."""
    power = steps.astype(np.float32) / np.float32(arguments["decay_steps"])
    if arguments["is_stair"]:
        power = np.floor(power)
    factor = np.power(np.float32(arguments["decay_rate"]), power)
    return np.float32(arguments["learning_rate"]) * factor


def listed(arguments: dict[str, Any], steps: np.ndarray) -> np.ndarray:
    """Closed form in float64, as `mindspore.nn.exponential_decay_lr`: Python's own operators."""
    power = (steps // arguments["step_per_epoch"]) / arguments["decay_epoch"]
    if arguments["is_stair"]:
        power = np.floor(power)
    distinct, inverse = np.unique(power, return_inverse=True)
    factors = [arguments["decay_rate"] ** p for p in distinct.tolist()]
    return np.array([arguments["learning_rate"] * factor for factor in factors])[inverse]


def multiplied(call: Call, steps: np.ndarray, steps_per_epoch: int, dtype: Any) -> np.ndarray:
    """Recursive form, as the schedulers: one rounded multiplication after another."""
    counts = steps // steps_per_epoch if call.per_epoch else steps
    factors = np.ones(int(counts[-1]) + 1, dtype=dtype)
    factors[:: call.arguments.get("step_size", 1)] = dtype(call.arguments["gamma"])
    factors[0] = dtype(call.base_lr)
    return np.multiply.accumulate(factors)[counts]


def simulated(api: str, call: Call, steps: np.ndarray, steps_per_epoch: int) -> np.ndarray:
    """The rates of a correct implementation, as float64."""
    with np.errstate(all="ignore"):
        if api == CELL:
            rates = cell(call.arguments, steps)
        elif api == LIST:
            rates = listed(call.arguments, steps)
        else:
            dtype = np.dtype(IMPLEMENTATIONS[api].precision).type
            rates = multiplied(call, steps, steps_per_epoch, dtype)
    assert rates.dtype == np.dtype(IMPLEMENTATIONS[api].precision)
    return rates.astype(np.float64)


@dataclass(frozen=True)
class Situation:
    """A schedule in a training, with the budget of one implementation."""

    api: str
    schedule: Exponential
    steps: np.ndarray
    steps_per_epoch: int = 1

    @property
    def training(self) -> Training:
        return Training(int(self.steps[-1]) + 1, self.steps_per_epoch)

    @property
    def call(self) -> Call | Unsupported:
        implementation = IMPLEMENTATIONS[self.api]
        return express(implementation, "exponential", self.schedule, self.training)

    @property
    def reference(self) -> np.ndarray:
        return self.schedule.rates(self.steps, self.steps_per_epoch)

    @property
    def remainder(self) -> np.ndarray:
        return self.schedule.remainder(self.steps, self.steps_per_epoch, {})

    @property
    def allowed(self) -> np.ndarray:
        implementation = IMPLEMENTATIONS[self.api]
        return budget(
            self.schedule, self.call, self.training, self.steps, self.reference, implementation
        )

    def assert_within(self) -> None:
        """What a correct implementation gives is within the budget at every step."""
        observed = simulated(self.api, self.call, self.steps, self.steps_per_epoch)
        error = from_exact(observed, self.reference, self.remainder)
        outside = np.flatnonzero(~(error <= self.allowed))
        assert not len(outside), (
            f"step {self.steps[outside[0]]}: observed {observed[outside[0]]!r}, reference "
            f"{self.reference[outside[0]]!r}, allowed {self.allowed[outside[0]]:.3g} "
            f"(and {len(outside) - 1} more)"
        )


def schedule(rate: float, base: float = 0.1, every: int = 1, **rest: Any) -> Exponential:
    if rest.pop("per_epoch", False):
        return Exponential(base_lr=base, decay_rate=rate, decay_epochs=every, **rest)
    return Exponential(base_lr=base, decay_rate=rate, decay_steps=every, **rest)


# No correct implementation leaves it.

APIS = [TORCH_EXPONENTIAL, TORCH_STEP, LIST, CELL, EXPERIMENTAL_EXPONENTIAL, EXPERIMENTAL_STEP]
DECAYING = (
    st.floats(-6, 0).map(lambda e: 10.0**e)
    | st.floats(0.1, 12).map(lambda k: 1 - 10.0**-k)
    | st.floats(-40, -6).map(lambda e: 10.0**e)
    | st.sampled_from([0.0, 1.0, 0.1, 0.5, 0.9, 0.97, 0.99, 0.999, 0.9999, 0.99999])
)
GROWING = st.floats(1, 12).map(lambda k: 1 + 10.0**-k) | st.floats(1, 3)


@st.composite
def situations(draw, api: str, rates: Any = DECAYING) -> Situation:
    rate = draw(rates)
    every = draw(st.just(1) | st.floats(0, 4).map(lambda e: int(10**e)))
    staircase = draw(st.booleans())
    if draw(st.integers(0, 9)) == 0:
        rate, staircase = -rate, True
    made = schedule(
        rate,
        draw(st.floats(-12, 0).map(lambda e: 10.0**e)) * draw(st.sampled_from([1, 1, 1, -1])),
        every,
        staircase=staircase,
        per_epoch=draw(st.booleans()),
    )
    steps = np.arange(draw(st.floats(0, math.log10(20_000)).map(lambda e: int(10**e))))
    steps_per_epoch = int(10 ** draw(st.floats(0, 3))) if made.per_epoch else 1
    return Situation(api, made, steps, steps_per_epoch)


@pytest.mark.parametrize("api", APIS)
def test_no_correct_decay_leaves_the_budget(api):
    tried = 0

    @given(situations(api))
    def attempt(situation: Situation) -> None:
        nonlocal tried
        assume(not isinstance(situation.call, Unsupported))
        tried += 1
        situation.assert_within()

    attempt()
    assert tried >= settings().max_examples // 3


@pytest.mark.parametrize("api", APIS)
def test_no_correct_growth_leaves_the_budget_within_the_range(api):
    @given(situations(api, GROWING))
    def attempt(situation: Situation) -> None:
        assume(not isinstance(situation.call, Unsupported))
        # A rate that starts below 1 may be in range while its factor is not: see below.
        limit = float(np.finfo(IMPLEMENTATIONS[api].precision).max) * abs(
            situation.schedule.base_lr
        )
        with np.errstate(over="ignore"):
            inside = np.abs(situation.reference) < limit / 2
        last = int(np.argmin(inside)) if not inside.all() else len(inside)
        assume(last)
        Situation(
            api, situation.schedule, situation.steps[:last], situation.steps_per_epoch
        ).assert_within()

    attempt()


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("rate", [0.9999, 0.99, 0.1, 1 - 1e-6])
def test_twenty_thousand_steps_stay_within_the_budget(api, rate):
    situation = Situation(api, schedule(rate), np.arange(20_000))
    situation.assert_within()


@pytest.mark.parametrize("api", sorted(set(APIS) - {CELL, LIST}))
def test_twenty_thousand_changes_of_sign_stay_within_the_budget(api):
    # Lists and Cells take no decay_rate below 0.
    situation = Situation(api, schedule(-0.999), np.arange(20_000))
    situation.assert_within()


@given(
    st.floats(-3, -0.01).map(lambda e: 10.0**e),
    st.floats(0, 24).map(lambda e: int(2**e)),
    st.lists(st.integers(0, 2**24), min_size=1, max_size=100, unique=True).map(sorted),
    st.booleans(),
)
def test_a_closed_form_stays_within_the_budget_at_far_steps(rate, every, steps, staircase):
    # Up to 2 ** 24 updates are exact in float32.
    made = schedule(rate, every=every, staircase=staircase)
    Situation(CELL, made, np.array(steps)).assert_within()


@given(
    st.floats(-3, -0.5).map(lambda e: 10.0**e),
    st.integers(2**24, 2**30),
    st.lists(st.integers(2**24, 2**33 - 1), min_size=1, max_size=100, unique=True).map(sorted),
)
@example(rate=0.01857290352060619, every=34_139_790, steps=[563_912_797])
@example(rate=0.12303174862633114, every=34_601_142, steps=[1_146_826_940])
def test_a_step_and_an_interval_that_are_themselves_rounded_stay_within_the_budget(
    rate, every, steps
):
    # Beyond 2 ** 24 float32 rounds the step and the interval, and then their quotient: three times.
    Situation(CELL, schedule(rate, every=every), np.array(steps)).assert_within()


@pytest.mark.parametrize(
    ("api", "base", "rate", "step"),
    [(CELL, 554201.5, 0.000929743, 14), (LIST, 554201.5, 0.000929743, 103)],
)
def test_a_factor_that_is_subnormal_before_it_is_multiplied_stays_within_the_budget(
    api, base, rate, step
):
    # rate ** step has lost digits below the normal range, and times base it is back in it.
    Situation(api, schedule(rate, base), np.arange(step + 1)).assert_within()


@pytest.mark.parametrize("rate", [1e-46, 1e-50, 1e-300])
def test_a_rate_that_is_zero_in_float32_stays_within_the_budget(rate):
    # float32 has no such number: its decay falls to zero at once, and the true one takes its time.
    Situation(CELL, schedule(rate, every=4), np.arange(9)).assert_within()


@pytest.mark.parametrize(
    ("api", "base", "rate"),
    [
        (CELL, 1e300, 0.5),
        (CELL, 0.1, 1e39),
        (EXPERIMENTAL_EXPONENTIAL, 1e39, 0.5),
        (EXPERIMENTAL_EXPONENTIAL, 0.1, 1e39),
    ],
)
def test_a_parameter_beyond_float32_gives_a_budget_that_is_a_number(api, base, rate):
    situation = Situation(api, schedule(rate, base), np.arange(400))
    assert not np.isnan(situation.allowed).any()
    assert (situation.allowed >= 0).all()


def test_the_budget_of_a_rate_beyond_the_range_is_nothing():
    situation = Situation(TORCH_EXPONENTIAL, schedule(10.0, 1.0), np.array([0, 308, 309]))
    assert situation.allowed[2] == 0
    assert situation.allowed[0] == 0  # the base rate is passed as it is
    assert situation.allowed[1] > 0


def test_a_rate_below_the_normal_range_may_be_flushed_to_zero():
    # 2 ** -127 is subnormal in float32, 2 ** -1025 in float64.
    for api, exponent in ((CELL, 127), (EXPERIMENTAL_EXPONENTIAL, 127), (LIST, 1025)):
        situation = Situation(api, schedule(0.5, 1.0), np.array([exponent]))
        assert situation.allowed[0] >= situation.reference[0] > 0


def test_a_rate_in_the_normal_range_may_not():
    for api, exponent in ((CELL, 124), (EXPERIMENTAL_EXPONENTIAL, 124), (LIST, 1020)):
        situation = Situation(api, schedule(0.5, 1.0), np.array([exponent]))
        assert situation.allowed[0] < situation.reference[0] / 2


# A fault of a few budgets is always caught.


def _shifted(situation: Situation, at: int, off: Any, sign: int) -> Verdict:
    """The verdict on a sequence that is exact but for one step, which is off by so many budgets."""
    case = schedule_case(
        schedule=situation.schedule.model_dump(exclude_none=True),
        steps=len(situation.steps),
        steps_per_epoch=situation.steps_per_epoch,
        expected={"values": {0: situation.schedule.base_lr}},
    )
    rates, remainder = situation.reference.copy(), np.nan_to_num(situation.remainder)
    rates[at] = off(rates[at], remainder[at], sign * situation.allowed[at])
    implementation = IMPLEMENTATIONS[situation.api]
    observation = Observation(
        sequences={
            "reported": Sequence(implementation.precision, rates),
            "applied": Sequence(implementation.applied_precision, situation.reference),
        }
    )
    return judged(trial(case, situation.api), observation, explains=False).verdict


@pytest.mark.parametrize("api", APIS)
def test_four_budgets_at_one_step_are_caught_and_half_a_budget_is_not(api):
    tried = 0

    @settings(max_examples=draws(20))
    @given(situations(api), st.floats(0, 1, exclude_max=True), st.sampled_from([1, -1]))
    def attempt(situation: Situation, where: float, sign: int) -> None:
        nonlocal tried
        assume(not isinstance(situation.call, Unsupported))
        tried += 1
        at = int(where * len(situation.steps))
        assert _shifted(situation, at, off_by_four_budgets, sign) is Verdict.DIVERGES
        assert _shifted(situation, at, off_by_half_a_budget, sign) is Verdict.CONFORMS

    attempt()
    assert tried >= draws(20) // 3


# It is no wider than it has to be.


def relative(api: str, made: Exponential, step: int) -> float:
    situation = Situation(api, made, np.array([step]))
    return float((situation.allowed / np.abs(situation.reference)).item())


def exact_relative_error(observed: float, base: str, rate: str, power: int) -> float:
    """Against the decimal numbers that a person writes, in 50 digits."""
    with mpmath.workdps(50):
        due = mpmath.mpf(base) * mpmath.power(mpmath.mpf(rate), power)
        return float(abs(mpmath.mpf(observed) - due) / due)


@pytest.mark.parametrize("step", [0, 1, 2, 5, 10])
@pytest.mark.parametrize("every", [1, 4])
def test_float64_in_closed_form_is_held_to_1e_14(step, every):
    assert (step > 0) * 1e-17 <= relative(LIST, schedule(0.9, every=every), step) < 1e-14


@pytest.mark.parametrize("step", [0, 1, 2, 5, 10])
@pytest.mark.parametrize("every", [1, 4])
def test_float32_in_closed_form_is_held_to_2e_6(step, every):
    assert 0 < relative(CELL, schedule(0.9, every=every), step) < 2e-6


def test_a_recursive_form_is_allowed_one_rounding_a_step():
    # 1000 multiplications in float64: 1000 * 2 ** -53 = 1.1e-13. In float32 they make 6.0e-5, and
    # gamma, which is off by up to 2 ** -24, as much again.
    assert relative(TORCH_EXPONENTIAL, schedule(0.999), 1000) < 1.2e-13
    assert 5.9e-5 < relative(EXPERIMENTAL_EXPONENTIAL, schedule(0.999), 1000) < 1.3e-4
    # A factor that float32 holds exactly has only the one.
    assert relative(EXPERIMENTAL_EXPONENTIAL, schedule(0.9990234375), 1000) < 6.1e-5


def test_a_scheduler_in_stairs_is_allowed_one_rounding_a_stair():
    stairs = schedule(0.9, every=100, staircase=True)
    assert relative(TORCH_STEP, stairs, 99) == 0
    assert relative(TORCH_STEP, stairs, 1099) == pytest.approx(10 * 2.0**-53, rel=1e-6)


def test_the_known_loss_of_float32_is_allowed_where_it_occurs_and_not_before():
    # float32(0.9999) is 0.99989998340606689..., off by 1.66e-8 of itself; its 100,000th power is
    # off by 1.66e-3.
    made = schedule(0.9999, base=0.1)
    with mpmath.workdps(50):
        rounded = mpmath.mpf(float(np.float32(0.9999)))
        lost = float(abs(1 - (rounded / mpmath.mpf("0.9999")) ** 100_000))
    assert 1.6e-3 < lost < 1.7e-3
    assert lost < relative(CELL, made, 100_000) < 1.1 * lost
    assert relative(CELL, made, 1) < 1e-6
    observed = float(np.float32(0.1) * np.power(np.float32(0.9999), np.float32(100_000)))
    assert exact_relative_error(observed, "0.1", "0.9999", 100_000) < relative(CELL, made, 100_000)


def test_parameters_that_are_held_exactly_leave_the_power_and_the_product():
    # 0.5 and 0.25 are exact. In float32: pow to 2.5 ULP, which are 5 u, and the product to u.
    assert relative(CELL, schedule(0.25, base=0.5), 10) == pytest.approx(6 * 2.0**-24, rel=1e-6)
    # In float64: pow to 2 ULP, which are 4 u, the product to u.
    assert relative(LIST, schedule(0.25, base=0.5), 10) == pytest.approx(5 * 2.0**-53, rel=1e-6)


def test_it_is_the_derived_gamma_whose_rounding_counts_not_that_of_the_rate():
    # 1 - 2 ** -10 is exact in float32, and its cube, of 30 bits, is not.
    cube = (1 - 2.0**-10) ** 3
    assert float(np.float32(cube)) != cube
    allowed = relative(EXPERIMENTAL_EXPONENTIAL, schedule(cube, base=0.5, every=3), 3000)
    assert allowed == pytest.approx(math.expm1(3000 * 2.0**-24), rel=1e-3)


def test_a_derived_gamma_is_allowed_its_own_rounding_at_every_step():
    # gamma = 0.5 ** (1 / 1000) is rounded by up to 2.5 ULP, and then multiplied 10,000 times.
    allowed = relative(TORCH_EXPONENTIAL, schedule(0.5, every=1000), 10_000)
    assert 10_000 * 2.0**-53 < allowed < 6 * 10_000 * 2.0**-53


def test_a_rate_that_was_stored_in_float32_is_allowed_that_rounding_too():
    made, need = Exponential(**HALVING), Training(2, 1)
    implementation = IMPLEMENTATIONS[TORCH_EXPONENTIAL]
    call = express(implementation, "exponential", made, need)
    steps = np.arange(2)
    rates = made.rates(steps, 1)
    own = budget(made, call, need, steps, rates, implementation)
    stored = budget(made, call, need, steps, rates, implementation, Precision.FLOAT32)
    assert (stored - own) / rates == pytest.approx([2.0**-24] * 2, rel=1e-6)


def test_the_unit_roundoffs_are_those_of_ieee_754():
    assert unit_roundoff(Precision.FLOAT32) == 2.0**-24
    assert unit_roundoff(Precision.FLOAT64) == 2.0**-53


@given(
    st.integers(1, 9999),
    st.integers(1, 9999),
    st.integers(1, 100),
    st.integers(0, 20_000),
)
def test_what_a_case_says_in_decimals_is_within_the_rounding_of_its_numerals(
    base, rate, every, step
):
    # The author works with 0.9999; the schedule has the nearest float64.
    made = schedule(rate / 10_000, base / 10_000, every)
    steps = np.array([step])
    reference = made.rates(steps, 1)
    assume(reference.item() > 1e-300)
    with mpmath.workdps(50):
        meant = (mpmath.mpf(base) / 10_000) * (mpmath.mpf(rate) / 10_000) ** (
            mpmath.mpf(step) / every
        )
        off = float(abs(mpmath.mpf(reference.item()) - meant))
    allowed = numeral_rounding(made, Training(step + 1, 1), steps, reference).item()
    assert off <= allowed
    # 2 ULP, which are 4 u, are for a number that is worked out by hand and written as a float.
    assert allowed <= (6 + step / every) * 2.0**-53 * reference.item()


def test_a_rate_beyond_the_range_has_no_numerals_to_round():
    made = schedule(10.0, 1.0)
    rates = made.rates(np.array([309]), 1)
    assert numeral_rounding(made, Training(310, 1), np.array([309]), rates).tolist() == [0.0]

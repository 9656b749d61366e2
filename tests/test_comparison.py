"""Sequences that are compared in stretches, and the units that errors are told in."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from helpers.making import CELL, HALVES, schedule_case, sequence, trial

from harness import closeness
from harness.budget import OPTIMIZER_ROUNDINGS, best, holds_all, numeral_rounding
from harness.catalogue import Unsupported
from harness.comparison import compare, due, numerals_of
from harness.observation import Sequence
from harness.plan import calls_of, implementations_of

RATES = 0.5 * 0.99 ** np.arange(500)


def compared(values, stretch, monkeypatch, steps=500, **fields):
    """The comparison of `values` with a decay, so many steps at a time."""
    monkeypatch.setattr("harness.comparison.LONGEST", stretch)
    case = schedule_case(
        schedule={"base_lr": 0.5, "decay_rate": 0.99, "decay_steps": 1},
        steps=steps,
        **{"expected": {"values": {0: 0.5, 400: float(RATES[400])}}, **fields},
    )
    made = trial(case)
    values = sequence(made.implementation.precision, values)
    return compare(made, case, "reported", values, due(made, case, 0))


def planted(where):
    values = RATES.copy()
    for step, value in where.items():
        values[step] = value
    return values


SEQUENCES = {
    "as due": RATES,
    "two off": planted({3: 0.4, 470: 0.1}),
    "a NaN before an infinity": planted({64: np.nan, 300: np.inf}),
    "a NaN beside an infinity": planted({130: np.inf, 129: np.nan}),
    "a zero": planted({400: 0.0}),
    "the last": planted({499: -np.inf}),
    "some missing": RATES[:200],
    "a stretch alone": RATES[:64],
    "none": RATES[:0],
    "one too many": np.append(RATES, 0.1),
}


@pytest.mark.parametrize("which", SEQUENCES)
@pytest.mark.parametrize(
    "tolerance", [None, {"ulp": 4, "reason": "r"}, {"rtol": 1e-3, "reason": "r"}]
)
def test_stretches_make_no_difference(which, tolerance, monkeypatch):
    values = SEQUENCES[which]
    fields = {} if tolerance is None else {"tolerance": tolerance}
    whole = compared(values, 1000, monkeypatch, **fields)
    parts = compared(values, 64, monkeypatch, **fields)
    for name, value in vars(whole).items():
        other = getattr(parts, name)
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(other, value, strict=True, err_msg=name)
        else:  # as text, since what is no number is not itself
            assert repr(other) == repr(value), name


def test_the_first_deviation_and_the_greatest_are_found_in_whatever_stretch(monkeypatch):
    found = compared(planted({190: RATES[190] * 1.1, 410: RATES[410] * 2}), 64, monkeypatch)
    assert found.first is not None
    assert (found.first.step, found.diverging.tolist()) == (190, [190, 410])
    assert found.relative is not None
    assert found.relative.step == 410
    assert found.relative.value == pytest.approx(1.0)
    assert found.absolute is not None
    assert found.absolute.step == 410


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_a_unit_in_the_last_place_is_the_distance_to_the_next_number(dtype):
    kind, bounds = np.dtype(dtype), ml_dtypes.finfo(dtype)
    powers = np.linspace(
        np.log2(float(bounds.smallest_subnormal)), float(bounds.maxexp) - 1e-3, 999
    )
    held = np.array([0.0, *(2.0**powers).astype(kind).astype(np.float64)])
    held = held[held < float(bounds.max)]
    following = np.nextafter(held.astype(kind), kind.type(np.inf)).astype(np.float64)
    for values in (held, -held):
        assert closeness.spacing(values, kind).tolist() == (following - held).tolist()
    greatest = (bounds.max - np.nextafter(bounds.max, kind.type(0))).astype(np.float64)
    beyond = closeness.spacing(np.array([np.inf, -np.inf, np.nan]), kind).tolist()
    assert beyond == [greatest, greatest, float(bounds.smallest_subnormal)]


def test_what_was_seen_is_not_written_to(monkeypatch):
    values = Sequence("float64", RATES.copy())
    values.values.flags.writeable = False
    assert compared(values.values, 64, monkeypatch).first is None


# What is due of an implementation that holds every parameter.


def case_of(family, **schedule):
    return schedule_case(
        family=family,
        schedule={"base_lr": 0.1, **schedule},
        steps=20,
        expected={"accepted": True},
        implementations=None,
    )


@pytest.mark.parametrize(
    ("case", "held"),
    [
        (case_of("exponential", decay_rate=0.9, decay_steps=3), True),
        (case_of("cosine", T_max=19, eta_min=0.003), True),
        (case_of("polynomial", total_iters=9, power=0.3), True),
        (case_of("natural_exponential", decay_rate=0.3, decay_every=7), False),
    ],
    ids=lambda value: getattr(value, "family", value),
)
def test_in_float64_the_best_rates_are_the_references_where_it_holds_all(case, held):
    assert case.is_held(0) is held
    able = [e for e in implementations_of(case) if not isinstance(calls_of(case, e), Unsupported)]
    assert {"float64", "float32"} <= {implementation.precision for implementation in able}
    for implementation in able:
        made = trial(case, implementation.api)
        evaluated = best(
            case.schedule, made.call, case.training, case.observed_steps, implementation
        )
        assert due(made, case, 0).best.tolist() == evaluated.tolist()
        if holds_all(made.call, implementation):
            assert (evaluated.tolist() == case.reference.tolist()) is held


def test_what_numerals_may_do_is_the_same_for_each_implementation_of_a_case():
    case = case_of("exponential", decay_rate=0.9, decay_steps=3)
    numerals = numerals_of(case, 0)
    assert numerals_of(schedule_case(), 0) is not numerals
    assert numerals_of(case, 0) is numerals
    evaluated = numeral_rounding(case.schedule, case.training, case.observed_steps, case.reference)
    assert numerals.tolist() == evaluated.tolist()
    with pytest.raises(ValueError, match="read-only"):
        numerals[0] = 1.0


@pytest.mark.parametrize("optimizer", ["Momentum", "Adam", "AdamW"])
def test_only_the_rate_that_a_weight_shows_has_room_for_the_optimizer(optimizer):
    allowed = {}
    for moved_by in ("SGD", optimizer):
        case = schedule_case(optimizer=moved_by)
        made = trial(case, CELL)
        what = due(made, case, 0)
        for name in ("reported", "applied"):
            rates = sequence(made.implementation.precision, HALVES)
            allowed[moved_by, name] = compare(made, case, name, rates, what).allowed
    u = 2.0**-24
    assert np.array_equal(allowed["SGD", "applied"], allowed["SGD", "reported"])
    assert np.array_equal(allowed[optimizer, "reported"], allowed["SGD", "reported"])
    more = allowed[optimizer, "applied"] - allowed[optimizer, "reported"]
    assert np.all(more >= OPTIMIZER_ROUNDINGS * u * np.array(HALVES))


def test_nothing_is_due_of_a_trial_that_makes_no_call():
    case = schedule_case()
    with pytest.raises(ValueError, match="has no call"):
        due(replace(trial(case), call=None), case, 0)


@pytest.mark.parametrize(("remainder", "sign"), [(1e-20, -1), (-1e-20, 1)])
def test_the_sign_of_an_error_is_told_by_what_float64_cannot_hold(remainder, sign):
    case = schedule_case(steps=4)
    made = trial(case)
    what = replace(due(made, case, 0), remainder=np.full(4, remainder))
    rates = sequence(made.implementation.precision, HALVES)
    least, greatest = compare(made, case, "reported", rates, what).signed_ulp
    assert np.sign(least) == np.sign(greatest) == sign


def test_a_relative_tolerance_leaves_an_infinity_no_room():
    tolerance = schedule_case(tolerance={"rtol": 0.5, "reason": "half"}).tolerance
    allowed = closeness.tolerated(tolerance, np.array([np.inf, -np.inf, -4.0]), np.dtype("f8"))
    assert allowed.tolist() == [0.0, 0.0, 2.0]

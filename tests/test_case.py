"""The case models: what they compute from what a case says, and what they are strict about."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.making import (
    CELL,
    HALVES,
    HALVING,
    TORCH_EXPONENTIAL,
    case_file,
    record,
    schedule_case,
    surface_case,
)
from pydantic import ValidationError

from harness.case import MAX_OBSERVED, CaseFile, ParameterFacts
from harness.catalogue import Made, Named


@pytest.mark.parametrize(
    ("steps", "looked_at"),
    [
        (3, [0, 1, 2]),
        ({"start": 0, "stop": 1}, [0]),
        ({"start": 7, "stop": 9}, [7, 8]),
        ([5], [5]),
        ([0, 10, 2**33 - 1], [0, 10, 8589934591]),
    ],
)
def test_the_steps_of_a_case_are_64_bit_whole_numbers(steps, looked_at):
    case = schedule_case(steps=steps, expected={"values": [0.5] * len(looked_at)})
    assert case.observed_steps.tolist() == looked_at
    assert case.observed_steps.dtype == np.int64


def test_a_case_may_look_at_as_many_steps_as_the_limit_says_and_no_more():
    expected = {"values": {0: 0.5}}
    assert len(schedule_case(steps=MAX_OBSERVED, expected=expected).observed_steps) == MAX_OBSERVED
    window = {"start": 1, "stop": 1 + MAX_OBSERVED}
    case = schedule_case(steps=window, expected={"values": {1: 0.25}})
    assert len(case.observed_steps) == MAX_OBSERVED
    with pytest.raises(ValidationError):
        schedule_case(steps=MAX_OBSERVED + 1, expected=expected)


def test_expected_values_stand_at_their_steps_and_are_unknown_elsewhere():
    case = schedule_case(steps=[3, 5, 9], expected={"values": {9: 0.25, 3: 1}})
    first, second, third = case.expected_values.tolist()
    assert (first, third) == (1.0, 0.25)
    assert math.isnan(second)


def test_a_case_that_expects_an_exception_has_no_expected_values():
    case = schedule_case(expected={"raises": "ValueError"})
    assert np.isnan(case.expected_values).all()
    assert len(case.expected_values) == 4


@pytest.mark.parametrize("steps", [True, 4.0, "4", None])
def test_steps_are_not_converted_from_anything(steps):
    with pytest.raises(ValidationError):
        schedule_case(steps=steps)


@pytest.mark.parametrize("rate", [True, "0.5", None, [0.5], 10**400])
def test_rates_are_not_converted_from_anything(rate):
    with pytest.raises(ValidationError):
        schedule_case(schedule={**HALVING, "base_lr": rate})
    with pytest.raises(ValidationError):
        schedule_case(expected={"values": [rate, *HALVES[1:]]})


def test_a_whole_number_is_a_rate():
    case = schedule_case(schedule={**HALVING, "base_lr": 8}, expected={"values": [8, 4, 2, 1]})
    assert case.expected_values.tolist() == [8.0, 4.0, 2.0, 1.0]
    assert case.schedule.base_lr == 8.0


def test_a_negative_rate_is_fine_where_every_power_is_whole():
    for more in ({"decay_steps": 1}, {"decay_steps": 3, "staircase": True}):
        schedule = {"base_lr": 0.5, "decay_rate": -0.5, **more}
        assert schedule_case(schedule=schedule).schedule.decay_rate == -0.5
    with pytest.raises(ValidationError, match="set staircase"):
        schedule_case(schedule={"base_lr": 0.5, "decay_rate": -0.5, "decay_steps": 3})


def test_a_default_of_none_differs_from_no_word_on_the_default():
    assert ParameterFacts(default=None).states_default
    assert not ParameterFacts(required=True).states_default


def test_a_surface_case_needs_an_api_of_the_catalogue():
    with pytest.raises(ValidationError, match="did you mean"):
        surface_case({"lacks": ["verbose"]}, api="torch.optim.lr_scheduler.ExponentialRL")


def test_a_file_may_hold_records_only():
    file = CaseFile.model_validate(
        {"format": 1, "known_divergences": [record().model_dump(exclude_none=True)]}
    )
    assert [r.name for r in file.known_divergences] == ["stands still"]
    assert file.cases == []


# What a known divergence covers.

SCOPE = ("halves", TORCH_EXPONENTIAL, "torch/cpu/eager", "2.13.0")


def test_a_record_covers_what_it_names():
    assert record(target="torch/cpu/*").covers(*SCOPE)
    assert record(cases=["another", "halves"]).covers(*SCOPE)


@pytest.mark.parametrize(
    "scope",
    [
        ("other", *SCOPE[1:]),
        ("halve", *SCOPE[1:]),
        (SCOPE[0], CELL, *SCOPE[2:]),
        (*SCOPE[:2], "torch/cuda/eager", SCOPE[3]),
        (*SCOPE[:3], "2.12.1"),
    ],
)
def test_a_record_covers_nothing_else(scope):
    assert not record(target="torch/cpu/*").covers(*scope)


@pytest.mark.parametrize(
    ("versions", "version", "covered"),
    [
        (">=2.13", "2.13.0+cpu", True),
        (">=2.13", "2.14.0.dev20260101+cu130", True),
        (">=2.13", "2.13.0rc1", False),
        ("<2.13", "2.13.0rc1", False),
        ("==2.13.*", "2.13.2", True),
        (">=1.8,<1.9", "1.8.1", True),
        (">=1.8,<1.9", "1.9.0", False),
        ("", "1.0", True),
    ],
)
def test_a_record_covers_versions_by_their_public_part(versions, version, covered):
    assert record(versions=versions).covers(*SCOPE[:3], version) is covered


@pytest.mark.parametrize("version", ["unknown", "2.13-custom-build", "", "nightly/2026"])
def test_a_version_that_is_none_is_not_covered_and_ends_nothing(version):
    assert record(versions=">=2.13").covers(*SCOPE[:3], version) is False


# Groups, changes, resume.


def test_a_group_has_the_cases_schedule_but_for_what_it_says():
    case = schedule_case(groups=[{"schedule": {"base_lr": 0.25}}])
    assert [schedule.base_lr for schedule in case.schedules] == [0.5, 0.25]
    assert [schedule.decay_rate for schedule in case.schedules] == [0.5, 0.5]
    assert case.reference_of(0).tolist() == HALVES
    assert case.reference_of(1).tolist() == [0.25, 0.125, 0.0625, 0.03125]
    assert np.isnan(case.expected_of(1)).all()


def test_a_group_that_joins_later_is_looked_at_from_there_and_begins_at_its_base_rate():
    case = schedule_case(
        groups=[{"schedule": {"base_lr": 0.25}, "added_at": 2, "values": [0.25, 0.125]}]
    )
    assert case.steps_of(0).tolist() == [0, 1, 2, 3]
    assert case.steps_of(1).tolist() == [2, 3]
    assert case.expected_of(1).tolist() == [0.25, 0.125]
    assert case.reference_of(1).tolist() == [0.25, 0.125]
    assert case.training_of(1).changes == {2: 0.25}


def test_a_group_has_as_many_values_as_steps():
    with pytest.raises(ValidationError, match="group 1 has 4 values for 2 steps"):
        schedule_case(groups=[{"schedule": {}, "added_at": 2, "values": HALVES}])


def test_a_group_of_which_no_schedule_can_be_made_is_refused_by_its_number():
    good, bad = {"schedule": {"base_lr": 0.25}}, {"schedule": {"decay_rat": 0.5}}
    with pytest.raises(ValidationError, match="group 2: decay_rat: Extra inputs"):
        schedule_case(groups=[good, bad])


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"lr_shared": True}, "are about a tensor: give lr_dtype"),
        ({"lr_parameter": True}, "are about a tensor: give lr_dtype"),
        ({"lr_shared": True, "lr_dtype": "float32"}, "several groups that begin at the same rate"),
        (
            {
                "lr_shared": True,
                "lr_dtype": "float32",
                "groups": [{"schedule": {"base_lr": 0.25}}],
            },
            "several groups that begin at the same rate",
        ),
        (
            {
                "lr_shared": True,
                "lr_dtype": "float32",
                "groups": [{"schedule": {}, "added_at": 2}],
            },
            "goes with neither resume nor added_at",
        ),
    ],
)
def test_one_tensor_for_all_groups_is_for_groups_that_can_share_it(fields, fault):
    with pytest.raises(ValidationError, match=fault):
        schedule_case(**fields)


def test_a_training_knows_that_its_rate_is_a_tensor_and_whose():
    case = schedule_case(lr_dtype="float64", lr_shared=True, groups=[{"schedule": {}}])
    training = case.training
    assert (training.lr_dtype, training.lr_shared, training.lr_parameter) == (
        "float64",
        True,
        False,
    )


def test_a_rate_set_from_outside_is_the_reference_and_what_follows_is_made_from_it():
    case = schedule_case(changes={2: 1.0})
    assert case.training.changes == {2: 1.0}
    assert case.reference.tolist() == [0.5, 0.25, 1.0, 0.5]


def test_a_training_is_broken_off_at_one_of_the_steps_and_not_before_the_first():
    case = schedule_case(resume={"at": 2, "by": "checkpoint"})
    assert (case.training.resume.at, case.training.resume.by) == (2, "checkpoint")
    assert case.reference.tolist() == HALVES
    for at in (4, 9):
        with pytest.raises(ValidationError, match="must be one of the steps"):
            schedule_case(resume={"at": at, "by": "checkpoint"})


def test_what_is_expected_is_values_an_exception_or_that_there_is_none():
    assert np.isnan(schedule_case(expected={"accepted": True}).expected_values).all()
    for two in ({"accepted": True, "raises": "ValueError"}, {"accepted": True, "values": HALVES}):
        with pytest.raises(ValidationError, match="give either values or raises"):
            schedule_case(expected=two)
    with pytest.raises(ValidationError):
        schedule_case(expected={"accepted": False})


def test_a_case_says_what_it_is_there_to_test():
    assert schedule_case().dimension == "values"
    assert schedule_case(dimension="resume").dimension == "resume"
    assert surface_case({"lacks": ["verbose"]}).dimension == "surface"
    with pytest.raises(ValidationError):
        schedule_case(dimension="everything")


# Validations.


def validation(**fields):
    content = {
        "name": "checks",
        "source": "by hand",
        "implementation": TORCH_EXPONENTIAL,
        "family": "exponential",
        "schedule": HALVING,
        "inputs": {
            "gamma": [{"value": "x", "raises": "TypeError"}, {"value": 2, "accepted": True}]
        },
    }
    return CaseFile.model_validate({"format": 1, "validations": [{**content, **fields}]})


def test_a_validation_is_a_case_for_each_input():
    first, second = validation().validations[0].expanded()
    assert first == {
        "name": "checks/gamma=x",
        "description": "ExponentialLR with gamma=x raises TypeError.",
        "source": "by hand",
        "dimension": "validation",
        "tags": ["validation"],
        "family": "exponential",
        "schedule": HALVING,
        "steps": 4,
        "steps_per_epoch": 1,
        "implementations": [TORCH_EXPONENTIAL],
        "arguments": {TORCH_EXPONENTIAL: {"gamma": "x"}},
        "expected": {"raises": "TypeError"},
    }
    assert second["name"] == "checks/gamma=2"
    assert second["description"] == "ExponentialLR with gamma=2 is accepted."
    assert second["expected"] == {"accepted": True}
    made = CaseFile.model_validate({"format": 1, "cases": [first, second]}).cases
    assert [case.dimension for case in made] == ["validation", "validation"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "true"), (None, "none"), ("", "''"), (0.5, "0.5"), ([1, 2], "[1, 2]"), ("a::b", "a:b")],
)
def test_an_input_is_shown_in_the_name_of_its_case(value, shown):
    inputs = {"gamma": [{"value": value, "raises": "TypeError"}]}
    (case,) = validation(inputs=inputs).validations[0].expanded()
    assert case["name"] == f"checks/gamma={shown}"


def test_an_input_may_have_a_source_of_its_own():
    inputs = {"gamma": [{"value": 1, "accepted": True, "source": "a page"}]}
    (case,) = validation(inputs=inputs).validations[0].expanded()
    assert case["source"] == "a page"


def test_an_input_may_ask_for_the_text_of_the_exception():
    inputs = {"gamma": [{"value": "x", "raises": "TypeError", "message": "a factor"}]}
    (case,) = validation(inputs=inputs).validations[0].expanded()
    assert case["expected"] == {"raises": "TypeError", "message": "a factor"}
    with pytest.raises(ValidationError, match="give raises with it"):
        validation(inputs={"gamma": [{"value": 1, "accepted": True, "message": "a factor"}]})


@pytest.mark.parametrize("outcome", [{}, {"raises": "ValueError", "accepted": True}])
def test_of_an_input_either_an_exception_is_due_or_none(outcome):
    with pytest.raises(ValidationError, match="either raises or accepted"):
        validation(inputs={"gamma": [{"value": 1, **outcome}]})


# Records.


def test_a_record_may_look_otherwise_in_single_cases():
    one = record(cases=["halves", "other"], observed_in={"other": {"raises": "ValueError"}})
    assert one.look("halves").by_step == {1: 0.5, 2: 0.5, 3: 0.5}
    assert one.look("other").raises == "ValueError"
    with pytest.raises(ValidationError, match="observed_in names 'third'"):
        record(observed_in={"third": {"raises": "ValueError"}})
    api = TORCH_EXPONENTIAL
    of_one = record(observed_in={f"halves::{api}": {"raises": "KeyError"}})
    assert of_one.look("halves", api).raises == "KeyError"
    assert of_one.look("halves", "another").raises is None
    with pytest.raises(ValidationError, match=r"observed_in names 'torch\.None'"):
        record(observed_in={"halves::torch.None": {"raises": "KeyError"}})


@pytest.mark.parametrize(
    ("observed", "telling"),
    [
        ({"values": {"3-1": 0.5}}, "must exceed"),
        ({"values": {"3-3": 0.5}}, "must exceed"),
        ({"values": {"0-9999999": 0.5}}, "near enough"),
        ({"values": {"a-b": 0.5}}, "pattern"),
        ({"values": {1: 0.5, "0-3": 0.5}}, "names a step twice"),
        ({"sequences": {"momentum": {"values": {1: 0.5}}}}, "pattern"),
        ({"schedule": {"base_lr": 0.5}}, "schedule needs a family"),
        ({"schedule": {"family": "constant"}}, "schedule: Field required"),
        ({"accepted": True}, "say which rates it gave"),
        ({"accepted": True, "sequences": {"applied": {}}}, "say which rates it gave"),
        ({"values": {1: 0.5}, "at": 3}, "give raises with them"),
        ({"at": 3}, "give at least one"),
    ],
)
def test_what_a_record_says_is_looked_at(observed, telling):
    with pytest.raises(ValidationError, match=telling):
        record(observed=observed)


@pytest.mark.parametrize("types", ["Exception", "BaseException", ["ValueError", "Exception"]])
def test_a_bare_exception_needs_a_reason(types):
    with pytest.raises(ValidationError, match="a full disk too"):
        schedule_case(expected={"raises": types})
    with pytest.raises(ValidationError, match="a full disk too"):
        validation(inputs={"gamma": [{"value": 1, "raises": types}]})
    why = {"raises": types, "any_exception": "what a user's function raises is not ours to say"}
    assert schedule_case(expected=why).expected.exceptions
    with pytest.raises(ValidationError, match="any_exception goes with raises: Exception"):
        schedule_case(expected={**why, "raises": "ValueError"})


@pytest.mark.parametrize("at", [-1, "never", 1.5, True])
def test_where_an_exception_is_due_is_a_step_or_construction(at):
    with pytest.raises(ValidationError):
        schedule_case(expected={"raises": "ValueError", "at": at})
    assert schedule_case(expected={"raises": "ValueError", "at": "construction"})
    with pytest.raises(ValidationError, match="at and any_exception are of an exception"):
        schedule_case(expected={"values": {0: 0.5}, "at": 3})


def test_an_input_may_make_another_schedule_of_the_good_one():
    inputs = {"gamma": [{"value": 0.25, "schedule": {"decay_rate": 0.25}, "raises": "ValueError"}]}
    (case,) = validation(inputs=inputs).validations[0].expanded()
    assert case["schedule"]["decay_rate"] == 0.25


@pytest.mark.parametrize(
    "argument",
    [
        {"api": "os.system", "arguments": {"command": "true"}},
        {"api": TORCH_EXPONENTIAL},
        {"api": TORCH_EXPONENTIAL, "arguments": {"gamma": {"api": "eval", "arguments": {}}}},
        {"function": "exec", "a": 1.0},
        {"function": "table", "values": ["__import__('os')"]},
        [{"key": "value"}],
    ],
)
def test_an_argument_that_names_another_call_is_refused(argument):
    with pytest.raises(ValidationError, match=r"catalogue|an argument is a plain value"):
        schedule_case(arguments={TORCH_EXPONENTIAL: {"gamma": argument}})


def test_an_argument_may_be_a_part_or_a_named_function():
    part = {"api": TORCH_EXPONENTIAL, "arguments": {"gamma": 0.5}}
    case = schedule_case(
        arguments={
            TORCH_EXPONENTIAL: {"a": [part], "b": {"function": "power", "a": -0.5}, "c": [1, "x"]}
        }
    )
    given = case.arguments[TORCH_EXPONENTIAL]
    assert given["a"] == [Made(TORCH_EXPONENTIAL, {"gamma": 0.5})]
    assert given["b"] == Named("power", -0.5)
    assert given["c"] == [1, "x"]


def test_a_metric_is_given_for_each_step_of_the_scheduler():
    content = {
        "name": "x",
        "description": "x",
        "source": "by hand",
        "family": "plateau",
        "schedule": {"base_lr": 1.0, "metrics": [1.0, 1.0]},
        "steps": 3,
        "expected": {"values": [1.0, 1.0, 1.0]},
    }
    with pytest.raises(ValidationError, match="2 metrics for 3 steps"):
        case_file(content)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs": [1.0, None]}, "2 epochs for 3 updates"),
        ({"epochs": [0.3, 1.0, 2.0]}, "multiple of 0.125"),
        ({"epochs": [1.0, 2.0, 3.0], "changes": {1: 0.5}}, "neither resume nor changes"),
        ({"epochs": [1.0, 2.0, 3.0], "family": "exponential"}, "for warm_restarts"),
    ],
)
def test_epochs_that_say_nothing_are_refused(changes, said):
    schedule = {"base_lr": 1.0, "T_0": 2}
    if "family" in changes:
        schedule = {"base_lr": 1.0, "decay_rate": 0.5, "decay_steps": 1}
    content = {
        "name": "x",
        "description": "x",
        "source": "by hand",
        "family": "warm_restarts",
        "schedule": schedule,
        "steps": 3,
        "expected": {"values": {0: 1.0}},
        **changes,
    }
    with pytest.raises(ValidationError, match=said):
        case_file(content)


def test_a_rate_set_from_outside_and_step_with_the_epoch_exclude_each_other():
    with pytest.raises(ValidationError, match="takes no notice"):
        schedule_case(changes={1: 0.5}, stepping="epoch")


# What several cases share.

WARM = {"base_lr": 0.1, "T_0": 2}


def test_cases_that_differ_in_other_things_share_their_rates():
    one = schedule_case()
    other = schedule_case(name="other", tags=["a"], tolerance={"atol": 1.0, "reason": "a"})
    assert one.course_of(0) == other.course_of(0)
    assert one.reference is other.reference


@pytest.mark.parametrize(
    "fields",
    [
        {"schedule": {**HALVING, "base_lr": 0.25}},
        {"schedule": {**HALVING, "staircase": True}},
        {"steps": [0, 1, 2]},
        {"steps": {"start": 1, "stop": 4}},
        {"steps_per_epoch": 2},
        {"changes": {1: 0.75}},
        {"changes": {2: 0.75}},
        {"changes": {1: 0.25}},
    ],
)
def test_cases_that_differ_in_what_rates_depend_on_share_none(fields):
    fields = {"expected": {"accepted": True}, **fields}
    one, other = schedule_case(), schedule_case(**fields)
    assert one.course_of(0) != other.course_of(0)
    assert one.reference is not other.reference
    schedule, steps = other.schedule, other.observed_steps
    due = schedule.changed(steps, other.steps_per_epoch, other.changes)
    assert other.reference.tolist() == due.tolist()


def test_a_case_whose_scheduler_is_told_its_epochs_has_rates_of_its_own():
    fields = {"family": "warm_restarts", "schedule": WARM, "steps": 3}
    fields = {**fields, "expected": {"accepted": True}, "implementations": None}
    plain = schedule_case(**fields)
    told = schedule_case(**fields, epochs=[1.5, None, 0.5])
    assert plain.reference.tolist() != told.reference.tolist()
    assert told.reference is schedule_case(**fields, epochs=[1.5, None, 0.5]).reference


def test_groups_that_join_at_other_steps_have_rates_of_their_own():
    groups = [
        {"schedule": {}, "added_at": 0},
        {"schedule": {}, "added_at": 2},
        {"schedule": {"base_lr": 0.25}, "added_at": 0},
    ]
    case = schedule_case(groups=groups)
    assert case.reference_of(1) is case.reference_of(0)
    assert len(case.reference_of(2)) == 2
    assert case.reference_of(3).tolist() == [0.25, 0.125, 0.0625, 0.03125]


def test_shared_rates_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        schedule_case().reference[0] = 1.0


@pytest.mark.parametrize(
    ("steps", "updates"), [(4, 4), ({"start": 2, "stop": 5}, 5), ([0, 7, 11], 12)]
)
def test_the_training_goes_on_to_the_last_step(steps, updates):
    case = schedule_case(steps=steps, expected={"accepted": True})
    assert case.training.updates == updates == case.observed_steps[-1] + 1

"""Random cases: the same from the same origin, each a case that a file could hold."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from helpers.draws import draws

from harness.catalogue import Unsupported
from harness.fuzz.examples import (
    UPDATES,
    case_of,
    example,
    key_of,
    shape_of,
    situations,
    smallest,
)
from harness.plan import calls_of, implementations_of
from harness.reference import FAMILIES

pytestmark = pytest.mark.xdist_group("fuzz examples")
NUMBERS = range(draws(40, least=10))


@cache
def drawn(family):
    return [example(family, f"1/{family}/{number}") for number in NUMBERS]


@cache
def cases(family):
    return [
        case_of(content, f"drawn {number}", "drawn") for number, content in enumerate(drawn(family))
    ]


def test_an_origin_has_one_example_and_another_origin_another():
    first, again = example("cosine", "1/cosine/7"), example("cosine", "1/cosine/7")
    assert key_of(first) == key_of(again)
    # Which constants hypothesis knows depends on what is imported: a few may be the same by chance.
    assert len({key_of(content) for content in drawn("cosine")}) > 0.8 * len(NUMBERS)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_drawn_as_cases_with_a_rate_at_every_step(family):
    for case in cases(family):
        assert case.family == family
        for group in range(len(case.schedules)):
            assert not np.isnan(case.reference_of(group)).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_most_examples_can_be_run_by_somebody(family):
    runnable = [
        any(not isinstance(calls_of(case, api), Unsupported) for api in implementations_of(case))
        for case in cases(family)
    ]
    assert sum(runnable) >= 0.5 * len(runnable)


def happening(case):
    """What of all that may happen in a training happens in this one."""
    found = {"a later group" if group.added_at else "a group" for group in case.groups}
    found |= {f"stepping {case.stepping}", f"dimension {case.dimension}"}
    if case.resume:
        found.add(f"resumed by {case.resume.by}")
    may_be = {
        "changes": case.changes,
        "another optimizer": case.optimizer != "SGD",
        "modes": case.modes,
        "epochs": case.schedule.per_epoch and case.steps_per_epoch > 1,
        "far on": case.observed_steps[0] > 1_000_000,
    }
    return found | {what for what, is_so in may_be.items() if is_so}


def test_everything_that_may_happen_in_a_training_is_drawn():
    due = {
        *("resumed by state_dict", "resumed by checkpoint", "resumed by last_epoch"),
        *("stepping plain", "stepping epoch", "dimension values", "dimension validation"),
        *("a group", "a later group", "changes", "another optimizer", "modes", "epochs", "far on"),
    }
    seen = set()
    for number in range(1_000):
        seen |= happening(case_of(example("exponential", f"2/{number}"), "drawn", "drawn"))
        if seen >= due:
            break
    assert seen == due


def test_what_takes_time_at_each_update_is_asked_for_few():
    for family in FAMILIES:
        for case in cases(family):
            experimental = any(".experimental." in a.api for a in implementations_of(case))
            assert case.training.updates <= UPDATES + 1 or not experimental


def test_a_family_without_schedulers_is_not_stepped_with_an_epoch_nor_set_from_outside():
    assert {"epoch", "changes", "joining"} & set(situations("piecewise")) == set()
    assert {"epoch", "changes", "joining"} <= set(situations("cosine"))


def test_an_input_is_one_of_the_suites_own_in_another_call():
    inputs = [c for c in drawn("linear") + drawn("cosine") if c.get("dimension") == "validation"]
    assert inputs
    for content in inputs:
        (api,) = content["implementations"]
        assert set(content["arguments"]) == {api}
        assert content["expected"].keys() & {"raises", "accepted"}
        assert any(tag.startswith("validation/") for tag in content["tags"])


class Wrong(Exception):
    pass


def test_the_smallest_example_still_fails_and_is_no_larger():
    def check(content):
        if content["schedule"]["gamma"] < 0.9 and len(content["schedule"]["milestones"]) >= 2:
            raise Wrong(content)

    origins = [f"3/multistep/{number}" for number in range(40)]
    origin = next(o for o in origins if fails(check, example("multistep", o)))
    with pytest.raises(Wrong) as caught:
        smallest("multistep", origin, check)
    content = caught.value.args[0]
    assert content["schedule"]["milestones"] == [0, 0]
    assert content["steps"] == [0] or content["steps"] == 2
    assert fails(check, content)


def fails(check, content):
    try:
        check(content)
    except Wrong:
        return True
    return False


def test_a_shape_forgets_numbers_and_keeps_zeros_and_words():
    content = {"schedule": {"base_lr": 0.1, "eta_min": 0.0, "periodic": True}, "steps": [0, 3]}
    other = {"schedule": {"base_lr": 0.7, "eta_min": 0.0, "periodic": True}, "steps": 4}
    assert shape_of(content) == shape_of(other)
    assert shape_of(content) != shape_of({**other, "schedule": {**other["schedule"], "eta_min": 1}})

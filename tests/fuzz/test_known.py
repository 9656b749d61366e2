"""What a random example has met: each predicate holds for its record's own cases, run for real."""

from __future__ import annotations

import pytest
from helpers.making import TORCH_EXPONENTIAL, judged, raised, record, schedule_case, seen, trial
from helpers.suite import suite

from harness.fuzz.known import MEETINGS, Known
from harness.judge import Judge
from harness.plan import plan
from harness.project import own_records
from harness.suite import judgements

pytestmark = pytest.mark.xdist_group("fuzz known")
RECORDS = {record.name: record for record in own_records()}
EVERYWHERE = {"torch": "2.13.0", "mindspore": "2.10.0"}


def test_every_meeting_is_with_a_record_that_there_is():
    assert set(MEETINGS) <= set(RECORDS)


@pytest.fixture(scope="module")
def shown(framework_workers):
    """The judgements, without the records, on the cases that the records name."""
    names = {name for record in MEETINGS for name in RECORDS[record].cases}
    cases = [case for case in suite().cases if case.name in names]
    environments = framework_workers.environments()
    trials = [t for t in plan(cases, environments) if t.skip is None]
    versions = {e.name: e.version for e in environments}
    return list(judgements(Judge((), versions), trials, framework_workers)), versions


@pytest.mark.frameworks
@pytest.mark.parametrize("name", MEETINGS)
def test_a_meeting_holds_for_a_case_of_its_record_on_each_implementation(name, shown):
    own, (done, versions) = RECORDS[name], shown
    known = Known([own], versions)
    met = {
        judgement.trial.implementation.api
        for judgement in done
        if judgement.trial.case.name in own.cases and known.met(judgement) is own
    }
    assert set(own.implementations) <= met


@pytest.mark.frameworks
def test_what_conforms_on_those_cases_has_met_nothing(shown):
    done, versions = shown
    known = Known(list(RECORDS.values()), versions)
    conforming = [judgement for judgement in done if not judgement.verdict.fails]
    assert conforming
    assert [j.trial.id for j in conforming if known.met(j)] == []


def refused(*, at, by="last_epoch", kind="KeyError", text="'max_lr'"):
    """A OneCycleLR that ends in an exception as it is resumed."""
    schedule = {"base_lr": 0.5, "max_lr": 1.0, "div_factor": 2.0, "total_steps": 9}
    case = schedule_case(
        family="one_cycle",
        schedule=schedule,
        steps=4,
        resume={"at": at, "by": by},
        expected={"values": {0: 0.5}},
    )
    api = "torch.optim.lr_scheduler.OneCycleLR"
    return judged(trial(case, api), raised(kind, text))


def met(judgement, versions=None):
    record = Known(list(RECORDS.values()), versions or EVERYWHERE).met(judgement)
    return record and record.name


def test_an_exception_is_met_again_with_its_type_its_text_and_its_situation_only():
    assert met(refused(at=2)) == "OneCycleLR-resumed-by-last_epoch"
    assert met(refused(at=2, text="'other'")) is None
    assert met(refused(at=2, kind="TypeError")) is None
    assert met(refused(at=2, by="state_dict")) is None


def test_a_version_that_the_record_does_not_speak_of_has_met_nothing():
    assert met(refused(at=2), {"torch": "1.7.0"}) is None


def constant(total_iters, rates):
    case = schedule_case(
        family="constant",
        schedule={"base_lr": 0.5, "factor": 0.25, "total_iters": total_iters},
        expected={"values": {0: rates[0] if total_iters else 0.5}},
    )
    one = trial(case, "torch.optim.lr_scheduler.ConstantLR")
    return judged(one, seen(one, rates))


def test_wrong_rates_are_met_again_under_the_recorded_parameters_only():
    assert met(constant(0, [0.125] * 4)) == "ConstantLR-for-no-updates"
    assert met(constant(2, [0.125] * 4)) is None


def input_of(name, outcome):
    case = schedule_case(
        dimension="validation",
        tags=["fuzz", name],
        expected={"raises": "ValueError"},
        arguments={TORCH_EXPONENTIAL: {"gamma": 2.0}},
        implementations=[TORCH_EXPONENTIAL],
    )
    one = trial(case)
    return judged(one, seen(one, [0.5] * 4) if outcome is None else outcome)


def test_an_input_is_met_again_where_a_record_names_the_suites_own_case_of_it():
    accepts = record(
        name="takes it", cases=["v/gamma=2"], observed={"accepted": True, "values": {"0-3": 0.5}}
    )
    known = Known([accepts], EVERYWHERE)
    assert known.met(input_of("v/gamma=2", None)) is accepts
    assert known.met(input_of("v/gamma=3", None)) is None

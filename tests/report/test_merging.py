"""Several reports made one: as one run would have been, and never silent where they disagree."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.gating import sharded
from helpers.making import (
    CELL,
    EXPERIMENTAL_EXPONENTIAL,
    HALVES,
    LIST,
    MINDSPORE,
    TORCH,
    TORCH_EXPONENTIAL,
    TORCH_STEP,
    judged,
    record,
    run_of,
    schedule_case,
    seen,
    skipped,
    trial,
)
from helpers.published import published

from harness.errors import ReportsDisagree
from harness.plan import Skip
from harness.report import json_file
from harness.report.merging import Part, merged
from harness.report.model import (
    MAX_POINTS,
    ChangesEntry,
    CoverageCell,
    CoverageEntry,
    TakenEntry,
    from_run,
)
from harness.report.reading import parse
from harness.verdict import Verdict
from harness.workers import Environment

NEWER = replace(TORCH, version="2.14.0", packages={"torch": "2.14.0", "numpy": "1.26.4"})
NO_MINDSPORE = Environment("mindspore", "mindspore", failure="No module named 'mindspore'")


def judgement(rates=HALVES, *records, api=TORCH_EXPONENTIAL, case=None, **fields):
    made = trial(case or schedule_case(**fields), api)
    return judged(made, seen(made, rates), *records)


def off(ulps: float):
    """Rates that are off by so many ULP at step 1, which is within the budget of float32."""
    return [0.5, 0.25 * (1 + ulps * 2**-23), 0.125, 0.0625]


def report(*judgements, **fields):
    """A report as it is read back from its file."""
    return parse(json_file.render(from_run(run_of(*judgements, **fields))), "x")


def one_of(*reports):
    whole = merged([Part(f"part {n}", part) for n, part in enumerate(reports, start=1)])
    published(whole)
    return whole


def unavailable(name="halves"):
    case, skip = schedule_case(name=name), Skip(Verdict.UNAVAILABLE, NO_MINDSPORE.failure)
    made = skipped(case, skip, CELL)
    return judged(replace(made, target=replace(made.target, device="-", mode="-")), None)


# One run in pieces.


WHOLE = [
    judgement(name="first"),
    judgement(off(1), api=CELL, name="first"),
    judgement(off(-1), api=LIST, name="first"),
    judgement(name="second"),
    judgement([0.5] * 4, api=EXPERIMENTAL_EXPONENTIAL, name="second"),
    judgement([0.5] * 4, record()),
    judgement(off(2), api=CELL),
    judged(skipped(schedule_case(name="third"), Skip(Verdict.UNSUPPORTED, "cannot")), None),
]


@pytest.mark.parametrize(
    "where",
    [
        lambda number, each: each.trial.case.name == "second",
        lambda number, each: each.trial.case.name == "third",
        lambda number, each: number > 0,
    ],
    ids=["a case", "what was not run", "all but the first"],
)
def test_the_parts_of_a_run_make_the_whole_run(where):
    apart = [where(number, each) for number, each in enumerate(WHOLE)]
    parts = [
        [j for j, out in zip(WHOLE, apart, strict=True) if out is half] for half in (False, True)
    ]
    whole = one_of(*(report(*part, records=(record(),)) for part in parts))
    expected = report(*WHOLE, records=(record(),))
    assert sorted(whole.trials, key=str) == sorted(expected.trials, key=str)
    assert sorted(whole.cases, key=str) == sorted(expected.cases, key=str)
    assert whole.coverage == expected.coverage
    assert whole.counts == expected.counts
    assert whole.fails == expected.fails
    assert whole.budget_use == expected.budget_use
    assert whole.known_divergences == expected.known_divergences
    environments = {e.name: e for e in expected.environments}
    assert {e.name: e for e in whole.environments} == environments


def test_frameworks_that_ran_apart_are_held_against_each_other():
    torch = [j for j in WHOLE if j.trial.target.environment == "torch"]
    mindspore = [j for j in WHOLE if j.trial.target.environment == "mindspore"]
    whole = one_of(
        report(*torch, environments=(TORCH,)), report(*mindspore, environments=(MINDSPORE,))
    )
    expected = {(a.case, a.sequence): a for a in report(*WHOLE).agreements}
    assert {(a.case, a.sequence): a for a in whole.agreements} == expected
    assert [e.name for e in whole.environments] == ["torch", "mindspore"]


def test_a_report_merged_with_itself_is_itself():
    once = report(*WHOLE, records=(record(),))
    twice = one_of(once, once)
    assert twice.model_copy(update={"seconds": once.seconds}) == once


def test_times_add_up_and_the_earliest_start_counts():
    early = report(judgement(), seconds=2.0)
    late = early.model_copy(update={"started": "2026-11-24T00:00:00+00:00", "full": True})
    whole = one_of(late, early)
    assert (whole.seconds, whole.started, whole.full) == (4.0, early.started, False)


def test_what_parts_have_taken_from_other_reports_is_told_of_the_whole():
    def part(name, started):
        made = report(judgement(name=name), judgement(name=f"{name} again"))
        trials = [made.trials[0].model_copy(update={"taken_from": started}), made.trials[1]]
        taken = TakenEntry(trials=1, report=f"{name}.json", started=started)
        return made.model_copy(update={"trials": trials, "taken": taken})

    first, second = part("first", "2026-11-23"), part("second", "2026-11-22")
    whole = one_of(first, second, report(judgement(name="third")))
    assert whole.taken == TakenEntry(trials=2, report="second.json", started="2026-11-22")
    told = {trial.case: trial.taken_from for trial in whole.trials if trial.taken_from}
    assert told == {"first": "2026-11-23", "second": "2026-11-22"}
    assert one_of(first, first).taken == first.taken
    assert one_of(report(judgement())).taken is None


def test_a_part_that_stopped_early_or_lost_a_worker_says_so_of_the_whole():
    whole = one_of(report(judgement()), report(judgement(), stopped_early=True))
    assert whole.stopped_early
    assert not whole.fails
    whole = one_of(report(judgement()), report(judgement(), incidents=("torch: died",)))
    assert whole.incidents == ["torch: died"]
    assert whole.fails


def test_what_changed_since_a_baseline_is_left_to_be_found_for_the_whole():
    changes = ChangesEntry(baseline="b", changes=[])
    part = report(judgement()).model_copy(update={"changes": changes})
    assert one_of(part, part).changes is None


# What was left out.


@pytest.mark.parametrize(
    ("selections", "whole"),
    [
        ([{"shard": "1/2"}, {"shard": "2/2"}], {}),
        ([{"shard": "2/3"}, {"shard": "3/3"}, {"shard": "1/3"}], {}),
        ([{"shard": "1/2"}, {"shard": "2/2"}, {"shard": "1/2"}], {}),
        ([{"shard": "1/1"}, {"shard": "1/1"}], {}),
        ([{"shard": "1/3"}, {"shard": "3/3"}], {"shard": "1/3, 3/3"}),
        ([{"shard": "1/2"}, {"shard": "1/2"}], {"shard": "1/2"}),
        ([{"shard": "1/2", "keyword": "x"}, {"keyword": "x"}], {"keyword": "x"}),
        ([{"shard": "2/4"}, {"shard": "4/4"}, {"shard": "2/4"}], {"shard": "2/4, 4/4"}),
        ([{"shard": "1/2", "keyword": "x"}, {"shard": "2/2", "keyword": "x"}], {"keyword": "x"}),
        ([{"keyword": "x"}, {"keyword": "x"}], {"keyword": "x"}),
        ([{"keyword": "x"}, {"keyword": "y"}], {"any_of": ["keyword x", "keyword y"]}),
        ([{"shard": "1/2"}, {"targets": ["a", "b"]}], {"any_of": ["shard 1/2", "targets a b"]}),
        ([{}, {"keyword": "x"}], {}),
    ],
)
def test_shards_that_are_all_there_leave_nothing_out(selections, whole):
    part = report(judgement())
    parts = [part.model_copy(update={"selection": selection}) for selection in selections]
    parts = [
        sharded(part, part.selection["shard"]) if "shard" in part.selection else part
        for part in parts
    ]
    assert one_of(*parts).selection == whole


def test_the_cases_of_shards_that_are_missing_are_known():
    part = report(judgement())
    first, third, fourth = (sharded(part, f"{n}/4") for n in (1, 3, 4))
    some = one_of(first, fourth)
    assert some.division.shards == [1, 4]
    assert some.division.missing == {2: ["b"], 3: ["c"]}
    assert one_of(some, third).division.missing == {2: ["b"]}
    assert one_of(some, third, sharded(part, "2/4")).division is None
    assert one_of(some, part).division is None  # a whole run lacks nothing


def test_a_shard_that_has_no_case_is_not_missing():
    parts = [sharded(report(judgement()), f"{n}/3") for n in (1, 2)]
    cases = [["a"], ["b"], []]
    divided = [
        part.model_copy(update={"division": part.division.model_copy(update={"cases": cases})})
        for part in parts
    ]
    whole = one_of(*divided)
    assert (whole.selection, whole.division) == ({}, None)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"shard": "1/2"}, {"shard": "2/3"}),
        ({"shard": "1/2"}, {"shard": "2/2", "costs": "others"}),
        ({"shard": "1/2", "cases": ("a", "b")}, {"shard": "2/2", "cases": ("a", "c")}),
        ({"shard": "1/2"}, {"shard": "1/2", "costs": "others"}),
    ],
)
def test_shards_of_different_divisions_are_refused(first, second):
    part = report(judgement())
    with pytest.raises(ReportsDisagree, match="part 1 and part 2 are shards of different") as error:
        one_of(sharded(part, **first), sharded(part, **second))
    assert "reports/durations.json" in str(error.value)
    assert error.value.exit_code == 2


def test_a_shard_that_does_not_say_how_cases_were_divided_is_refused():
    part = report(judgement())
    old = part.model_copy(update={"selection": {"shard": "2/2"}})
    with pytest.raises(ReportsDisagree, match="part 2 is a shard and does not say of which"):
        one_of(sharded(part, "1/2"), old)


def test_the_commits_of_all_parts_are_named():
    part = report(judgement())
    parts = [
        part.model_copy(update={"commit": commit, "uncommitted": uncommitted})
        for commit, uncommitted in [("abc", ""), ("abc", ""), ("def", "1234")]
    ]
    assert (one_of(*parts[:2]).commit, one_of(*parts[:2]).uncommitted) == ("abc", "")
    assert (one_of(*parts).commit, one_of(*parts).uncommitted) == ("abc, def", "1234")


# The same names.


def test_a_case_that_is_not_the_same_is_refused_with_both_files():
    first = report(judgement())
    second = report(judgement(tags=["other"]), judgement(name="more"))
    with pytest.raises(ReportsDisagree) as refusal:
        one_of(first, second)
    assert str(refusal.value) == (
        "the case halves is not the same in part 1 (cases/made.yaml:3) and part 2 "
        "(cases/made.yaml:3): its tags differ; run both with the same cases"
    )
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"arguments": {TORCH_EXPONENTIAL: {"last_epoch": -1}}},
        {"implementations": [TORCH_EXPONENTIAL]},
        {"modes": ["eager"]},
    ],
)
def test_cases_that_differ_in_what_is_said_nowhere_else_are_refused(fields):
    with pytest.raises(
        ReportsDisagree, match="its arguments, implementations, modes or resumption differ"
    ):
        one_of(report(judgement()), report(judgement(**fields)))


def test_a_case_whose_schedule_differs_is_refused():
    other = {"base_lr": 0.5, "decay_rate": 0.25, "decay_steps": 1}
    case = schedule_case(schedule=other, expected={"values": [0.5, 0.125, 0.03125, 0.0078125]})
    rates = [0.5, 0.125, 0.03125, 0.0078125]
    with pytest.raises(ReportsDisagree, match="its schedule, reference, expected differ"):
        one_of(report(judgement()), report(judgement(rates, case=case)))


def test_a_case_that_has_only_moved_to_another_file_is_the_same():
    part = report(judgement())
    moved = part.cases[0].model_copy(update={"file": "elsewhere.yaml", "line": 77})
    whole = one_of(part, part.model_copy(update={"cases": [moved]}))
    assert (whole.cases[0].file, len(whole.cases)) == ("cases/made.yaml", 1)


def test_another_version_of_the_suite_is_refused():
    part = report(judgement())
    suite = part.suite.model_copy(update={"version": "9.9"})
    with pytest.raises(ReportsDisagree, match=r"part 2 by 9\.9, which may judge in another way"):
        one_of(part, part.model_copy(update={"suite": suite}))


@pytest.mark.parametrize("swap", [False, True])
def test_of_two_verdicts_on_one_trial_the_worse_is_kept_and_said(swap):
    parts = [report(judgement()), report(judgement([0.5] * 4))]
    whole = one_of(*(reversed(parts) if swap else parts))
    (kept,) = whole.trials
    assert kept == parts[1].trials[0]
    words = ("diverges", "conforms") if swap else ("conforms", "diverges")
    assert whole.incidents == [
        f"{kept.id}: {words[0]} in part 1, {words[1]} in part 2; kept as diverges"
    ]
    assert whole.fails
    assert whole.counts == {"diverges": 1}


def test_a_known_divergence_on_one_machine_only_is_an_incident():
    whole = one_of(report(judgement()), report(judgement([0.5] * 4, record())))
    assert whole.trials[0].verdict == "known divergence"
    assert len(whole.incidents) == 1


def test_of_two_observations_with_one_verdict_that_closer_to_its_limit_is_kept():
    near, far = (report(judgement(off(ulps), api=CELL)) for ulps in (0, 1))
    for parts in ([near, far], [far, near]):
        whole = one_of(*parts)
        assert whole.trials == far.trials
        assert whole.incidents == []


# Environments.


def test_another_version_of_a_framework_is_kept_beside_the_first():
    made = judgement([0.5] * 4)
    first, second = report(judgement()), report(made, environments=(NEWER, MINDSPORE))
    whole = one_of(first, second)
    assert [(e.name, e.version) for e in whole.environments] == [
        *(("torch", "2.13.0"), ("mindspore", "2.10.0"), ("torch (2)", "2.14.0"))
    ]
    assert [(t.id.rpartition("::")[2], t.environment, t.verdict) for t in whole.trials] == [
        ("torch/cpu/eager", "torch", "conforms"),
        ("torch (2)/cpu/eager", "torch (2)", "diverges"),
    ]
    assert whole.incidents == []
    (agreement,) = [a for a in whole.agreements if a.sequence == "reported"]
    assert {agreement.first, agreement.second} == {t.id for t in whole.trials}


def test_each_further_version_has_a_number_and_the_same_one_each_time():
    other = replace(NEWER, python="3.12.1")
    parts = [report(judgement(), environments=(e, MINDSPORE)) for e in (TORCH, NEWER, other, NEWER)]
    whole = one_of(*parts)
    assert [e.name for e in whole.environments] == ["torch", "mindspore", "torch (2)", "torch (3)"]
    assert len(whole.trials) == 3


def test_agreements_of_a_renamed_environment_name_its_trials():
    both = [judgement(name="b"), judgement([0.5] * 4, api=TORCH_STEP, name="b")]
    second = report(*both, environments=(NEWER, MINDSPORE))
    whole = one_of(report(judgement(name="a")), second)
    ids = {trial.id for trial in whole.trials}
    assert whole.agreements
    assert {a.first for a in whole.agreements} | {a.second for a in whole.agreements} <= ids


@pytest.mark.parametrize("swap", [False, True])
def test_a_framework_that_one_machine_lacks_and_another_has_was_run(swap):
    lacking = report(judgement(), unavailable(), environments=(TORCH, NO_MINDSPORE))
    having = report(judgement(api=CELL), environments=(MINDSPORE,))
    whole = one_of(*([having, lacking] if swap else [lacking, having]))
    assert {e.name: e.failure for e in whole.environments} == {"torch": None, "mindspore": None}
    assert whole.counts == {"conforms": 2}


def test_what_was_run_nowhere_is_still_said():
    lacking = report(unavailable(), unavailable("alone"), environments=(TORCH, NO_MINDSPORE))
    having = report(judgement(api=CELL), environments=(MINDSPORE,))
    whole = one_of(lacking, having)
    assert [(t.case, t.verdict) for t in whole.trials] == [
        ("halves", "conforms"),
        ("alone", "unavailable"),
    ]


def test_a_framework_that_crashed_on_one_machine_is_not_hushed_up():
    broken = Environment("torch", "torch", failure="the driver is too old", crashed=True)
    skip = Skip(Verdict.CRASHED, broken.failure)
    made = skipped(schedule_case(), skip)
    crashed = judged(replace(made, target=replace(made.target, device="-", mode="-")), None)
    whole = one_of(report(judgement()), report(crashed, environments=(broken, MINDSPORE)))
    assert whole.counts == {"conforms": 1, "crashed": 1}
    assert whole.fails


# Thinned sequences.


def long_judgement(api, step):
    """A slow decay, off at one step, which is kept as an extreme when the sequence is thinned."""
    case = schedule_case(
        schedule={"base_lr": 0.5, "decay_rate": 0.9999, "decay_steps": 1},
        steps=5 * MAX_POINTS,
        expected={"values": {0: 0.5}},
    )
    rates = case.schedule.rates(case.observed_steps, 1)
    rates[step] *= 2
    made = trial(case, api)
    return judged(made, seen(made, rates))


def test_thinned_sequences_keep_the_steps_that_all_parts_have():
    first, second = (
        report(long_judgement(api, step)) for api, step in ((TORCH_EXPONENTIAL, 77), (CELL, 1234))
    )
    assert first.cases[0].steps != second.cases[0].steps
    whole = one_of(first, second)
    (case,) = whole.cases
    assert case.steps == sorted({*first.cases[0].steps} & {*second.cases[0].steps})
    assert case.steps[-1] == 5 * MAX_POINTS - 1
    assert len(case.reference) == len(case.expected) == len(case.steps)
    for kept, part in zip(whole.trials, (first, second), strict=True):
        at = {step: i for i, step in enumerate(part.cases[0].steps)}
        for mine, theirs in zip(kept.sequences, part.trials[0].sequences, strict=True):
            for values, all_values in (
                (mine.observed, theirs.observed),
                (mine.budget, theirs.budget),
            ):
                assert values == [all_values[at[step]] for step in case.steps]
            # The extremes are told, though their values are not shown.
            assert mine.greatest_absolute_error == theirs.greatest_absolute_error
            assert mine.digest == theirs.digest


def test_what_is_not_finite_is_merged_as_anything_else():
    odd = judgement([0.5, math.nan, math.inf, -math.inf], name="odd")
    whole = one_of(report(odd), report(judgement()))
    assert np.isnan(whole.trials[0].sequences[0].observed[1])


def test_a_thinned_sequence_that_ends_early_keeps_what_it_has():
    whole = long_judgement(TORCH_EXPONENTIAL, 1234)
    at = 1777
    early = judged(whole.trial, seen(whole.trial, whole.comparisons[0].observed[:at]))
    first, second = report(early), report(long_judgement(CELL, 77))
    merged_case = one_of(first, second).cases[0]
    kept = one_of(first, second).trials[0].sequences[0]
    assert at not in merged_case.steps or merged_case.steps.index(at) >= len(kept.observed)
    assert len(kept.observed) == sum(step < at for step in merged_case.steps)


@pytest.mark.parametrize("swap", [False, True])
def test_why_nothing_is_tested_is_told_by_whoever_knows(swap):
    def part(reason):
        cell = CoverageCell(cases=0, reason=reason)
        entry = CoverageEntry(implementation=CELL, dimensions={"resume": cell})
        return report(judgement()).model_copy(update={"coverage": [entry]})

    parts = [part("it has no state"), part("")]
    (entry,) = one_of(*(parts[::-1] if swap else parts)).coverage
    assert entry.dimensions["resume"] == CoverageCell(cases=0, reason="it has no state")


@pytest.mark.parametrize("swap", [False, True])
def test_of_an_environment_in_several_parts_the_greatest_figures_are_kept(swap):
    parts = [
        report(judgement(), processes={"torch": 1}, environments=(replace(TORCH, seconds=4.0),)),
        report(judgement(), processes={"torch": 2}, environments=(replace(TORCH, seconds=1.5),)),
    ]
    (kept,) = one_of(*(parts[::-1] if swap else parts)).environments
    assert (kept.processes, kept.start_seconds) == (2, 4.0)
    assert kept.modes == ["eager"]


def test_what_happened_in_several_parts_is_told_once():
    parts = [
        report(judgement(), incidents=("a worker died", "another died")),
        report(judgement(), incidents=("another died", "a third died")),
    ]
    assert one_of(*parts).incidents == ["a worker died", "another died", "a third died"]


def test_cases_whose_rates_differ_where_no_report_shows_them_are_refused():
    first, second = report(judgement()), report(judgement())
    (case,) = second.cases
    other = second.model_copy(update={"cases": [case.model_copy(update={"digest": "0" * 16})]})
    with pytest.raises(ReportsDisagree, match="its reference differ"):
        one_of(first, other)

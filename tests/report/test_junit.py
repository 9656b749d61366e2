"""junit.xml, read back the way a CI system reads it."""

from __future__ import annotations

import pytest
from helpers.making import (
    CELL,
    HALVES,
    TORCH_EXPONENTIAL,
    judged,
    raised,
    record,
    run_of,
    schedule_case,
    seen,
    skipped,
    trial,
)
from junitparser import Error, Failure, JUnitXml, Skipped

from harness.observation import Lost
from harness.plan import Skip
from harness.report import junit
from harness.report.model import from_run
from harness.verdict import Verdict


def read_back(*judgements):
    return JUnitXml.fromstring(junit.render(from_run(run_of(*judgements))).encode())


def judgement(rates=HALVES, *records, api=TORCH_EXPONENTIAL, **rest):
    made = trial(schedule_case(), api)
    return judged(made, seen(made, rates, **rest), *records)


def skip(verdict):
    return judged(skipped(schedule_case(), Skip(verdict, "because")), None)


def only(xml):
    (suite,) = xml
    (case,) = suite
    return case


def test_every_verdict_is_counted_where_it_belongs():
    xml = read_back(
        judgement(),
        judgement([0.5] * 4),
        judgement([0.5] * 4, record()),
        judgement(HALVES, record()),
        judgement(api=CELL),
        judged(trial(schedule_case()), raised("ValueError", "no")),
        judged(trial(schedule_case(expected={"raises": "KeyError"})), raised("ValueError", "no")),
        judged(trial(schedule_case()), Lost(False, "died")),
        judged(trial(schedule_case()), Lost(True, "no answer")),
        skip(Verdict.UNSUPPORTED),
        skip(Verdict.UNAVAILABLE),
        skip(Verdict.CRASHED),
    )
    assert (xml.tests, xml.failures, xml.errors, xml.skipped) == (12, 4, 3, 2)
    assert {suite.name: suite.tests for suite in xml} == {"mindspore": 1, "torch": 11}


@pytest.mark.parametrize(
    ("made", "result", "type_"),
    [
        (lambda: judgement([0.5] * 4), Failure, "diverges"),
        (lambda: judgement(HALVES, record()), Failure, "stale"),
        (lambda: judged(trial(schedule_case()), raised("KeyError")), Failure, "refused"),
        (lambda: judged(trial(schedule_case()), Lost(False, "died")), Error, "crashed"),
        (lambda: judged(trial(schedule_case()), Lost(True, "late")), Error, "timed out"),
        (lambda: skip(Verdict.UNSUPPORTED), Skipped, "unsupported"),
        (lambda: skip(Verdict.UNAVAILABLE), Skipped, "unavailable"),
    ],
)
def test_each_verdict_is_told_with_its_word_and_its_reasons(made, result, type_):
    judgement = made()
    (told,) = only(read_back(judgement)).result
    assert isinstance(told, result)
    assert told.type == type_
    why = f" diagnosis: {judgement.why}" if judgement.why else ""
    assert told.message.split() == (" ".join(judgement.reasons) + why).split()


@pytest.mark.parametrize("made", [judgement, lambda: judgement([0.5] * 4, record())])
def test_what_conforms_or_is_known_to_diverge_passes(made):
    case = only(read_back(made()))
    assert case.result == []
    assert case.is_passed


def test_a_test_case_is_named_after_its_trial():
    case = only(read_back(judgement(seconds=0.25)))
    assert case.name == "halves[cpu/eager]"
    assert case.classname == TORCH_EXPONENTIAL
    assert case.time == 0.25


def test_a_test_case_says_where_its_case_is_written():
    attributes = only(read_back(judgement()))._elem.attrib
    assert (attributes["file"], attributes["line"]) == ("cases/made.yaml", "3")


def test_what_a_framework_printed_is_kept():
    assert only(read_back(judgement(printed="a < b & c\n"))).system_out == "a < b & c\n"


def test_text_that_xml_cannot_hold_does_not_break_it():
    controls = "".join(map(chr, range(32))) + "\x7f\x85\ufffe\uffff"
    nasty = f"{controls}\U0001f600 ]]> <!-- & \" ' </failure>"
    made = trial(schedule_case())
    observation = raised("ValueError", nasty)
    observation = type(observation)(raised=observation.raised, printed=nasty)
    case = only(read_back(judged(made, observation)))
    (told,) = case.result
    for text in (told.message, case.system_out):
        assert "\x00" not in text and "\x1b" not in text and "\ufffe" not in text
        assert "\U0001f600 ]]> <!-- & \" ' </failure>" in text


def test_a_lone_surrogate_does_not_break_it():
    # Python makes them of undecodable file names, which exceptions quote.
    made = trial(schedule_case())
    text = "no such file: caf\udce9"
    case = only(read_back(judged(made, raised("FileNotFoundError", text))))
    assert "no such file: caf" in case.result[0].message

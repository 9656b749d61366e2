"""Regular expressions of cases and findings: none hangs the judge, and none that is slow passes."""

from __future__ import annotations

import time

import pytest
from helpers.making import HALVES, judged, raised, record, schedule_case, seen, trial

from harness import patterns
from harness.verdict import Verdict

SLOW = {
    r"(a+)+$": "a" * 40_000 + "b",
    r"^(a|a)*$": "a" * 60 + "b",
    r"(\w+\s?)*$": "word " * 10_000 + "!",
    r"^(([a-z])+.)+[A-Z]([a-z])+$": "a" * 5_000,
    r"(x+x+)+y": "x" * 30_000,
}


@pytest.fixture(autouse=True)
def limit(monkeypatch):
    monkeypatch.setattr(patterns, "LIMIT", 0.2)


def ended(reasons, pattern: str) -> bool:
    said = " ".join(reasons)
    return f"the search for {pattern!r} in" in said and "was ended after 0.2 s" in said


@pytest.mark.parametrize(("pattern", "text"), SLOW.items(), ids=list(SLOW))
def test_the_text_of_an_exception(pattern, text):
    case = schedule_case(expected={"raises": "ValueError", "message": pattern})
    judgement = judged(trial(case), raised("ValueError", text))
    assert judgement.verdict is Verdict.DIVERGES
    assert ended(judgement.reasons, pattern)


@pytest.mark.parametrize(("pattern", "text"), SLOW.items(), ids=list(SLOW))
def test_what_was_printed_and_warned_of(pattern, text):
    for due, given in (("prints", {"printed": text}), ("warns", {"warnings": (text,) * 50})):
        made = trial(schedule_case(expected={"values": HALVES, due: pattern}))
        began = time.monotonic()
        judgement = judged(made, seen(made, HALVES, **given))
        assert time.monotonic() - began < 5
        assert judgement.verdict is Verdict.DIVERGES
        assert ended(judgement.reasons, pattern)


@pytest.mark.parametrize(("pattern", "text"), SLOW.items(), ids=list(SLOW))
def test_a_finding_covers_nothing_by_a_pattern_that_is_slow(pattern, text):
    made = trial(schedule_case())
    observed = {"raises": "ValueError", "message": pattern}
    judgement = judged(made, raised("ValueError", text), record(observed=observed))
    assert judgement.verdict is Verdict.REFUSED
    assert ended(judgement.reasons, pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("(?i)GAMMA .* \\(0, 1]", "gamma is not in (0, 1]"), ("^b$", "b"), (r"\d+\.\d", "1.5")],
)
def test_one_that_is_found_is_found(pattern, text):
    assert not list(patterns.unmatched(pattern, ["other", text], "it", "no"))
    assert list(patterns.unmatched(pattern, ["other", ""], "it", "no")) == ["no"]

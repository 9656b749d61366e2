"""What is told of the versions of a framework, on reports made by hand."""

from __future__ import annotations

from helpers.entries import API, case, environment, report, sequence, trial

from harness.report.history import histories
from harness.report.model import ExceptionEntry
from harness.verdict import Verdict


def versions(*numbers):
    return [environment(name=f"torch-{number}", version=number) for number in numbers]


def on(version, verdict=Verdict.CONFORMS, name="halves", **changes):
    return trial(verdict, name, environment=f"torch-{version}", **changes)


def changes_of(*trials, numbers=("1.8", "2.13")):
    made = report([case()], list(trials), environments=versions(*numbers))
    ((history,),) = [each.implementations for each in histories(made)]
    return [release.changes for release in history.releases]


def test_one_version_has_no_history():
    assert histories(report([case()], [trial()])) == []


def test_what_could_not_be_started_is_no_version():
    absent = environment(name="torch-1.8", version=None, failure="not made yet")
    assert histories(report([case()], [trial()], environments=[environment(), absent])) == []


def test_versions_stand_in_their_order_as_versions():
    made = report([case()], [], environments=versions("1.12", "2.13", "1.8"))
    (framework,) = histories(made)
    assert framework.versions == ("1.8", "1.12", "2.13")


def test_nothing_is_said_where_nothing_changed():
    assert changes_of(on("1.8"), on("2.13")) == [(), ()]


def test_an_api_that_came():
    made = report(
        [case()],
        [on("1.8", Verdict.UNAVAILABLE, sequences=[]), on("2.13")],
        environments=versions("1.8", "2.13"),
    )
    (framework,) = histories(made)
    (history,) = framework.implementations
    assert history.implementation == API
    assert [release.mark for release in history.releases] == ["–", "+"]
    assert [release.changes for release in history.releases] == [(), ("is new",)]


def test_an_api_that_went():
    gone = on("2.13", Verdict.UNAVAILABLE, sequences=[])
    assert changes_of(on("1.8"), gone) == [(), ("is gone",)]


def test_last_bits_are_told_from_other_rates():
    exact, near, far = (
        sequence([0.5, third], digest=name)
        for name, third in (("a", 0.25), ("b", 0.25 + 2**-54), ("c", 0.26))
    )
    _, bits = changes_of(on("1.8", sequences=[exact]), on("2.13", sequences=[near]))
    assert bits == ("other last bits, by up to 1 ULP: halves",)
    _, rates = changes_of(on("1.8", sequences=[exact]), on("2.13", sequences=[far]))
    assert rates == ("other rates: halves",)


def test_a_sequence_that_is_shorter_is_another():
    short = on("2.13", sequences=[sequence([0.5], digest="short")])
    assert changes_of(on("1.8"), short)[1] == ("other rates: halves",)


def test_nan_that_stays_nan_is_no_change():
    nan = float("nan")
    before, after = (sequence([0.5, nan], digest=name) for name in "ab")
    # The digests differ, so something does: at the least, bits that are not shown.
    _, told = changes_of(on("1.8", sequences=[before]), on("2.13", sequences=[after]))
    assert told == ("other last bits, by up to 1 ULP: halves",)


def test_exceptions_that_came_went_or_are_others():
    def raised(kind, message="no"):
        return {"exception": ExceptionEntry(type=kind, message=message), "sequences": []}

    def told(before, after):
        return changes_of(on("1.8", **before), on("2.13", **after))[1]

    value, kind = raised("ValueError"), raised("TypeError")
    assert told({}, value) == ("raises ValueError, where it did not: halves",)
    assert told(value, {}) == ("no longer raises ValueError: halves",)
    assert told(value, kind) == ("raises TypeError and not ValueError: halves",)
    assert told(value, raised("ValueError", "yes")) == ("another text of the exception: halves",)
    assert told(value, value) == ()


def test_signatures_and_deprecations():
    def surface(version, signature, deprecation=""):
        return on(version, signature=signature, deprecation=deprecation, sequences=[])

    _, told = changes_of(
        surface("1.8", "(optimizer, gamma, eta_min=0, verbose=False)"),
        surface("2.13", "(optimizer, gamma, eta_min=0.0)", "This is deprecated."),
    )
    assert told == (
        "eta_min=0 became eta_min=0.0",
        "no longer takes verbose=False",
        "documented: This is deprecated.",
    )


def test_parameters_in_another_order_are_told():
    _, told = changes_of(
        on("1.8", signature="(optimizer, a=1, b=2)"), on("2.13", signature="(optimizer, b=2, a=1)")
    )
    assert told == ("the order of the parameters: (optimizer, b=2, a=1)",)


def test_many_cases_are_counted():
    names = ["a", "b", "c", "d", "e"]
    before = [on("1.8", name=name) for name in names]
    after = [on("2.13", name=name, sequences=[sequence([9.0], digest="x")]) for name in names]
    assert changes_of(*before, *after)[1] == ("other rates: a, b, c and 2 more cases",)


def test_what_cannot_be_compared_is_left_out():
    unsupported = on("1.8", Verdict.UNSUPPORTED, name="other", sequences=[])
    assert changes_of(on("1.8"), unsupported, on("2.13"), on("2.13", name="other")) == [(), ()]

"""The HTML page: as text, and in a real browser."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import pytest
from browser import chromium, requests

from harness.report.model import (
    AgreementEntry,
    CallEntry,
    CaseEntry,
    DeviationEntry,
    DivergenceEntry,
    EnvironmentEntry,
    ExceptionEntry,
    ExtremeEntry,
    Report,
    SequenceEntry,
    SuiteEntry,
    TrialEntry,
)
from harness.report.page import MAX_SHOWN, render
from harness.report.summary import sentence
from harness.verdict import Verdict

API = "torch.optim.lr_scheduler.ExponentialLR"
MARKUP = '"><script>window.injected = 1</script><img src=x onerror="window.injected = 1">'
HALVES = [0.5, 0.25, 0.125, 0.0625]


def case(name="halves", reference=HALVES, **changes):
    fields = {
        "name": name,
        "description": "The rate halves at every update.",
        "source": "by hand",
        "file": "cases/exponential/halves.yaml",
        "line": 3,
        "tags": ["by-hand"],
        "dimension": "values",
        "situation": ["somebody sets the rate <b>anew</b>"],
        "due": ["prints what matches <i>this</i>"],
        "family": "exponential",
        "schedule": {"base_lr": 0.5, "decay_rate": 0.5},
        "steps_per_epoch": 2,
        "length": len(reference),
        "steps": list(range(len(reference))),
        "reference": reference,
        "expected": reference,
    }
    return CaseEntry(**{**fields, **changes})


def sequence(observed=HALVES, **changes):
    fields = {
        "name": "reported",
        "precision": "float64",
        "length": len(observed),
        "diverging": 0,
        "greatest_absolute_error": None,
        "greatest_relative_error": None,
        "greatest_ulp_error": None,
        "greatest_budget_share": None,
        "observed": observed,
        "budget": [1e-9] * len(observed),
    }
    return SequenceEntry(**{**fields, **changes})


def trial(verdict=Verdict.CONFORMS, case="halves", mode="eager", **changes):
    fields = {
        "id": f"{case}::{API}::torch/cpu/{mode}",
        "case": case,
        "family": "exponential",
        "implementation": API,
        "framework": "torch",
        "environment": "torch",
        "device": "cpu",
        "mode": mode,
        "verdict": verdict.value,
        "fails": verdict.fails,
        "reasons": [],
        "call": CallEntry(
            written="ExponentialLR(optimizer, gamma=0.5)",
            arguments={"gamma": 0.5},
            base_lr=0.5,
            optimizer="SGD",
            advanced="step() each update",
        ),
        "form": "recursive",
        "precision": "float64",
        "first_divergence": None,
        "diagnosis": None,
        "cause": None,
        "sequences": [sequence()],
        "signature": None,
        "exception": None,
        "warnings": [],
        "printed": "",
        "seconds": 0.1,
        "known_divergence": None,
        "command": "conform explain halves",
    }
    return TrialEntry(**{**fields, **changes})


def environment(**changes):
    fields = {
        "name": "torch",
        "framework": "torch",
        "version": "2.13.0",
        "python": "3.11.7",
        "packages": {"torch": "2.13.0", "numpy": "1.26.4"},
        "devices": ["cpu"],
        "modes": ["eager"],
        "absent_devices": {"cuda": "there is no driver"},
        "failure": None,
        "processes": 1,
        "start_seconds": 1.0,
        "printed": "",
    }
    return EnvironmentEntry(**{**fields, **changes})


def divergence(**changes):
    fields = {
        "name": "no-verbose",
        "description": "The page gives ExponentialLR a parameter that is gone.",
        "kind": "documentation",
        "cases": ["recorded"],
        "severity": "misleads",
        "implementations": [API],
        "upstream": "a thread of theirs",
        "target": "*",
        "versions": ">=2.13",
        "seen": ["2.13.0"],
        "expected": "a line printed at each change",
        "observed": "TypeError",
        "explanation": "The parameter was removed.",
        "remedy": "Leave it out.",
        "until": "the page no longer has it",
        "source": "the mapping page",
        "file": "cases/known_divergences/mapping_page.yaml",
        "line": 5,
    }
    return DivergenceEntry(**{**fields, **changes})


def report(cases, trials, **changes):
    verdicts = [entry.verdict for entry in trials]
    fields = {
        "suite": SuiteEntry(name="lr-schedule-conformance", version="0.1.0", commit=None),
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 1.5,
        "selection": {},
        "stopped_early": False,
        "full": False,
        "incidents": [],
        "counts": {verdict: verdicts.count(verdict) for verdict in verdicts},
        "fails": any(entry.fails for entry in trials),
        "environments": [environment()],
        "cases": cases,
        "trials": trials,
        "agreements": [],
        "known_divergences": [],
        "coverage": [],
    }
    return Report(**{**fields, **changes})


def diverging(case="diverges", mode="eager"):
    observed = [0.5, 0.25, 0.2, 0.1]
    extreme = ExtremeEntry(value=12345.678, step=2)
    return trial(
        Verdict.DIVERGES,
        case,
        mode,
        reasons=["reported rate at step 2 is not as due"],
        first_divergence=DeviationEntry(
            sequence="reported",
            step=2,
            against="expected",
            due=0.125,
            observed=0.2,
            error=0.075,
            budget=1.25e-9,
        ),
        sequences=[
            sequence(
                observed, diverging=2, greatest_ulp_error=extreme, greatest_budget_share=extreme
            )
        ],
    )


def everything():
    """A report with something of every kind."""
    unsupported = {"reasons": ["has no staircase"], "sequences": [], "call": None}
    return report(
        [case("halves"), case("diverges"), case("recorded"), case(MARKUP)],
        [
            trial(),
            trial(mode="other"),
            diverging(),
            diverging(mode="other"),
            trial(Verdict.UNSUPPORTED, "diverges", "third", **unsupported),
            trial(Verdict.KNOWN_DIVERGENCE, "recorded", known_divergence="no-verbose"),
            trial(Verdict.CONFORMS, MARKUP),
        ],
        known_divergences=[divergence()],
        agreements=[
            AgreementEntry(
                case="diverges",
                sequence="reported",
                first=f"diverges::{API}::torch/cpu/eager",
                second=f"diverges::{API}::torch/cpu/other",
                step=2,
                difference=1.5e-8,
                budget_share=0.1234,
            )
        ],
    )


VOID = {"meta", "link", "br", "input", "img"}


class Parsed(HTMLParser):
    """A page's elements, their attributes and its text; a tag left open or closed twice fails."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self._open = [], [], []
        self.feed(page)
        self.close()
        assert self._open == []
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open[-1:] not in (["script"], ["style"]):
            self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def paths(page):
    return [path["d"] for path in Parsed(page).all("path") if path["d"]]


def test_says_the_verdict_the_counts_the_environments_and_the_failures():
    run = everything()
    text = Parsed(render(run)).text
    assert sentence(run) in text
    for said in (
        "2 ✗ diverges",
        Verdict.DIVERGES.meaning,
        "torch 2.13.0",
        "numpy 1.26.4",
        "cuda: there is no driver",
        "has no staircase",
        "reported rate at step 2 is not as due",
        "0.125 0.2 0.075 1.25e-09",
        "1.23e+04 at step 2",
        "1.23e+06 % at step 2",
        "ExponentialLR(optimizer, gamma=0.5)",
        "trials 1 and 2: by 1.5e-08 at step 2, 12.3 % of both budgets together",
    ):
        assert said in text


def test_says_all_that_a_known_divergence_records_and_links_its_trials():
    page = Parsed(render(everything()))
    for field, value in divergence().model_dump(exclude={"line"}).items():
        for said in value if isinstance(value, list) else [value]:
            assert said in page.text, field
    assert {"href": "#case-3"} in page.all("a")


def test_trials_that_fail_alike_are_one_failure():
    page = Parsed(render(everything()))
    cards = [c for c in page.all("article") if c["class"] == "card bad"]
    assert len(cards) == 1


def test_says_what_was_left_out_and_why():
    run = report(
        [case()],
        [trial(Verdict.UNAVAILABLE, reasons=["a traceback\nno module named torch"], call=None)],
        environments=[environment(failure="a traceback\nno module named torch", devices=[])],
        selection={"families": ["exponential"], "keyword": "halves and not slow"},
        stopped_early=True,
        incidents=["torch: while idle, killed by a signal"],
    )
    text = Parsed(render(run)).text
    for said in (
        "The run stopped early",
        "families exponential",
        "keyword halves and not slow",
        "not run no module named torch",
        "○ unavailable 1 no module named torch",
        "torch: while idle, killed by a signal",
    ):
        assert said in text


def test_a_run_without_any_trial_is_drawn():
    text = Parsed(render(report([case()], []))).text
    assert "No trial was run." in text
    assert "no trial was run" in text


def test_every_verdict_is_drawn_with_its_word():
    run = report([case()], [trial(verdict, mode=verdict.name) for verdict in Verdict])
    text = Parsed(render(run)).text
    assert all(verdict.value in text for verdict in Verdict)


def test_whatever_a_case_or_a_framework_says_is_text():
    said = {"reasons": [MARKUP], "warnings": [MARKUP], "printed": MARKUP, "signature": MARKUP}
    run = report(
        [case(MARKUP, description=MARKUP, source=MARKUP, tags=[MARKUP], schedule={MARKUP: MARKUP})],
        [
            trial(
                Verdict.REFUSED,
                MARKUP,
                exception=ExceptionEntry(type=MARKUP, message=MARKUP),
                call=CallEntry(
                    written=MARKUP,
                    arguments={MARKUP: MARKUP},
                    base_lr=None,
                    optimizer=MARKUP,
                    advanced=MARKUP,
                ),
                diagnosis=MARKUP,
                known_divergence=MARKUP,
                **said,
            )
        ],
        environments=[environment(failure=MARKUP), environment(version=MARKUP, printed=MARKUP)],
        selection={MARKUP: [MARKUP]},
        known_divergences=[divergence(description=MARKUP, remedy=MARKUP, seen=[MARKUP])],
    )
    page = Parsed(render(run))
    assert len(page.all("script")) == 1
    assert page.all("img") == []
    for name in ("Raised", "Warned:", "Signature:", "Diagnosis:", "Remedy", "Source"):
        assert f"{name} {MARKUP}" in page.text


ODD = {
    "constant": [0.1, 0.1, 0.1],
    "zero": [0.0, 0.0, 0.0],
    "minute": [1e-26, 9e-27, 8e-27],
    "subnormal": [5e-324, 0.0],
    "huge": [1.7e308, -1.7e308],
    "not a number": [0.1, math.nan, 0.2],
    "nothing but NaN": [math.nan, math.nan],
    "infinite": [math.inf, 0.1, -math.inf],
    "nothing but infinite": [math.inf],
    "single": [0.1],
    "single zero": [0.0],
    "nearly constant": [0.1, 0.10000000149011612],
}


@pytest.mark.parametrize("values", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("due", [None, 0.1, math.nan, math.inf])
def test_an_odd_sequence_is_drawn_within_its_chart(values, due):
    reference = values if due is None else [due] * len(values)
    expected = [None if math.isnan(value) else value for value in reference]
    run = report(
        [case(reference=reference, expected=expected)], [trial(sequences=[sequence(values)])]
    )
    page = render(run)
    drawn = [d for d in paths(page) if re.match(r"M\d", d) and d != "M90 22H630M90 160H630"]
    assert drawn
    for d in drawn:
        assert re.fullmatch(r"[-MLHVhvmlaz0-9. ]+", d)
        for x, y in re.findall(r"[ML](\d+\.\d) (\d+\.\d)", d):
            assert 90 <= float(x) <= 630
            assert 22 <= float(y) <= 160
    for value in values:
        assert f"<td>{value!r}</td>" in page


@pytest.mark.parametrize(
    ("entry", "sequences"),
    [
        (case(reference=[]), []),
        (case(reference=[]), [sequence([])]),
        (case(expected=[None] * 4), []),
        (case(reference=[], family="surface", schedule={}, steps_per_epoch=None), []),
    ],
    ids=["empty", "empty, observed", "exception due", "surface"],
)
def test_where_there_are_no_rates_there_is_no_chart(entry, sequences):
    page = Parsed(render(report([entry], [trial(sequences=sequences)])))
    assert page.all("figure") == []


def test_a_sequence_that_ends_early_is_drawn_as_far_as_it_goes():
    page = render(report([case()], [trial(sequences=[sequence(HALVES[:2])])]))
    assert "<td>0.125</td><td>0.125</td><td></td>" in page
    observed = next(path for path in Parsed(page).all("path") if path["class"] == "line")
    assert observed["d"].count("M") + observed["d"].count("L") == 2


def test_the_applied_rate_is_drawn_where_it_alone_is_not_as_due():
    applied = sequence([0.5, 0.5, 0.25, 0.125], name="applied", diverging=3)
    text = Parsed(render(report([case()], [trial(sequences=[sequence(), applied])]))).text
    assert "reported, trial 1" in text
    assert "applied, trial 1" in text


def test_numbers_that_a_long_case_gives_for_few_steps_are_all_shown():
    reference = [1.0 / (step + 1) for step in range(1000)]
    expected = [value if step in (3, 501, 502) else None for step, value in enumerate(reference)]
    page = render(report([case(reference=reference, expected=expected)], [trial(sequences=[])]))
    for step in (3, 501, 502):
        assert f'<th scope="row">{step}</th><td>{reference[step]!r}</td>' in page


def test_a_long_sequence_is_thinned_around_what_says_most():
    reference = [1.0] * 1000
    observed = [*reference]
    observed[777] = 2.0
    deviation = DeviationEntry(
        sequence="reported",
        step=777,
        against="reference",
        due=1.0,
        observed=2.0,
        error=1.0,
        budget=1e-9,
    )
    run = report(
        [case(reference=reference, length=100_000)],
        [
            trial(
                Verdict.DIVERGES,
                first_divergence=deviation,
                sequences=[sequence(observed, diverging=1)],
            )
        ],
    )
    page = render(run)
    assert re.search("Values at (199|200) of 100000 steps", Parsed(page).text)
    assert page.count('<th scope="row">') - len(run.environments) <= MAX_SHOWN
    assert '<th scope="row">777 <small>first not as due</small></th>' in page
    lines = [path["d"] for path in Parsed(page).all("path") if path["class"] == "line"]
    assert all(len(re.findall("[ML]", d)) <= MAX_SHOWN for d in lines)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def opened(browser, tmp_path):
    file = tmp_path / "index.html"
    file.write_text(render(everything()), "utf-8")
    requests(browser)
    browser.get(file.as_uri())
    yield browser
    asked = requests(browser)
    assert file.as_uri() in asked
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert browser.get_log("browser") == []


def cases_in_sight(browser):
    found = browser.find_elements("css selector", "details.case")
    return [one.get_attribute("id") for one in found if one.is_displayed()]


def test_the_first_screen_shows_the_sentence(opened):
    shown = opened.find_element("css selector", ".sentence")
    assert shown.text == sentence(everything())
    assert shown.rect["y"] + shown.rect["height"] < 300


def test_the_search_hides_the_cases_that_lack_a_word(opened):
    search = opened.find_element("id", "search")
    assert len(cases_in_sight(opened)) == 4
    search.send_keys("EXPONENTIAL recorded")
    assert cases_in_sight(opened) == ["case-3"]
    assert opened.find_element("id", "shown").text == "1 of 4 cases"
    search.send_keys(" nowhere")
    assert cases_in_sight(opened) == []


def test_the_filter_keeps_the_cases_with_a_verdict(opened):
    chosen = opened.find_element("id", "verdict")
    chosen.send_keys("diverges")
    assert cases_in_sight(opened) == ["case-2"]
    opened.find_element("css selector", "[data-verdict='known divergence']").click()
    assert cases_in_sight(opened) == ["case-3"]


def test_a_case_opened_by_the_keyboard_shows_its_chart(opened):
    found = opened.find_element("id", "case-2")
    chart = found.find_element("tag name", "svg")
    assert not chart.is_displayed()
    found.find_element("tag name", "summary").send_keys("\ue007")
    assert chart.is_displayed()
    assert chart.rect["width"] > 300
    assert chart.rect["height"] > 90
    marks = found.find_elements("css selector", "figure > svg .mark")
    assert len(marks) == 1
    assert marks[0].rect["width"] > 200
    assert "step 2 is not as due" in chart.text


def test_a_link_to_a_case_opens_it_even_where_it_was_filtered_out(opened):
    opened.find_element("id", "search").send_keys("recorded")
    link = opened.find_element("css selector", ".card.bad a")
    for _ in range(2):
        link.click()
        assert opened.find_element("id", "case-2").get_property("open")
        opened.execute_script("document.getElementById('case-2').open = false")


def test_a_name_that_looks_like_a_script_is_shown_and_not_executed(opened):
    assert opened.find_element("css selector", "#case-4 .name").text == MARKUP
    assert opened.execute_script("return window.injected") is None


def test_the_policy_of_the_page_stops_any_other_script(browser, tmp_path):
    file = tmp_path / "index.html"
    page = render(everything())
    file.write_text(page.replace("<main>", f"<main>{MARKUP}"), "utf-8")
    browser.get(file.as_uri())
    assert browser.execute_script("return window.injected") is None
    assert "Content Security Policy" in browser.get_log("browser")[0]["message"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_only_tables_scroll_sideways(opened, scheme):
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        opened.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
        wide = opened.execute_script("return document.documentElement.scrollWidth")
        ground, text = opened.execute_script(
            "const style = getComputedStyle(document.body);"
            "return [style.backgroundColor, style.color].map(c => +c.match(/\\d+/)[0])"
        )
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert wide == 360
    assert (ground > text) == (scheme == "light")

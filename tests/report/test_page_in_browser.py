"""The HTML page as its readers meet it: in a real browser, from a file."""

from __future__ import annotations

import math
import re
from base64 import b64decode
from itertools import pairwise

import pytest
from helpers.browser import requests
from helpers.entries import (
    API,
    HALVES,
    MARKUP,
    case,
    divergence,
    everything,
    report,
    sequence,
    trial,
)

from harness.report.model import CallEntry, DeviationEntry, ExceptionEntry, ExtremeEntry
from harness.report.page import render
from harness.report.page.texts import texts
from harness.report.summary import sentence
from harness.verdict import Verdict

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

MINDSPORE_API = "mindspore.nn.ExponentialDecayLR"
ENTER, LEFT, RIGHT, DOWN, HOME = "\ue007", "\ue012", "\ue014", "\ue015", "\ue011"
RATES = "return document.querySelector('figure > svg g:not(.error) > .line').getAttribute('d')"


SHOWN = (
    "[...document.querySelectorAll(arguments[0])].filter("
    "  (one) => one.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}))"
)


def several():
    """Cases and trials that differ in everything that can be filtered."""
    mindspore = {
        "implementation": MINDSPORE_API,
        "framework": "mindspore",
        "environment": "mindspore",
    }
    run = everything()
    extra = [
        case("falls/tagged", tags=["long"], dimension="long", family="cosine"),
        case("falls/plain", dimension="resume"),
    ]
    trials = [
        trial(case="falls/tagged", family="cosine"),
        trial(case="falls/plain", mode="graph", **mindspore),
        trial(Verdict.DIVERGES, "falls/plain", "pynative", **mindspore),
    ]
    records = [divergence(), divergence(name="rates", severity="wrong rates", description="Wrong.")]
    return report(
        [*run.cases, *extra],
        [*run.trials, *trials],
        agreements=run.agreements,
        known_divergences=records,
        coverage=run.coverage,
    )


class Page:
    """A page in the browser, and how its readers handle it."""

    def __init__(self, browser, folder):
        self.browser, self.file = browser, folder / "index.html"

    def show(self, run, address=""):
        """Open the page of a report anew, at that place."""
        self.file.write_text(render(run), "utf-8")
        return self.go(address)

    def go(self, address):
        """Open the page at that place as another tab would."""
        self.browser.get("about:blank")
        self.browser.get(self.file.as_uri() + address)
        self.wait("!document.getElementById('views').hidden")
        return self

    def wait(self, condition):
        script = f"""const done = arguments[0];
        (function look() {{ if ({condition}) done(true); else setTimeout(look, 10); }})();"""
        self.browser.set_script_timeout(10)
        assert self.browser.execute_async_script(script)

    def all(self, selector):
        return self.run(f"return {SHOWN}", selector)

    def one(self, selector):
        found = self.all(selector)
        assert len(found) == 1, f"{len(found)} × {selector}"
        return found[0]

    def choose(self, name, value):
        self.browser.execute_script(
            "const [field, value] = arguments; field.value = value;"
            "field.dispatchEvent(new Event('change', {bubbles: true}))",
            self.one(f"select[name={name}]"),
            value,
        )

    @property
    def names(self):
        return self.run(f"return {SHOWN}.map((one) => one.innerText)", "#view-cases .case .name")

    @property
    def address(self):
        return self.browser.execute_script("return location.hash")

    @property
    def text(self):
        return self.one("main").text

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)


@pytest.fixture
def page(browser, tmp_path):
    requests(browser)
    browser.get_log("browser")
    opened = Page(browser, tmp_path)
    yield opened
    asked = requests(browser)
    assert opened.file.as_uri() in [url.partition("#")[0] for url in asked]
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []
    assert browser.get_log("browser") == []


def test_the_first_screen_shows_the_sentence_and_leads_to_the_cases_of_a_verdict(page):
    page.show(several())
    shown = page.one(".sentence")
    assert shown.text == sentence(several())
    assert shown.rect["y"] + shown.rect["height"] < 300
    page.one(".counts .known a").click()
    assert page.names == ["recorded"]


def test_the_search_keeps_the_cases_with_all_its_words(page):
    page.show(several(), "#cases")
    assert len(page.names) == 6
    search = page.one("[name=q]")
    search.send_keys("EXPONENTIAL recorded")
    assert page.names == ["recorded"]
    assert page.one("#view-cases output").text == "1 of 6 cases, 1 trial"
    assert page.address == "#cases?q=EXPONENTIAL+recorded"
    search.send_keys(" nowhere")
    assert page.names == []
    assert "No case fits." in page.text


@pytest.mark.parametrize(
    ("name", "value", "names"),
    [
        ("verdict", "known divergence", ["recorded"]),
        ("framework", "mindspore", ["falls/plain"]),
        ("dimension", "resume", ["falls/plain"]),
        ("tag", "long", ["falls/tagged"]),
        ("family", "cosine", ["falls/tagged"]),
        ("implementation", MINDSPORE_API, ["falls/plain"]),
        ("target", "torch/cpu/third", ["diverges"]),
        ("finding", "no-verbose", ["recorded"]),
    ],
)
def test_each_filter_keeps_what_it_names(page, name, value, names):
    page.show(several(), "#cases")
    page.choose(name, value)
    assert page.names == names


def test_filters_together_hold_for_one_and_the_same_trial(page):
    page.show(several(), "#cases?verdict=conforms&target=mindspore/cpu/graph")
    assert page.names == ["falls/plain"]
    assert page.one("#view-cases output").text == "1 of 6 cases, 1 trial"
    page.choose("target", "mindspore/cpu/pynative")
    assert page.names == []
    page.one("#view-cases form button").click()
    assert len(page.names) == 6
    assert page.address == "#cases"


def cell(page, api, column):
    return page.one(f".matrix [data-implementation='{api}'][data-column='{column}']")


def test_a_cell_of_the_matrix_has_its_worst_verdict_and_filters_the_list(page):
    page.show(several(), "#cases")
    assert cell(page, API, "exponential").text == "✗ 2/7"
    assert cell(page, API, "cosine").text == "✓ 1"
    pressed = cell(page, MINDSPORE_API, "exponential")
    assert pressed.text == "✗ 1/2"
    assert pressed.get_attribute("aria-label") == (
        f"{MINDSPORE_API}, exponential: 1 of 2 trials diverges"
    )
    pressed.click()
    assert page.names == ["falls/plain"]
    assert pressed.get_attribute("aria-pressed") == "true"
    pressed.click()
    assert len(page.names) == 6


def test_the_matrix_is_switched_to_targets(page):
    page.show(several(), "#cases")
    page.one("[data-columns=targets]").click()
    cell(page, MINDSPORE_API, "mindspore/cpu/graph").click()
    assert page.names == ["falls/plain"]
    assert "columns=targets" in page.address
    assert page.one("#view-cases output").text == "1 of 6 cases, 1 trial"


def test_the_matrix_is_one_stop_of_the_tab_key_and_the_arrows_move_in_it(page):
    page.show(several(), "#cases")
    assert len(page.all(".matrix button[tabindex='0']")) == 1
    first = page.one(".matrix button[tabindex='0']")
    page.run("arguments[0].focus()", first)
    for key, expected in (
        (RIGHT, (API, "cosine")),
        (RIGHT, (API, "exponential")),
        (DOWN, (MINDSPORE_API, "exponential")),
        (DOWN, (MINDSPORE_API, "exponential")),
        (LEFT, (MINDSPORE_API, "")),
    ):
        page.browser.switch_to.active_element.send_keys(key)
        focused = page.browser.switch_to.active_element
        api, column = (focused.get_attribute(f"data-{n}") for n in ("implementation", "column"))
        assert (api, column) == expected
    page.browser.switch_to.active_element.send_keys(ENTER)
    assert page.names == ["falls/plain"]


def test_a_long_list_is_shown_in_parts(page):
    names = [f"case-{i:03}" for i in range(250)]
    page.show(report([case(name) for name in names], [trial(case=names[0])]), "#cases")
    assert page.names == names[:100]
    page.one(".more").click()
    assert page.names == names[:200]
    page.one(".more").click()
    assert page.names == names
    assert page.all(".more") == []
    page.go("#cases?open=case-149")
    assert page.names == names[:150]


def open_case(page, run, name):
    page.show(run, f"#cases?open={name}")
    page.wait("document.querySelector('.case[open] .body')")
    return page.one(".case[open]")


def draw(page, run, name):
    found = open_case(page, run, name)
    page.wait("document.querySelector('.case[open] figure svg .reference')")
    return found


def test_a_case_opened_by_the_keyboard_says_all_that_is_known_of_it(page):
    page.show(several(), "#cases?verdict=diverges")
    page.run("document.querySelector('.case summary').focus()")
    page.browser.switch_to.active_element.send_keys(ENTER)
    page.wait("document.querySelector('.case[open] figure')")
    text = page.one(".case[open]").text
    for said in (
        "by hand",
        "cases/exponential/halves.yaml:3",
        "somebody sets the rate <b>anew</b>",
        "prints what matches <i>this</i>",
        "exponential: base_lr=0.5, decay_rate=0.5",
        "4 steps, 2 per epoch",
        "reported rate at step 2 is not as due",
        "1.23e4 at step 2",
        "1.23e6 % at step 2",
        "ExponentialLR(optimizer, gamma=0.5)",
        "furthest apart, in relation to their budgets, are trials 1 and 2: by 1.5e-8 at step 2, "
        "12.3 % of both budgets together",
        "has no staircase",
        "conform explain halves",
    ):
        assert said in text, said
    assert "open=diverges" in page.address


def test_says_what_was_raised_warned_printed_and_found_as_signature(page):
    entry = trial(
        Verdict.REFUSED,
        exception=ExceptionEntry(type="ValueError", message="too large"),
        warnings=["deprecated"],
        printed="a line\nanother",
        signature="(optimizer, gamma)",
    )
    text = open_case(page, report([case()], [entry]), "halves").text
    for said in (
        "Raised: ValueError: too large",
        "Warned: deprecated",
        "a line\nanother",
        "Signature: (optimizer, gamma)",
    ):
        assert said in text


def test_the_calls_of_the_frameworks_stand_side_by_side_and_are_copied(page):
    call = {"arguments": {}, "base_lr": None, "optimizer": "SGD", "advanced": "at each update"}
    theirs = trial(
        implementation=MINDSPORE_API,
        framework="mindspore",
        call=CallEntry(written="ExponentialDecayLR(0.5, 0.5, 1)", **call),
    )
    open_case(page, report([case()], [trial(), theirs]), "halves")
    first, second = page.all(".columns > div")
    assert first.rect["y"] == second.rect["y"]
    assert [one.find_element("tag name", "h4").text for one in (first, second)] == [
        "torch",
        "mindspore",
    ]
    page.run("navigator.clipboard.writeText = async (text) => void (window.copied = text)")
    button = second.find_element("tag name", "button")
    button.click()
    page.wait("window.copied")
    assert page.run("return window.copied") == "ExponentialDecayLR(0.5, 0.5, 1)"
    page.wait("document.querySelectorAll('.columns .copy')[1].textContent === 'Copied'")


def test_a_text_that_may_not_be_copied_is_selected(page):
    open_case(page, report([case()], [trial()]), "halves")
    page.run("navigator.clipboard.writeText = () => Promise.reject(new Error('no'))")
    page.one(".columns .copy").click()
    page.wait("document.querySelector('.columns .copy').textContent === 'Selected'")
    assert page.run("return String(getSelection())") == "ExponentialLR(optimizer, gamma=0.5)"


def test_a_chart_draws_each_distinct_sequence_once_and_its_error_against_the_budget(page):
    found = draw(page, several(), "diverges")
    svg = found.find_element("css selector", "figure > svg")
    assert svg.rect["width"] > 300
    lines = found.find_elements("css selector", "figure > svg .line")
    assert len(lines) == 2
    assert len(found.find_elements("css selector", "figure > svg .budget")) == 1
    assert "step 2 is not as due" in svg.text
    assert "reported: trials 1, 2" in found.find_element("css selector", ".legend").text
    heights = page.run(
        "const [rates, errors] = arguments[0].map((path) =>"
        "  path.getAttribute('d').match(/[\\d.]+ [\\d.]+/g).map((at) => +at.split(' ')[1]));"
        "return [rates, errors]",
        lines,
    )
    rates, errors = heights
    assert rates[0] < rates[1] < rates[2] < rates[3]
    assert errors[0] == errors[1] > errors[2]


def test_a_sequence_is_hidden_by_its_entry_in_the_legend(page):
    found = draw(page, several(), "diverges")
    found.find_element("css selector", ".legend button").click()
    assert found.find_elements("css selector", "figure > svg .line") == []
    found.find_element("css selector", ".legend button").click()
    assert len(found.find_elements("css selector", "figure > svg .line")) == 2


def steep(count=50):
    rates = [0.5 / 2**i for i in range(count)]
    return report([case(reference=rates, expected=rates)], [trial(sequences=[sequence(rates)])])


def shown_steps(page):
    return page.one(".controls .quiet").text


def test_the_arrow_keys_read_the_points_of_a_chart(page):
    draw(page, several(), "diverges")
    svg = page.one("figure > svg")
    page.run("arguments[0].focus()", svg)
    for key, step, value in ((RIGHT, 0, 0.5), (RIGHT, 1, 0.25), (RIGHT, 2, 0.2), (HOME, 0, 0.5)):
        svg.send_keys(key)
        text = page.one(".reading").text
        assert f"step {step}\n" in text
        assert f"reported: trials 1, 2: {value}" in text
    assert page.one(".reading").get_attribute("aria-live") == "polite"
    svg.send_keys(RIGHT, RIGHT)
    assert "error 0.075, budget 1e-9" in page.one(".reading").text


def test_a_chart_is_zoomed_by_buttons_and_by_keys(page):
    draw(page, steep(), "halves")
    assert shown_steps(page) == "steps 0 to 49"
    page.one("[data-zoom=in]").click()
    narrow = shown_steps(page)
    assert narrow != "steps 0 to 49"
    page.one("[data-zoom=right]").click()
    assert shown_steps(page) != narrow
    svg = page.one("figure > svg")
    page.run("arguments[0].focus()", svg)
    svg.send_keys("0")
    assert shown_steps(page) == "steps 0 to 49"
    for _ in range(9):
        svg.send_keys("+")
    low, high = (int(word) for word in shown_steps(page).split() if word.isdigit())
    assert high - low == 1
    for _ in range(9):
        svg.send_keys("-")
    assert shown_steps(page) == "steps 0 to 49"


def test_dragging_zooms_into_the_part_and_the_pointer_reads_the_values(page):
    from selenium.webdriver import ActionChains

    draw(page, steep(), "halves")
    svg = page.one("figure > svg")
    page.run("arguments[0].scrollIntoView()", svg)
    ActionChains(page.browser).move_to_element_with_offset(svg, 0, -50).perform()
    assert page.one(".reading").text.startswith("step 2")
    ActionChains(page.browser).move_to_element_with_offset(
        svg, -100, -50
    ).click_and_hold().move_by_offset(200, 0).release().perform()
    low, high = (int(word) for word in shown_steps(page).split() if word.isdigit())
    assert 10 < low < high < 40


def test_a_decay_over_many_powers_of_ten_is_drawn_on_a_logarithmic_axis(page):
    draw(page, steep(), "halves")
    button = next(b for b in page.all(".controls button") if b.text == "Logarithmic rates")
    button.click()
    d = page.run(RATES)
    heights = [float(at.split()[1]) for at in d.replace("M", "L").replace("h0", "").split("L")[1:]]
    gaps = [b - a for a, b in pairwise(heights)]
    assert max(gaps) - min(gaps) < 0.3


ODD = {
    "constant": [0.1, 0.1, 0.1],
    "zero": [0.0, 0.0, -0.0],
    "minute": [1e-26, 9e-27, 8e-27],
    "subnormal": [5e-324, 0.0],
    "huge": [1.7e308, -1.7e308],
    "not a number": [0.1, math.nan, 0.2],
    "nothing but NaN": [math.nan, math.nan],
    "infinite": [math.inf, 0.1, -math.inf],
    "nothing but infinite": [math.inf],
    "single": [0.1],
    "single zero": [0.0],
    "one ULP": [0.1, math.nextafter(0.1, 1), 0.1],
    "nearly constant": [0.1, 0.10000000149011612],
}


def written(value):
    """As the page writes a number."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"


@pytest.mark.parametrize("values", ODD.values(), ids=ODD.keys())
def test_an_odd_sequence_is_drawn_within_its_chart_and_told_exactly(page, values):
    references = [[r] * len(values) for r in (0.1, 0.0, math.nan, math.inf)] + [values]
    cases = [
        case(str(i), reference=r, expected=[None if math.isnan(v) else v for v in r])
        for i, r in enumerate(references)
    ]
    trials = [trial(case=one.name, sequences=[sequence(values)]) for one in cases]
    page.show(report(cases, trials), "#cases?" + "&".join(f"open={i}" for i in range(5)))
    page.wait("document.querySelectorAll('figure > svg').length === 5")
    drawn = page.run(
        "return [...document.querySelectorAll('figure > svg')].map((svg) => ({"
        "  box: svg.viewBox.baseVal.width,"
        "  texts: [...svg.querySelectorAll('text')].map((one) => one.textContent),"
        "  paths: [...svg.querySelectorAll('path')].map((one) => one.getAttribute('d'))}))"
    )
    for one in drawn:
        assert any(one["paths"])
        for d in one["paths"]:
            assert "NaN" not in d
            assert "Infinity" not in d
            for at in d.replace("M", "L").split("L")[1:]:
                x, _, y = at.partition(" ")
                if y and "V" not in y:
                    height = float(y.partition("H")[0].partition("h")[0].split("m")[0])
                    assert 88 <= float(x) <= one["box"] - 16 + 1e-6
                    assert 24 <= height <= 386
        assert not any("NaN" in text for text in one["texts"])
    rows = page.run(
        "return [...document.querySelector('.values').querySelectorAll('tbody tr')]"
        ".map((row) => row.lastChild.textContent)"
    )
    found = [
        v if isinstance(written(r), str) else float(v) for v, r in zip(rows, values, strict=True)
    ]
    assert [str(v) for v in found] == [str(written(v)) for v in values]
    svg = page.all("figure > svg")[0]
    page.run("arguments[0].focus()", svg)
    svg.send_keys(RIGHT)
    assert "step 0" in page.all(".reading")[0].text


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
def test_where_there_are_no_rates_there_is_no_chart(page, entry, sequences):
    open_case(page, report([entry], [trial(sequences=sequences)]), "halves")
    assert page.all("figure") == []


def test_late_steps_are_drawn_side_by_side(page):
    steps = [2**31 + i for i in range(4)]
    draw(page, report([case(steps=steps)], [trial()]), "halves")
    places = [float(x) for x in re.findall(r"[ML](\d+\.\d) ", page.run(RATES))]
    assert places == sorted(set(places))
    assert len(places) == 4
    page.run("document.querySelector('figure > svg').focus()")
    page.one("figure > svg").send_keys(RIGHT, RIGHT)
    assert page.one(".reading").text.startswith(f"step {2**31 + 1}")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_infinitely_far_off_what_is_due(page, value):
    draw(
        page, report([case()], [trial(sequences=[sequence([0.5, value, 0.125, 0.0625])])]), "halves"
    )
    crosses = page.run("return document.querySelector('g.error .mark').getAttribute('d')")
    assert re.search(r"M\d+\.\d 264m-4-4", crosses)
    page.run("document.querySelector('figure > svg').focus()")
    page.one("figure > svg").send_keys(RIGHT, RIGHT)
    assert "error ∞" in page.one(".reading").text


def test_expected_rates_with_gaps_are_not_joined_across_them(page):
    draw(page, report([case(expected=[0.5, None, 0.125, 0.0625])], [trial()]), "halves")
    d = page.run("return document.querySelector('figure > svg .expected').getAttribute('d')")
    line = d[: d.index("m")].rpartition("M")[0]
    assert line.count("M") == 2
    assert line.count("L") == 1


def test_a_sequence_that_ends_early_is_drawn_as_far_as_it_goes(page):
    draw(page, report([case()], [trial(sequences=[sequence(HALVES[:2])])]), "halves")
    d = page.run(RATES)
    assert d.count("M") + d.count("L") == 2


def test_a_parameter_group_has_its_line_and_no_error(page):
    group = sequence([math.nan, 0.1, 0.2, 0.3], name="reported 1")
    draw(page, report([case()], [trial(sequences=[sequence(), group])]), "halves")
    assert "reported 1: trial 1" in page.one(".legend").text
    assert len(page.all("svg g.error")) == 1
    assert "The error of further parameter groups is not drawn" in page.text


def test_a_long_sequence_is_thinned_in_its_table_around_what_says_most(page):
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
    entry = trial(
        Verdict.DIVERGES,
        first_divergence=deviation,
        sequences=[
            sequence(observed, diverging=1, greatest_ulp_error=ExtremeEntry(value=1.0, step=501))
        ],
    )
    given = [value if step in (3, 502) else None for step, value in enumerate(reference)]
    draw(page, report([case(reference=reference, expected=given, length=10**5)], [entry]), "halves")
    heads = page.run(
        "return [...document.querySelectorAll('.values tbody th')].map((one) => one.textContent)"
    )
    assert 190 <= len(heads) <= 200
    assert {"3", "501", "502", "777 first not as due"} <= set(heads)
    assert f"Values at {len(heads)} of 100000 steps" in page.text


def test_the_rows_are_the_same_bits_in_the_browser(page):
    values = [[0.1, 1 / 3, math.pi * 1e-300, -0.0, 5e-324], [0.1 + i * 2**-56 for i in range(5)]]
    values.append([float.fromhex("0x1.99999ap-4")] * 5)
    run = report(
        [case(reference=values[0], expected=[None] * 5)],
        [trial(mode=str(i), sequences=[sequence(one)]) for i, one in enumerate(values)],
    )
    draw(page, run, "halves")
    for one in values:
        found = page.run(
            "const want = arguments[0].map(Number);"
            "return described.some((_, i) => { const row = rowOf(i);"
            "  return row.length === want.length && row.every((v, k) => Object.is(v, want[k])); })",
            [repr(value) for value in one],
        )
        assert found


def test_the_address_restores_a_view_and_back_and_forward_walk_through_them(page):
    page.show(several(), "#cases")
    page.choose("framework", "torch")
    page.choose("verdict", "diverges")
    page.one(".case summary").click()
    page.wait("document.querySelector('.case[open]')")
    full = page.address
    assert full == "#cases?verdict=diverges&framework=torch&open=diverges"
    page.browser.back()
    page.wait("!document.querySelector('.case[open]')")
    page.browser.back()
    page.wait("document.querySelectorAll('.case').length === 5")
    page.browser.forward()
    page.browser.forward()
    page.wait("document.querySelector('.case[open]')")
    page.go(full)
    page.wait("document.querySelector('.case[open]')")
    assert page.names == ["diverges"]
    assert page.one("[name=framework]").get_attribute("value") == "torch"


def test_the_first_screen_leads_to_its_sections_and_stays_the_overview(page):
    page.show(several(), "#overview?lang=zh")
    page.one(".jumps a[href*=environments]").click()
    page.wait("location.hash === '#overview?lang=zh'")
    assert page.run("return scrollY") > 0
    assert page.one(".sentence")


def test_a_failure_links_to_its_case_which_opens(page):
    page.show(several())
    page.all(".card.bad a")[0].click()
    page.wait("document.querySelector('.case[open] .body')")
    assert page.one(".case[open] .name").text == "diverges"


def test_the_findings_are_worst_first_searchable_and_linked_to_their_trials(page):
    page.show(several(), "#findings")
    shown = [one.text for one in page.all("#view-findings .name")]
    assert shown == ["Wrong.", divergence().description]
    page.one("[name=q]").send_keys("verbose")
    assert len(page.all("#view-findings .case")) == 1
    page.one("#view-findings .case summary").click()
    text = page.one("#view-findings .case[open]").text
    for field, value in divergence().model_dump(exclude={"line"}).items():
        for said in value if isinstance(value, list) else [value]:
            assert said in text, field
    page.one("a[href*='finding=no-verbose']").click()
    page.wait("document.querySelector('#view-cases .case')")
    assert page.names == ["recorded"]


def test_a_case_links_to_the_finding_that_applies(page):
    open_case(page, several(), "recorded")
    page.all("a[href*='findings?open=no-verbose']")[0].click()
    page.wait("document.querySelector('#view-findings .case[open]')")
    assert "Leave it out." in page.one("#view-findings .case[open]").text


def test_the_coverage_has_its_numbers_and_its_reasons(page):
    from harness.report.model import CoverageCell, CoverageEntry

    cells = {"values": CoverageCell(cases=7, reason=""), "end": CoverageCell(cases=0, reason="R")}
    rows = [CoverageEntry(implementation=API, dimensions=cells)]
    page.show(report([case()], [trial()], coverage=rows), "#coverage")
    values = [cell.text for cell in page.all("#view-coverage td")]
    assert values[0] == "7"
    assert values[1].startswith("–")
    assert "R" in [one.text for one in page.all("#view-coverage li")]


def test_the_language_is_switched_in_place_and_stays_in_the_address(page):
    page.show(several(), "#cases?verdict=diverges&open=diverges")
    page.wait("document.querySelector('figure')")
    button = page.one("#language")
    assert button.text == "中文"
    button.click()
    assert page.one("h1").text == "学习率调度一致性测试"
    assert page.one(".sentence").text.startswith("10 个试验中有 3 个不符合预期")
    assert page.run("return document.documentElement.lang") == "zh-Hans"
    assert "lang=zh" in page.address
    page.wait("document.querySelector('figure')")
    text = page.text
    for said in ("参考模型", "预算", "偏离", "首个偏离步", "试验"):
        assert said in text
    assert "reported rate at step 2 is not as due" in text
    page.one("nav a[href^='#findings']").click()
    page.wait("document.querySelector('#view-findings .case')")
    assert "lang=zh" in page.address
    assert "学习率错误" in page.text
    page.browser.back()
    page.browser.back()
    page.wait("document.documentElement.lang === 'en'")
    assert page.one("h1").text == texts()["title"]["en"]


def test_nothing_of_the_page_s_own_text_is_left_in_english(page):
    page.show(several(), "#overview?lang=zh")
    own = {text["en"] for text in texts().values() if len(text["en"]) > 3 and "{" not in text["en"]}
    own -= {"diverges", "long"}  # a case and a tag have these names
    for address in ("#overview", "#cases", "#cases?open=diverges", "#findings", "#coverage"):
        page.go(f"{address}{'&' if '?' in address else '?'}lang=zh")
        if "open" in address:
            page.wait("document.querySelector('figure')")
        lines = set(page.run("return document.body.innerText").splitlines()) - {"English"}
        assert lines & own == set()


def test_the_language_of_the_browser_is_the_page_s_first(browser, tmp_path):
    page = Page(browser, tmp_path)
    browser.execute_cdp_cmd(
        "Emulation.setUserAgentOverride", {"userAgent": "x", "acceptLanguage": "zh-CN"}
    )
    try:
        page.show(several())
        assert page.one("h1").text == "学习率调度一致性测试"
        page.one("#language").click()
        assert page.one("h1").text == texts()["title"]["en"]
        assert page.address == "#overview?lang=en"
    finally:
        browser.execute_cdp_cmd("Emulation.setUserAgentOverride", {"userAgent": ""})


SCRIPT = "<script>alert(1)</script>"


@pytest.mark.parametrize("markup", [MARKUP, SCRIPT])
def test_markup_in_names_and_texts_is_shown_and_not_executed(page, markup):
    entry = trial(
        Verdict.REFUSED,
        markup,
        reasons=[markup],
        exception=ExceptionEntry(type=markup, message=markup),
        warnings=[markup],
        printed=markup,
        signature=markup,
        known_divergence=markup,
        diagnosis=markup,
        command=markup,
    )
    run = report(
        [case(markup, description=markup, tags=[markup], schedule={markup: markup})],
        [entry],
        known_divergences=[divergence(name=markup, description=markup, remedy=markup)],
    )
    page.show(run, "#cases")
    page.one(".case summary").click()
    page.wait("document.querySelector('.case[open] figure')")
    assert page.one(".case .name").text == markup
    assert page.one(".case[open]").text.count(markup) > 8
    page.all("a[href^='#findings?']")[0].click()
    page.wait("document.querySelector('#view-findings .case[open]')")
    assert page.run("return window.injected") is None
    assert page.run("return document.querySelectorAll('script').length") == 4
    assert page.run("return document.querySelectorAll('img').length") == 0


def test_the_policy_of_the_page_stops_any_other_script(browser, tmp_path):
    file = tmp_path / "index.html"
    page = render(everything())
    file.write_text(page.replace("<main", f"{MARKUP}<main"), "utf-8")
    browser.get(file.as_uri())
    assert browser.execute_script("return window.injected") is None
    assert "Content Security Policy" in browser.get_log("browser")[0]["message"]


def test_data_that_cannot_be_read_is_said(browser, tmp_path):
    file = tmp_path / "index.html"
    page = render(everything())
    file.write_text(page.replace('id="report">H4sI', 'id="report">H4sJ'), "utf-8")
    browser.get(file.as_uri())
    shown = browser.find_element("id", "waiting")
    for _ in range(100):
        if shown.is_displayed():
            break
    assert "cannot be read" in shown.text


def emulate(browser, scheme="light", width=None, media=""):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    if width:
        phone = {"width": width, "height": 740, "deviceScaleFactor": 2, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)


@pytest.fixture
def emulated(browser):
    yield lambda **given: emulate(browser, **given)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


VIEWS = {
    "first screen": "",
    "matrix and list": "#cases",
    "opened case": "#cases?open=diverges&open=recorded",
    "findings": "#findings?open=no-verbose",
    "coverage": "#coverage",
}


def show_view(page, view):
    page.show(several(), VIEWS[view])
    if "open=" in VIEWS[view]:
        page.wait("document.querySelector('.case[open] .body')")
    if view == "opened case":
        page.wait("document.querySelectorAll('figure').length === 2")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_on_a_phone_only_tables_scroll_sideways(page, emulated, view, scheme):
    emulated(scheme=scheme, width=360)
    show_view(page, view)
    page.run("document.querySelectorAll('details:not(.case)').forEach((one) => one.open = true)")
    wide = page.run("return document.documentElement.scrollWidth")
    ground, text = page.run(
        "const style = getComputedStyle(document.body);"
        "return [style.backgroundColor, style.color].map((c) => +c.match(/\\d+/)[0])"
    )
    assert wide == 360
    assert (ground > text) == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_the_accessibility_engine_finds_nothing_serious(page, emulated, view, scheme):
    from axe_core_python.selenium import Axe

    emulated(scheme=scheme)
    show_view(page, view)
    results = Axe().run(page.browser)
    assert results["passes"]
    grave = [one for one in results["violations"] if one["impact"] in ("serious", "critical")]
    assert [
        (one["id"], node["html"][:200], node["failureSummary"])
        for one in grave
        for node in one["nodes"]
    ] == []


CONTRAST = """
const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
const context = canvas.getContext('2d', {willReadFrequently: true});
function light(colour) {
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
    .map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
return [...document.querySelectorAll('.matrix button')].map((one) => {
  const style = getComputedStyle(one);
  const [dark, bright] = [light(style.color), light(style.backgroundColor)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
});
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_cells_of_the_matrix_stand_out_enough_to_be_read(page, emulated, scheme):
    emulated(scheme=scheme)
    trials = [trial(verdict, family=verdict.value) for verdict in Verdict]
    page.show(report([case()], trials), "#cases")
    ratios = page.run(CONTRAST)
    assert len(ratios) == len(Verdict) + 1
    assert min(ratios) >= 4.5


def test_headings_descend_one_level_at_a_time(page):
    show_view(page, "opened case")
    levels = page.run(
        "return [...document.querySelectorAll('h1,h2,h3,h4')]"
        ".filter((one) => one.offsetParent).map((one) => +one.tagName[1])"
    )
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_what_is_printed_has_the_opened_case_and_no_controls(page, emulated):
    show_view(page, "opened case")
    emulated(media="print")
    assert page.all("nav, form, .matrix, .copy, .controls button") == []
    assert [one.text for one in page.all(".case .name")] == ["diverges", "recorded"]
    assert len(page.all("figure > svg")) == 2
    printed = page.browser.print_page()
    assert b64decode(printed).startswith(b"%PDF")


def test_a_list_with_nothing_opened_is_printed_as_it_is_with_its_matrix(page, emulated):
    show_view(page, "matrix and list")
    emulated(media="print")
    assert len(page.names) == 6
    assert page.one(".matrix").rect["width"] > 200


def test_the_skip_link_moves_the_focus_and_leaves_the_address(page):
    page.show(several(), "#findings")
    page.run("document.querySelector('.skip').click()")
    assert page.run("return document.activeElement.id") == "main"
    assert page.address == "#findings"

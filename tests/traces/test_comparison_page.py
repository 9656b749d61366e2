"""The page of a comparison: as text, and as its readers meet it in a real browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers.browser import requests

from harness.catalogue import Precision
from harness.traces import page, published
from harness.traces.alignment import Alignment
from harness.traces.comparing import AS_GIVEN, compare
from harness.traces.document import document
from harness.traces.trace import Header, Trace

MARKUP = "<img src=x onerror=alert(1)></script>"


def trace(rates: np.ndarray, source: str = "a.jsonl", **sequences: np.ndarray) -> Trace:
    named = {"reported": rates, **sequences}
    return Trace(
        Header(source, "torch", "2.13.0", "cpu", "SGD", "ExponentialLR", 390),
        np.arange(len(rates)),
        named,
        dict.fromkeys(named, Precision.FLOAT64),
        problems=(f"problem of {source}",),
    )


def drawn(one: Trace, other: Trace, alignment: Alignment = AS_GIVEN) -> str:
    comparison = compare(one, other, alignment)
    return page.render((one, other), comparison, document((one, other), comparison, alignment))


FALLING = 0.1 * 0.9 ** np.arange(50)


def test_the_page_says_without_scripts_what_came_of_it():
    other = FALLING.copy()
    other[7:] *= 1.5
    text = drawn(trace(FALLING), trace(other, "b.jsonl", applied=other))
    for said in (
        "They differ from step 7 on.",
        "a.jsonl",
        "torch 2.13.0 on cpu, SGD with ExponentialLR",
        "problem of b.jsonl",
        "in one of them only",
    ):
        assert said in text


def test_whatever_a_trace_says_is_text():
    one = trace(FALLING, MARKUP)
    text = drawn(one, one)
    assert MARKUP not in text
    assert "&lt;img src=x" in text


def test_every_text_is_in_both_languages_with_the_same_places():
    for key, text in page._texts().items():
        assert set(text) == {"en", "zh"}, key
        english, chinese = (set(re.findall(r"\{(\w+)", text[one])) for one in ("en", "zh"))
        assert chinese <= english, key


def test_the_page_is_well_formed():
    class Parsed(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "link", "br"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    parser = Parsed()
    parser.feed(drawn(trace(FALLING), trace(FALLING[:20])))
    assert parser.open == []


def test_a_long_sequence_is_thinned_with_its_extremes():
    rates = np.linspace(1, 0.1, 100_000)
    other = rates.copy()
    other[54_321] = 5.0
    text = drawn(trace(rates), trace(other))
    assert len(text) < 250_000
    assert "54321" in text


@pytest.mark.slow
@pytest.mark.xdist_group("browser")
@pytest.mark.slow
def test_a_browser_draws_each_sequence_offline_and_in_both_languages(browser, tmp_path):
    applied = FALLING.copy()
    applied[9] = np.inf
    one = trace(FALLING, applied=FALLING)
    other = trace(FALLING * np.where(np.arange(50) < 7, 1, 2), "b.jsonl", applied=applied)
    comparison = compare(one, other)
    told = document((one, other), comparison, AS_GIVEN)
    published.write((one, other), comparison, told, tmp_path)
    requests(browser)
    browser.get_log("browser")
    browser.get((tmp_path / "index.html").as_uri())
    figures = browser.find_elements("css selector", "figure > svg")
    assert len(figures) == 2
    figures[0].send_keys("\ue011")  # Home: reads the first step
    reading = browser.find_element("css selector", ".reading").text
    assert reading.startswith("step 0")
    assert "first: 0.1" in reading
    assert "error 0, allowed" in reading
    titles = [one.text for one in browser.find_elements("css selector", "text.first")]
    assert titles == ["they differ from step 7 on", "they differ from step 9 on"]
    browser.find_element("css selector", "#language").click()
    assert "第 7 步" in browser.find_element("css selector", ".sentence").text
    assert browser.find_elements("css selector", "text.first")[0].text == "从第 7 步起不一致"
    assert [
        url for url in requests(browser) if not url.startswith(("file:", "data:", "about:"))
    ] == []
    assert browser.get_log("browser") == []

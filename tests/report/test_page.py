"""The HTML page as text: its first screen, its fixed texts, and the data that it carries."""

from __future__ import annotations

import gzip
import json
import math
import re
import struct
from base64 import b64decode
from html.parser import HTMLParser
from importlib.resources import files
from typing import get_args

import numpy as np
import pytest
from helpers.entries import (
    API,
    HALVES,
    MARKUP,
    case,
    divergence,
    environment,
    everything,
    report,
    sequence,
    trial,
)
from hypothesis import given, strategies as st

from harness.case import DIMENSIONS, SEVERITIES, KnownDivergence
from harness.report.model import (
    BudgetUse,
    CallEntry,
    ChangeEntry,
    ChangesEntry,
    ExceptionEntry,
    Report,
)
from harness.report.page import render
from harness.report.page.drawing import MAX_LISTED
from harness.report.page.packed import Rows, pack
from harness.report.page.texts import texts
from harness.report.summary import sentence
from harness.verdict import Verdict

VOID = {"meta", "link", "br", "input", "img"}


class Parsed(HTMLParser):
    """A page's elements, their attributes and its text; a tag left open or closed twice fails."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self._open = [], [], []
        self.feed(page)
        self.close()
        assert self._open == []
        self.text = " ".join("".join(self.texts).split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open[-1:] not in (["script"], ["style"]):
            self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_first_screen_needs_no_script():
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
        "0.125 0.20.0751.25e-09",
        "no baseline was given",
    ):
        assert said in text
    assert "This browser runs no scripts here" in text


def test_trials_that_fail_alike_are_one_failure():
    page = Parsed(render(everything()))
    cards = [c for c in page.all("article") if c["class"] == "card bad"]
    assert len(cards) == 1


def test_of_very_many_failures_the_first_are_shown_and_the_rest_counted():
    failing = [
        trial(Verdict.DIVERGES, mode=str(i), reasons=[f"reason {i}"]) for i in range(MAX_LISTED + 2)
    ]
    alike = [trial(Verdict.CRASHED, mode=f"{i}") for i in range(MAX_LISTED + 1)]
    page = Parsed(render(report([case()], [*alike, *failing])))
    assert len([c for c in page.all("article") if c["class"] == "card bad"]) == MAX_LISTED
    assert "and 1 more" in page.text
    assert "3 more failures of 3 trials" in page.text


def test_of_very_many_changes_the_first_are_shown_and_the_rest_counted():
    made = [change("moved", subject=f"subject {i}") for i in range(MAX_LISTED)]
    changes = ChangesEntry(baseline="b", changes=[*made, change("lost trial", fails=True)])
    text = Parsed(render(report([case()], [trial()], changes=changes))).text
    assert "the lost trial" in text
    assert "1 more stands in report.json." in text


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
        "○ unavailable1no module named torch",
        "torch: while idle, killed by a signal",
    ):
        assert said in text
    assert sentence(run) in text


def change(kind, **fields):
    said = {"subject": f"the {kind}", "text": "0.1 was 0.2", "file": "a.yaml", "line": 7}
    return ChangeEntry(**{"kind": kind, "fails": False, **said, **fields})


def test_says_what_changed_since_the_baseline_the_failing_first():
    kinds = get_args(ChangeEntry.model_fields["kind"].annotation)
    made = [change(kind) for kind in kinds] + [change("lost trial", subject="gone", fails=True)]
    changes = ChangesEntry(baseline="reports/baseline.json", changes=made)
    text = Parsed(render(report([case()], [trial()], changes=changes))).text
    assert "13 changes since the baseline reports/baseline.json; 1 of them fails the run" in text
    assert "a.yaml:7" in text
    assert all(text.index("gone") < text.index(f"the {kind}") for kind in kinds)


def test_says_that_nothing_changed_since_the_baseline():
    changes = ChangesEntry(baseline="old.json", changes=[])
    text = Parsed(render(report([case()], [trial()], changes=changes))).text
    assert "Nothing changed since the baseline old.json." in text


def test_a_run_without_any_trial_is_drawn():
    assert "No trial was run." in Parsed(render(report([case()], []))).text


def test_an_infinite_use_of_the_budget_is_said():
    use = BudgetUse(trials=1, median=0.5, greatest=math.inf)
    assert "at most ∞." in Parsed(render(report([case()], [trial()], budget_use=use))).text


def test_every_verdict_is_drawn_with_its_word():
    run = report([case()], [trial(verdict, mode=verdict.name) for verdict in Verdict])
    text = Parsed(render(run)).text
    assert all(verdict.value in text for verdict in Verdict)


def marked_up():
    """A report in which everything that a case or a framework says is markup."""
    said = {"reasons": [MARKUP], "warnings": [MARKUP], "printed": MARKUP, "signature": MARKUP}
    call = CallEntry(
        written=MARKUP,
        arguments={MARKUP: MARKUP},
        base_lr=None,
        optimizer=MARKUP,
        advanced=MARKUP,
    )
    return report(
        [case(MARKUP, description=MARKUP, source=MARKUP, tags=[MARKUP], schedule={MARKUP: MARKUP})],
        [
            trial(
                Verdict.REFUSED,
                MARKUP,
                exception=ExceptionEntry(type=MARKUP, message=MARKUP),
                call=call,
                diagnosis=MARKUP,
                known_divergence=MARKUP,
                **said,
            )
        ],
        environments=[environment(failure=MARKUP), environment(version=MARKUP, printed=MARKUP)],
        selection={MARKUP: [MARKUP]},
        known_divergences=[divergence(name=MARKUP, description=MARKUP, remedy=MARKUP)],
        changes=ChangesEntry(baseline=MARKUP, changes=[change("moved", subject=MARKUP)]),
    )


def test_whatever_a_case_or_a_framework_says_is_text():
    page = Parsed(render(marked_up()))
    plain = Parsed(render(everything()))
    assert len(page.all("script")) == len(plain.all("script"))
    assert page.all("img") == []
    assert f"Diagnosis: {MARKUP}" in page.text


def test_every_fixed_text_is_in_both_languages_with_the_same_places():
    for key, text in texts().items():
        assert set(text) == {"en", "zh"}, key
        assert all(text.values()), key
        english, chinese = (set(re.findall(r"\{(\w+)", text[one])) for one in ("en", "zh"))
        assert chinese <= english, key


def test_every_word_that_the_report_may_use_has_its_text():
    keys = texts().keys()
    kinds = get_args(KnownDivergence.model_fields["kind"].annotation)
    changes = get_args(ChangeEntry.model_fields["kind"].annotation)
    for prefix, names in {
        "verdict": [verdict.value for verdict in Verdict],
        "dimension": DIMENSIONS,
        "severity": SEVERITIES,
        "kind": kinds,
        "change": changes,
    }.items():
        assert {f"{prefix}.{name}" for name in names} <= keys
    for verdict in Verdict:
        assert texts()[f"verdict.{verdict.value}"]["en"] == verdict.value
        assert texts()[f"meaning.{verdict.value}"]["en"] == verdict.meaning


def test_every_text_that_the_script_and_the_template_ask_for_exists_and_none_is_left_over():
    folder = files("harness.report.page")
    sources = [*(folder / "script").iterdir(), folder / "templates" / "index.html.j2"]
    said = "\n".join(file.read_text("utf-8") for file in [*sources, folder / "drawing.py"])
    asked = set(re.findall(r"""\bt\("([^"]+)"[,)]""", said))
    assert asked <= texts().keys()
    begun = set(re.findall(r"""\bt\([`"]([a-z]+)[. ](?:\$\{|" ~)""", said)) | {"meaning", "matrix"}
    for key in texts():
        assert f'"{key}"' in said or key.partition(".")[0] in begun, key


def test_the_policy_allows_the_page_s_own_script_and_style_and_nothing_else():
    page = render(everything())
    policy = Parsed(page).all("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; img-src data:; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy


def unpacked(run):
    """What the page carries of a report, read by the description in `packed.py`."""
    packed = pack(run)
    content = json.loads(gzip.decompress(b64decode(packed.report)))
    return content["report"], content["numbers"], gzip.decompress(b64decode(packed.rows))


def test_the_data_is_the_report_without_its_sequences():
    run = everything()
    content, numbers, _ = unpacked(run)
    whole = json.loads(run.model_dump_json())
    for one in whole["cases"]:
        del one["reference"], one["expected"]
    for one in whole["trials"]:
        for entry in one["sequences"]:
            del entry["observed"], entry["budget"]
    assert content == whole
    assert len(numbers["trials"]) == len(run.trials)


def test_a_sequence_that_many_trials_have_is_carried_once():
    run = report([case()], [trial(mode=str(i), sequences=[sequence()] * 2) for i in range(50)])
    _, numbers, rows = unpacked(run)
    assert len(numbers["rows"]) == 2
    assert len(rows) == 2 * 8 * len(HALVES)


def read(described, planes):
    """The rows, read as `packed.py` describes them, by plain arithmetic on integers."""
    found, start = [], 0
    for length, base, single in described:
        block = planes[start : start + 8 * length]
        start += 8 * length
        row = []
        for i in range(length):
            difference = sum(block[plane * length + i] << (8 * plane) for plane in range(8))
            if base < 0:
                near = row[-1] if row else 0
            else:
                value = struct.unpack("<d", struct.pack("<Q", found[base][i]))[0]
                if single:
                    with np.errstate(over="ignore"):
                        value = 0.0 if math.isnan(value) else float(np.float32(value))
                near = struct.unpack("<Q", struct.pack("<d", value))[0]
            row.append((near + difference) % 2**64)
        found.append(row)
    return [struct.unpack(f"<{len(r)}d", struct.pack(f"<{len(r)}Q", *r)) for r in found]


numbers = st.floats() | st.sampled_from([0.0, -0.0, math.inf, math.nan, 5e-324, 1.7e308, 0.1])
lists = st.lists(numbers, max_size=6) | st.lists(st.floats(width=32), max_size=6)


@given(lists, st.lists(lists, max_size=4))
def test_a_row_survives_to_the_last_bit(reference, observed):
    rows = Rows()
    base = rows.add(reference)
    taken = [(base, reference), *((rows.add(row, base), row) for row in observed)]
    found = read(rows.described, b"".join(rows.planes))
    for number, values in taken:
        assert len(found[number]) == len(values)
        for value, due in zip(found[number], values, strict=True):
            same = struct.pack("<d", value) == struct.pack("<d", due)
            assert same or (math.isnan(value) and math.isnan(due))


@given(st.lists(st.floats(min_value=0, allow_nan=False), min_size=1, max_size=5))
def test_a_budget_keeps_three_digits_and_its_infinities(budget):
    run = report([case()], [trial(sequences=[sequence([0.1] * len(budget), budget=budget)])])
    _, numbers, rows = unpacked(run)
    found = read(numbers["rows"], rows)[numbers["trials"][0][0][1]]
    for value, due in zip(found, budget, strict=True):
        assert (
            value == due or math.isclose(value, due, rel_tol=2**-12) or due < 1e-300 or due > 1e308
        )


def test_expected_rates_keep_the_places_where_there_are_none():
    run = report([case(expected=[0.5, None, 0.125, None]), case("bare", expected=[None] * 4)], [])
    _, numbers, rows = unpacked(run)
    found = read(numbers["rows"], rows)
    (_, expected, given_at), (_, _, nowhere) = numbers["cases"]
    assert [found[expected][i] for i in given_at] == [0.5, 0.125]
    assert given_at == [0, 2]
    assert nowhere == []


def test_a_report_read_back_gives_the_same_page():
    run = everything()
    assert render(Report.model_validate_json(run.model_dump_json())) == render(run)


def test_the_page_of_a_report_is_the_same_every_time():
    assert render(everything()) == render(everything())
    assert API in Parsed(render(everything())).text


@pytest.mark.parametrize("entries", [[], [case(reference=[], family="surface", schedule={})]])
def test_a_report_without_rates_is_drawn(entries):
    assert "No trial was run." in Parsed(render(report(entries, []))).text

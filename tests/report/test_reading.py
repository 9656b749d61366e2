"""report.json read back: as it was written, by this minor version or another, or refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from helpers.making import (
    TORCH,
    judged,
    raised,
    record,
    run_of,
    schedule_case,
    seen,
    signature,
    surface_case,
    trial,
)

from harness.errors import ReportUnreadable
from harness.report import json_file
from harness.report.model import ChangeEntry, ChangesEntry, from_run
from harness.report.reading import FORMAT, MAJOR, MINOR, parse, read
from harness.workers import Environment

NEWER = f"{MAJOR}.{MINOR + 7}"


def report():
    """A report in which everything occurs that a report can hold."""
    made, other = trial(schedule_case()), trial(schedule_case(name="odd"))
    surface = trial(surface_case({"signature": "(optimizer)"}))
    run = run_of(
        judged(made, seen(made, [0.5] * 4), record()),
        judged(other, seen(other, [0.5, math.nan, math.inf, -math.inf])),
        judged(trial(schedule_case(name="no")), raised("ValueError", "no \U0001f600 <b>")),
        judged(surface, signature("optimizer")),
        records=(record(),),
        environments=(TORCH, Environment("mindspore", "mindspore", failure="none")),
        incidents=("torch: died",),
    )
    change = ChangeEntry(kind="moved", subject="x", text="y", file=None, line=None, fails=False)
    changes = ChangesEntry(baseline="reports/baseline.json", changes=[change])
    return from_run(run).model_copy(update={"changes": changes})


@pytest.fixture(scope="module")
def text() -> str:
    return json_file.render(report())


def rewritten(text: str, **fields) -> str:
    return json.dumps({**json.loads(text), **fields})


def with_more(node: Any) -> Any:
    """The same with a further field in every object that is not free in its keys."""
    if isinstance(node, list):
        return [with_more(item) for item in node]
    if not isinstance(node, dict):
        return node
    free = {"selection", "counts", "packages", "absent_devices", "schedule", "arguments"}
    free |= {"parameters", "dimensions"}
    known = {key: value if key in free else with_more(value) for key, value in node.items()}
    return {**known, "added later": {"a": [1]}}


def test_what_is_written_is_read_back_to_the_last_byte(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    for place in (tmp_path, tmp_path / "report.json"):
        assert json_file.render(read(place)) == text


def test_nan_and_infinities_come_back_as_numbers(text):
    observed = parse(text, "x").trials[1].sequences[0].observed
    assert observed[0] == 0.5
    assert math.isnan(observed[1])
    assert observed[2:] == [math.inf, -math.inf]


def test_a_report_of_a_later_minor_version_is_read_without_what_it_adds(text):
    content = with_more(json.loads(text))
    later = parse(json.dumps({**content, "format": NEWER}), "x")
    assert json_file.render(later) == text


def test_an_unknown_field_in_a_report_of_this_version_is_refused(text):
    with pytest.raises(ReportUnreadable, match=r"x is not a report of this suite: surprise: Extra"):
        parse(rewritten(text, surprise=1), "x")


def test_a_report_of_format_2_0_is_read(text):
    content = json.loads(text)
    del content["changes"], content["budget_use"]
    for case in content["cases"]:
        del case["digest"]
    for sequence in (s for each in content["trials"] for s in each["sequences"]):
        del sequence["digest"], sequence["ulp_errors"], sequence["greatest_error_from_best"]
    old = parse(json.dumps({**content, "format": "2.0"}), "x")
    assert old.format == FORMAT
    assert old.changes is None
    assert {s.digest for each in old.trials for s in each.sequences} == {""}


@pytest.mark.parametrize("version", ["1.9", "3.0", "22.1"])
def test_another_major_version_is_refused_with_the_remedy(text, version):
    with pytest.raises(ReportUnreadable) as refusal:
        parse(rewritten(text, format=version), "old/report.json")
    assert str(refusal.value) == (
        f"old/report.json is in format {version}, and this version of the suite reads 2.x; read "
        "it with the version that wrote it, or write it anew with: conform run"
    )
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize("content", [[], 7, None, {}, {"format": 2}, {"format": "2"}, "2.1"])
def test_json_that_is_no_report_is_refused(content):
    with pytest.raises(ReportUnreadable, match="x is not a report of this suite: it has no format"):
        parse(json.dumps(content), "x")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_refused_wherever_it_ends(text, share):
    with pytest.raises(ReportUnreadable, match=r"x is not JSON \(it is cut short\)"):
        parse(text[: int(len(text.rstrip()) * share)], "x")


@pytest.mark.parametrize("content", [b"<html>", b"\xff\xfe\x00", b"[" * 100_000, b"\x00"])
def test_what_is_no_json_is_refused(content):
    with pytest.raises(ReportUnreadable, match=r"x is not JSON.*conform run"):
        parse(content, "x")


def test_a_field_that_is_missing_or_of_another_type_is_named(text):
    content = json.loads(text)
    content["trials"][1]["seconds"] = "soon"
    with pytest.raises(ReportUnreadable, match=r"trials\.1\.seconds: .*valid number"):
        parse(json.dumps(content), "x")
    del content["trials"][1]["seconds"]
    # Neither does a later version take fields away.
    with pytest.raises(ReportUnreadable, match=r"trials\.1\.seconds: Field required"):
        parse(json.dumps({**content, "format": NEWER, "more": 1}), "x")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ReportUnreadable, match=r"report\.json: No such file.*name a folder"):
        read(tmp_path)
    with pytest.raises(ReportUnreadable, match=r"cannot read .*nothing"):
        read(tmp_path / "nothing")

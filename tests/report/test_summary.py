"""summary.md: short when all is well, telling when not, and never somebody else's markup."""

from __future__ import annotations

import re

import pytest
from helpers.making import (
    CELL,
    HALVES,
    TORCH,
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

from harness.plan import Skip
from harness.report import summary
from harness.report.model import ChangeEntry, ChangesEntry, TakenEntry, from_run
from harness.report.summary import MAX_CHANGES, MAX_FAILURES, sentence
from harness.verdict import Verdict
from harness.workers import Environment


def judgement(rates=HALVES, *records, api=TORCH_EXPONENTIAL, **case):
    made = trial(schedule_case(**case), api)
    return judged(made, seen(made, rates), *records)


def rendered(*judgements, **fields) -> str:
    return summary.render(from_run(run_of(*judgements, **fields)))


def cells(line: str) -> list[str]:
    """The cells of a table's row, split where Markdown splits it."""
    return [cell.strip() for cell in re.split(r"(?<!\\)(?:\\\\)*\|", line.strip())[1:-1]]


def failing(text: str):
    return judged(trial(schedule_case()), raised("ValueError", text))


def row(text: str) -> str:
    """The row of the one failure in a summary."""
    lines = rendered(failing(text)).splitlines()
    start = lines.index("| verdict | trial | reason |")
    assert len(lines) == start + 3, "the failure is one row, the last"
    return lines[-1]


def test_a_good_run_is_one_sentence_and_the_environments():
    assert rendered(judgement(), judgement(api=CELL)) == (
        "# Learning-rate schedule conformance\n"
        "\n"
        "**2 trials as expected: conforms 2.**\n"
        "\n"
        "| environment | version | devices | modes |\n"
        "| --- | --- | --- | --- |\n"
        "| torch | 2.13.0 | cpu | eager |\n"
        "| mindspore | 2.10.0 | cpu | graph |\n"
    )


def test_the_sentence_counts_every_verdict():
    run = run_of(
        judgement(),
        judgement([0.5] * 4),
        judgement([0.5] * 4, record()),
        judged(skipped(schedule_case(), Skip(Verdict.UNSUPPORTED, "cannot")), None),
    )
    assert sentence(from_run(run)) == (
        "1 of 4 trials are not as expected: "
        "conforms 1, diverges 1, known divergence 1, unsupported 1."
    )


def test_the_sentence_says_when_a_run_was_stopped():
    run = run_of(judgement([0.5] * 4), stopped_early=True)
    assert sentence(from_run(run)).startswith("Stopped early; 1 of 1 trials")


def test_a_worker_that_died_is_said_first():
    text = rendered(judgement(), incidents=("torch: while starting, the process died",))
    assert "**A worker died outside of a trial; " in text
    assert "torch: while starting, the process died" in text


def test_an_environment_that_failed_says_why():
    broken = Environment("mindspore", "mindspore", failure="No module\nnamed 'mindspore'")
    text = rendered(judgement(), environments=(TORCH, broken))
    assert "| mindspore | not run: No module named 'mindspore' |  |  |" in text


def test_a_failure_is_told_with_its_verdict_its_trial_and_its_first_reason():
    lines = rendered(judgement(), judgement([0.5] * 4)).splitlines()
    verdict, told, reason = cells(lines[-1])
    assert verdict == "diverges"
    assert "halves::" in told
    assert reason.startswith("reported rate at step 1: expected 0.25, observed 0.5")


def test_many_failures_are_counted_and_the_first_are_shown():
    many = [judgement([0.5] * 4, name=f"case {n}") for n in range(MAX_FAILURES + 3)]
    lines = rendered(*many).splitlines()
    assert sum(line.startswith("| diverges |") for line in lines) == MAX_FAILURES
    assert lines[-1] == "… and 3 more, in report.json."
    exactly = rendered(*many[:MAX_FAILURES])
    assert "more, in report.json" not in exactly


@pytest.mark.parametrize("text", ["a | b", "a \\| b", "\\", "a\n| --- | --- |\nb", "x" * 399 + "|"])
def test_a_row_has_its_three_cells_whatever_a_framework_says(text):
    assert len(cells(row(text))) == 3


def test_tags_of_html_are_text():
    line = row("<script>alert(1)</script> <img src=x onerror=alert(1)> &lt;b&gt;")
    assert "<" not in line
    assert ">" not in line
    # What reads as an entity was written with its ampersand.
    assert "&amp;lt;b&amp;gt;" in line


@pytest.mark.parametrize(
    "markup",
    [
        "[press here](https://example.com)",
        "![picture](https://example.com/a.png)",
        "**bold**",
        "`code`",
        "~~gone~~",
        "a_b _slanted_",
    ],
)
def test_markup_of_markdown_is_text(markup):
    line = row(f"text {markup} text")
    shown = line.partition("ValueError: ")[2].rpartition(" where values were due")[0]
    unescaped = re.sub(r"\\([!-/:-@\[-`{-~])", "", shown)  # escaped characters are text
    for mark in ("[", "](", "**", "`", "~~", " _"):
        assert mark not in unescaped


def test_a_long_reason_is_cut_and_an_escape_is_not_cut_in_two():
    for filler in range(380, 402):
        line = row("x" * filler + "<" * 40)
        assert len(line) < 800
        reason = cells(line)[2]
        assert not re.search(r"&(?!lt;|gt;|amp;)", reason), reason[-10:]
        assert not re.search(r"(?<!\\)(\\\\)*\\$", reason)


def changed(*changes, text="<b>x</b> {}"):
    """A summary of a run with these changes, each of which is a kind and whether it fails."""
    entries = [
        ChangeEntry(
            kind=kind, subject=f"a|b {n}", text=text.format(n), file=None, line=None, fails=bad
        )
        for n, (kind, bad) in enumerate(changes)
    ]
    report = from_run(run_of(judgement())).model_copy(
        update={"changes": ChangesEntry(baseline="reports/baseline.json", changes=entries)}
    )
    return summary.render(report)


def test_what_changed_is_told_with_what_fails_first():
    text = changed(("moved", False), ("moved", False), ("lost trial", True))
    lines = text.splitlines()
    start = lines.index("## Changed since reports/baseline.json")
    assert lines[start + 2] == "moved 2, lost trial 1."
    assert cells(lines[start + 6]) == ["**lost trial**", "a\\|b 2", "&lt;b&gt;x&lt;/b&gt; 2"]
    assert [cells(line)[0] for line in lines[start + 7 :]] == ["moved", "moved"]


def test_changes_that_are_alike_are_one_row():
    lines = changed(*[("lost trial", True)] * 900, ("moved", False), text="gone").splitlines()
    assert [cells(line)[1] for line in lines[-2:]] == ["a\\|b 0 and 899 more", "a\\|b 900"]


def test_a_run_as_the_baseline_says_so_in_a_line_and_one_without_says_nothing():
    assert changed().endswith("\nNothing changed since reports/baseline.json.\n")
    assert "baseline" not in rendered(judgement())


def test_many_changes_are_counted_and_the_first_are_shown():
    lines = changed(*[("moved", False)] * (MAX_CHANGES + 2)).splitlines()
    assert sum(line.startswith("| moved |") for line in lines) == MAX_CHANGES
    assert lines[-1] == "… and 2 more, in report.json."


def test_what_was_taken_from_another_report_is_said():
    taken = TakenEntry(trials=1, report="a|b/report.json", started="2026-11-23T12:00:00+00:00")
    report = from_run(run_of(judgement(), judgement(name="others")))
    assert "taken" not in summary.render(report)
    assert (
        "1 of 2 trials were not run again, since nothing that they depend on has changed: they are "
        "taken from a\\|b/report.json of 2026-11-23T12:00:00+00:00."
    ) in summary.render(report.model_copy(update={"taken": taken}))


HARMFUL = [
    "@torvalds and @org/team",
    "see https://evil.example/x?y and www.evil.example or ftp://x",
    "fixes #12 and GH-34",
    "mail a@b.example",
    "<img src=x onerror=alert(1)>",
    "a | b\n| c |\n\n# big",
    "[click](https://x) ![x](y) `code` ~~s~~ *b* _i_ $x$",
    "\x1b[2J\x07\r\u202egnp.exe\u2028x",
    "\n::error::x",
    "| --- | --- |",
]


@pytest.mark.parametrize("text", HARMFUL)
def test_whatever_is_said_is_text(text):
    made = trial(schedule_case())
    shown = rendered(judged(made, raised("ValueError", text)))
    (row,) = [line for line in shown.splitlines() if "halves" in line]
    assert len(re.findall(r"(?<!\\)\|", row)) == 4
    assert not re.search(r"@\w|#\d|GH-\d|://\w|www\.|<\w", row.replace("\u200b", "\u200b "))
    assert not re.search(r"(?<!\\)[\[\]`*_~$]", row)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028]", row)
    assert not any(line.strip().startswith("::") for line in shown.splitlines())

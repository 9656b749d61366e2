"""Annotations for GitHub, read as its runner reads them."""

from __future__ import annotations

import re

import pytest
from helpers.gating import STILL, UP, gate, judgement, outcome, report
from helpers.making import CELL, TORCH

from harness.gate.github import annotated
from harness.workers import Environment

NASTY = "<script>alert(1)</script> 100%0A, a:b\r\n::error file=/etc/passwd::owned %25"
ESCAPED = {"%0D": "\r", "%0A": "\n", "%25": "%"}
ESCAPED_IN_PROPERTIES = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}


def read(line):
    """Command, properties and text of one line of output; None where it is no command.

    As the runner: a line that begins with two colons, blanks aside, up to the next two.
    """
    line = line.lstrip()
    if not line.startswith("::") or "::" not in line[2:]:
        return None
    head, text = line[2:].split("::", 1)
    command, _, terms = head.partition(" ")
    pairs = (term.split("=", 1) for term in terms.split(",") if term)
    return (
        command,
        {k: unescaped(v, ESCAPED_IN_PROPERTIES) for k, v in pairs},
        unescaped(text, ESCAPED),
    )


def unescaped(text, codes):
    for code, sign in codes.items():
        text = text.replace(code, sign)
    return text


def commands(text):
    return [command for command in map(read, text.splitlines()) if command]


@pytest.fixture
def on_github(monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")


def test_a_new_divergence_is_an_error_at_its_case():
    (line,) = annotated(outcome(report(judgement()), report(judgement(STILL))))
    assert line.startswith("::error file=cases/made.yaml,line=3,title=new divergence::halves::")


def test_a_new_divergence_is_read_back_as_it_was_meant():
    (line,) = annotated(outcome(report(judgement()), report(judgement(STILL))))
    command, properties, text = read(line)
    assert command == "error"
    assert properties == {"file": "cases/made.yaml", "line": "3", "title": "new divergence"}
    assert text.startswith("halves::torch.optim.lr_scheduler.ExponentialLR::torch/cpu/eager\n")
    assert "reported rate at step 1" in text


def test_text_from_cases_and_frameworks_stays_text():
    made = report(judgement(STILL))
    (case,), (entry,) = made.cases, made.trials
    case = case.model_copy(update={"file": "a,b:c%\n.yaml"})
    entry = entry.model_copy(update={"reasons": [NASTY], "diagnosis": None})
    now = made.model_copy(update={"cases": [case], "trials": [entry]})
    (line,) = annotated(outcome(report(judgement()), now))
    assert line.isprintable()
    command, properties, text = read(line)
    assert command == "error"
    assert properties == {"file": "a,b:c%\n.yaml", "line": "3", "title": "new divergence"}
    assert text.endswith("diverges now; " + NASTY)


def test_a_file_that_is_not_in_the_repository_is_not_named():
    made = report(judgement(STILL))
    case = made.cases[0].model_copy(update={"file": "/elsewhere/a.yaml"})
    (line,) = annotated(outcome(report(judgement()), made.model_copy(update={"cases": [case]})))
    assert line.startswith("::error title=new divergence::")


def test_a_lost_case_is_an_error_in_its_file():
    before = report(judgement(), judgement(name="gone"))
    (line,) = annotated(outcome(before, report(judgement())))
    assert line.startswith("::error file=cases/made.yaml,title=lost trial::gone::")


def test_no_more_are_made_than_github_shows_and_each_group_has_one():
    names = [f"case {index}" for index in range(40)]
    before = report(*(judgement(name=n) for n in names), judgement(api=CELL))
    failed = Environment("mindspore", "mindspore", failure="none here")
    now = report(*(judgement(STILL, name=n) for n in names), environments=(TORCH, failed))
    lines = list(annotated(outcome(before, now)))
    assert len(lines) == 10
    assert sum("title=lost trial" in line for line in lines) == 1
    assert lines[-1] == "::error title=gate closed::and 32 more: see the log"


@pytest.mark.parametrize(
    ("files", "place"),
    [(["cases/a.yaml"] * 2, "file=cases/a.yaml,line=3,"), (["cases/a.yaml", "cases/b.yaml"], "")],
)
def test_many_that_are_lost_for_one_reason_are_one_error_in_their_file_if_it_is_one(files, place):
    torch = [judgement(name=f"case {i}") for i in range(40)]
    before = report(*torch, *(judgement(name=f"case {i}", api=CELL) for i in range(40)))
    failed = Environment("mindspore", "mindspore", failure="none here")
    now = report(*torch, environments=(TORCH, failed))
    cases = [
        case.model_copy(update={"file": files[index % 2]}) for index, case in enumerate(now.cases)
    ]
    (line,) = annotated(outcome(before, now.model_copy(update={"cases": cases})))
    text = "lost trial: mindspore was not run: none here: 40 trials"
    assert line == f"::error {place}title=lost trial::{text}"


def test_what_passes_is_a_notice_for_each_sum():
    before = report(judgement(), judgement(name="other"))
    now = report(judgement(UP), judgement(UP, name="other"), judgement(name="new"))
    moved, new = annotated(outcome(before, now))
    assert read(moved)[0] == read(new)[0] == "notice"
    assert "moved: 2 trials, by at most 1 ULP" in read(moved)[2]
    assert "new trial: conforms: 1 trial" in read(new)[2]


def test_they_are_made_where_github_runs_it_and_not_at_a_desk(tmp_path, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    sides = report(judgement()), report(judgement(STILL))
    assert "::error" not in gate(tmp_path, *sides).stdout
    assert "::error" in gate(tmp_path, *sides, "--annotations").stdout
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert "::error" in gate(tmp_path, *sides).stdout
    assert "::error" not in gate(tmp_path, *sides, "--no-annotations").stdout
    assert gate(tmp_path, *sides, "--json").stdout.startswith("{")
    both = gate(tmp_path, *sides, "--json", "--annotations")
    assert both.exit_code == 2


def test_the_exit_code_is_the_same_with_annotations(tmp_path, on_github):
    assert gate(tmp_path, report(judgement()), report(judgement(STILL))).exit_code == 1
    assert gate(tmp_path, report(judgement()), report(judgement())).exit_code == 0


def test_github_takes_nothing_in_the_plain_text_for_a_command(tmp_path, on_github):
    made = report(judgement(STILL))
    said = made.trials[0].model_copy(update={"reasons": ["##[add-mask]e\n::add-mask::a"]})
    now = made.model_copy(update={"trials": [said]})
    lines = gate(tmp_path, report(judgement()), now).stdout.splitlines()
    token = re.fullmatch("::stop-commands::([0-9a-f]{32})", lines[0])[1]
    end = lines.index(f"::{token}::")
    assert lines[end - 1] == "gate closed: 1 new divergence"
    assert [read(line)[0] for line in lines[end + 1 :]] == ["error"]
    again = gate(tmp_path, report(judgement()), now).stdout
    assert token not in again

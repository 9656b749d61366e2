"""Loading case files: every refusal says where and what to do, and nothing else gets out."""

from __future__ import annotations

import errno
import math
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import ValidationError

from harness.case import MAX_LISTED, MAX_OBSERVED, ScheduleCase, SurfaceCase
from harness.case_files import MAX_DEPTH as DEEPEST
from harness.errors import ConformError, InvalidCases, Problem
from harness.load import MAX_BYTES, MAX_DEPTH, check, load

CASE = """\
format: 1
cases:
  - name: halves
    description: The rate halves at every update.
    source: by hand
    family: exponential
    schedule: {base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}
    steps: 4
    expected: {values: [0.5, 0.25, 0.125, 0.0625]}
    tolerance: {rtol: 1e-6, reason: a test}
"""
SURFACE = """\
format: 1
cases:
  - name: signature
    description: The signature is as documented.
    source: by hand
    surface:
      torch.optim.lr_scheduler.ExponentialLR: {lacks: [verbose]}
"""
RECORD = """\
format: 1
known_divergences:
  - name: stands still
    description: The rate stands still.
    source: by hand
    cases: [halves]
    implementations: [torch.optim.lr_scheduler.ExponentialLR]
    versions: ">=2.13"
    seen: ["2.13.0"]
    kind: semantics
    severity: wrong rates
    observed: {values: {1: 0.5}}
    expected: a rate that halves
    explanation: made up
    remedy: none is needed
    until: the rate halves
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder, which is the current one, so that files are named as written here."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(text: str | bytes, name: str = "a.yaml") -> Path:
    path = Path(name)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems(text: str | bytes, name: str = "a.yaml") -> list[Problem]:
    with pytest.raises(InvalidCases) as refusal:
        load([put(text, name)])
    return list(refusal.value.problems)


def only_problem(text: str | bytes) -> Problem:
    found = problems(text)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def edited(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
    return text.replace(old, new)


def loaded_case(old: str = "", new: str = "") -> ScheduleCase:
    (case,) = load([put(edited(CASE, old, new) if old else CASE)]).cases
    return case


# What is accepted.


def test_a_good_file_is_loaded_with_its_places():
    loaded = load([put(CASE), put(SURFACE, "b.yml"), put(RECORD, "c.yaml")])
    halves, signature = loaded.cases
    assert isinstance(halves, ScheduleCase)
    assert isinstance(signature, SurfaceCase)
    assert (halves.file, halves.line) == ("a.yaml", 3)
    assert (signature.file, signature.line) == ("b.yml", 3)
    assert [(r.name, r.file, r.line) for r in loaded.known_divergences] == [
        ("stands still", "c.yaml", 3)
    ]
    assert halves.expected_values.tolist() == [0.5, 0.25, 0.125, 0.0625]
    assert halves.observed_steps.tolist() == [0, 1, 2, 3]


def test_a_folder_is_searched_to_its_depths_and_each_file_read_once(folder):
    (folder / "deep" / "deeper").mkdir(parents=True)
    put(CASE, "deep/deeper/a.yaml")
    put("not a case", "deep/README.md")
    loaded = load([Path("deep"), Path("deep/deeper"), Path("deep/deeper/a.yaml")])
    assert [case.file for case in loaded.cases] == ["deep/deeper/a.yaml"]


@pytest.mark.parametrize(
    ("written", "value"),
    [("1e-3", 1e-3), ("1E+2", 100.0), ("5.e-1", 0.5), ("2", 2.0), ("-1e-3", -1e-3), ("0.25", 0.25)],
)
def test_numbers_are_read_as_written(written, value):
    assert loaded_case("base_lr: 0.5", f"base_lr: {written}").schedule.base_lr == value


def test_a_tolerance_in_scientific_notation_without_a_point_is_a_number():
    assert loaded_case().tolerance.rtol == 1e-6


def test_steps_are_a_number_a_window_or_a_list():
    four = "values: [0.5, 0.25, 0.125, 0.0625]"
    assert loaded_case("steps: 4", "steps: 4").observed_steps.tolist() == [0, 1, 2, 3]
    window = edited(CASE, "steps: 4", "steps: {start: 10, stop: 14}")
    (case,) = load([put(window)]).cases
    assert case.observed_steps.tolist() == [10, 11, 12, 13]
    listed = edited(CASE, "steps: 4", "steps: [0, 7, 8589934591]")
    (case,) = load([put(edited(listed, four, "values: {7: 0.00390625}"))]).cases
    assert case.observed_steps.tolist() == [0, 7, 8589934591]
    # A step without a number of its own is judged against the reference model alone.
    assert case.expected_values.tolist()[1] == 0.00390625
    assert list(map(math.isnan, case.expected_values.tolist())) == [True, False, True]


def test_an_expected_infinity_is_a_rate():
    case = loaded_case("[0.5, 0.25, 0.125, 0.0625]", "[0.5, .inf, -.inf, 0]")
    assert case.expected_values.tolist() == [0.5, float("inf"), float("-inf"), 0.0]


def test_what_was_loaded_cannot_be_changed():
    case = loaded_case()
    for model, name in [
        (case, "name"),
        (case.schedule, "base_lr"),
        (case.expected, "values"),
        (case.tolerance, "rtol"),
    ]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(model, name, None)
    (divergence,) = load([put(RECORD)]).known_divergences
    with pytest.raises(ValidationError, match="frozen"):
        divergence.versions = "*"


# What is refused, in which line, under which key, and the remedy.

REFUSED = [
    pytest.param(*row[1:], id=row[0])
    for row in [
        (
            "unknown key in a case",
            "    steps: 4",
            "    setps: 4\n    steps: 4",
            (8, "cases[0].setps", "unknown key", "did you mean 'steps'?"),
        ),
        (
            "unknown key in a schedule",
            "base_lr: 0.5,",
            "base_lr: 0.5, bse_lr: 0.5,",
            (7, "cases[0].schedule.bse_lr", "unknown key", "did you mean 'base_lr'?"),
        ),
        (
            "unknown key in expected",
            "expected: {",
            "expected: {value: [1],",
            (9, "cases[0].expected.value", "unknown key", "did you mean 'values'?"),
        ),
        (
            "unknown key in a tolerance",
            "tolerance: {rtol: 1e-6",
            "tolerance: {rtoll: 1, rtol: 1e-6",
            (10, "cases[0].tolerance.rtoll", "unknown key", "did you mean 'rtol'?"),
        ),
        (
            "unknown key of the file",
            "format: 1",
            "format: 1\nversion: 2",
            (2, "version", "unknown key", "remove it"),
        ),
        (
            "key given twice",
            "    steps: 4",
            "    steps: 4\n    steps: 5",
            (9, "cases[0].steps", "given already in line 8", "remove one"),
        ),
        (
            "key given twice, deeper",
            "base_lr: 0.5,",
            "base_lr: 0.5,\n      base_lr: 0.1,",
            (8, "cases[0].schedule.base_lr", "given already in line 7", "remove one"),
        ),
        (
            "NaN in a schedule",
            "base_lr: 0.5",
            "base_lr: .nan",
            (7, "cases[0].schedule.base_lr", "finite number, got nan", "write a finite number"),
        ),
        (
            "infinity in a schedule",
            "decay_rate: 0.5",
            "decay_rate: .inf",
            (7, "cases[0].schedule.decay_rate", "finite number, got inf", "write a finite number"),
        ),
        (
            "number beyond float64 in a schedule",
            "decay_rate: 0.5",
            "decay_rate: 1e999",
            (7, "cases[0].schedule.decay_rate", "finite number, got inf", "write a finite number"),
        ),
        (
            "NaN in a tolerance",
            "rtol: 1e-6",
            "rtol: .nan",
            (10, "cases[0].tolerance.rtol", "finite number, got nan", "write a finite number"),
        ),
        (
            "infinite tolerance",
            "rtol: 1e-6",
            "atol: .inf",
            (10, "cases[0].tolerance.atol", "finite number, got inf", "write a finite number"),
        ),
        (
            "negative tolerance",
            "rtol: 1e-6",
            "ulp: -1",
            (10, "cases[0].tolerance.ulp", "greater than or equal to 0, got -1", ""),
        ),
        (
            "tolerance of nothing",
            "rtol: 1e-6, ",
            "",
            (10, "cases[0].tolerance", "give at least one of rtol, atol and ulp", ""),
        ),
        (
            "tolerance without a reason",
            "rtol: 1e-6, reason: a test",
            "rtol: 1e-6",
            (10, "cases[0].tolerance.reason", "missing", "add 'reason:'"),
        ),
        (
            "tolerance with an empty reason",
            "reason: a test",
            "reason: ' '",
            (10, "cases[0].tolerance.reason", "at least 1 character", ""),
        ),
        (
            "NaN in expected values",
            "0.25, 0.125",
            ".nan, 0.125",
            (9, "cases[0].expected.values[1]", "not a number", ""),
        ),
        (
            "NaN in a mapping of expected values",
            "[0.5, 0.25, 0.125, 0.0625]",
            "{1: 0.25, 2: .nan}",
            (9, "cases[0].expected.values[2]", "not a number", ""),
        ),
        (
            "number in quotes",
            "base_lr: 0.5",
            "base_lr: '0.5'",
            (7, "cases[0].schedule.base_lr", "number, got '0.5'", "number, without quotes"),
        ),
        (
            "whole number in quotes",
            "decay_steps: 1",
            'decay_steps: "1"',
            (7, "cases[0].schedule.decay_steps", "integer, got '1'", "without quotes"),
        ),
        (
            "number in quotes among expected values",
            "0.25, 0.125",
            "'0.25', 0.125",
            (9, "cases[0].expected.values[1]", "number, got '0.25'", "number, without quotes"),
        ),
        (
            "fraction where a whole number is due",
            "decay_steps: 1",
            "decay_steps: 1.0",
            (7, "cases[0].schedule.decay_steps", "integer, got 1.0", "write a whole number"),
        ),
        (
            "yes where a number is due",
            "steps: 4",
            "steps: yes",
            (8, "cases[0].steps", "integer, got 'yes'", "write a whole number"),
        ),
        (
            "number where a text is due",
            "source: by hand",
            "source: 2024",
            (5, "cases[0].source", "string, got 2024", "write a text (in quotes"),
        ),
        (
            "too few expected values",
            "[0.5, 0.25, 0.125, 0.0625]",
            "[0.5, 0.25, 0.125]",
            (3, "cases[0]", "expected.values has 3 values for 4 steps", ""),
        ),
        (
            "too many expected values",
            "steps: 4",
            "steps: 3",
            (3, "cases[0]", "expected.values has 4 values for 3 steps", ""),
        ),
        (
            "no expected values",
            "[0.5, 0.25, 0.125, 0.0625]",
            "{}",
            (3, "cases[0]", "expected.values is empty", ""),
        ),
        (
            "expected step that is not looked at",
            "[0.5, 0.25, 0.125, 0.0625]",
            "{3: 0.0625, 4: 0.03125, 5: 0.1}",
            (3, "cases[0]", "expected.values gives step 4, which is not in steps", ""),
        ),
        (
            "expected step in quotes",
            "[0.5, 0.25, 0.125, 0.0625]",
            "{'3': 0.0625}",
            (9, "cases[0].expected.values.3", "integer, got '3'", "without quotes"),
        ),
        (
            "steps that decrease",
            "steps: 4",
            "steps: [0, 2, 1, 3]",
            (8, "cases[0].steps", "steps must increase", ""),
        ),
        (
            "step named twice",
            "steps: 4",
            "steps: [0, 1, 1, 2]",
            (8, "cases[0].steps", "steps must increase", ""),
        ),
        (
            "negative step",
            "steps: 4",
            "steps: [-1, 0, 1, 2]",
            (8, "cases[0].steps[0]", "greater than or equal to 0, got -1", ""),
        ),
        (
            "no steps",
            "steps: 4",
            "steps: 0",
            (8, "cases[0].steps", "greater than or equal to 1, got 0", ""),
        ),
        (
            "empty list of steps",
            "steps: 4",
            "steps: []",
            (8, "cases[0].steps", "at least 1 item", ""),
        ),
        (
            "empty window",
            "steps: 4",
            "steps: {start: 5, stop: 5}",
            (8, "cases[0].steps", f"stop must exceed start by 1 to {MAX_OBSERVED:,}", ""),
        ),
        (
            "window that ends before it starts",
            "steps: 4",
            "steps: {start: 5, stop: 4}",
            (8, "cases[0].steps", "stop must exceed start", ""),
        ),
        (
            "window without an end",
            "steps: 4",
            "steps: {start: 5}",
            (8, "cases[0].steps.stop", "missing", "add 'stop:'"),
        ),
        (
            "too many steps",
            "steps: 4",
            f"steps: {MAX_OBSERVED + 1}",
            (8, "cases[0].steps", f"less than or equal to {MAX_OBSERVED}, got", ""),
        ),
        (
            "too wide a window",
            "steps: 4",
            f"steps: {{start: 7, stop: {MAX_OBSERVED + 8}}}",
            (8, "cases[0].steps", "stop must exceed start", ""),
        ),
        (
            "too many steps by name",
            "steps: 4",
            f"steps: {list(range(MAX_LISTED + 1))}",
            (8, "cases[0].steps", f"at most {MAX_LISTED} items", ""),
        ),
        (
            "step beyond what the reference models are exact for",
            "steps: 4",
            "steps: [0, 1, 2, 8589934592]",
            (8, "cases[0].steps[3]", "less than 8589934592, got 8589934592", ""),
        ),
        (
            "number of steps that no machine has",
            "steps: 4",
            f"steps: {'9' * 30}",
            (8, "cases[0].steps", f"less than or equal to {MAX_OBSERVED}, got 999", ""),
        ),
        (
            "missing key",
            "    source: by hand\n",
            "",
            (3, "cases[0].source", "missing", "add 'source:'"),
        ),
        (
            "missing schedule",
            "    schedule: {base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}\n",
            "",
            (3, "cases[0].schedule", "missing", "add 'schedule:'"),
        ),
        (
            "missing parameter",
            "decay_rate: 0.5, ",
            "",
            (7, "cases[0].schedule.decay_rate", "missing", "add 'decay_rate:'"),
        ),
        (
            "missing format",
            "format: 1\n",
            "",
            (1, "format", "missing", "add 'format:'"),
        ),
        (
            "format of the future",
            "format: 1",
            "format: 2",
            (1, "format", "should be 1, got 2", "use one of the values named"),
        ),
        (
            "format in quotes",
            "format: 1",
            "format: '1'",
            (1, "format", "should be 1, got '1'", "use one of the values named"),
        ),
        (
            "format that is a truth value",
            "format: 1",
            "format: true",
            (1, "format", "should be 1, got True", ""),
        ),
        (
            "unknown family",
            "family: exponential",
            "family: exponentiel",
            (3, "cases[0]", "neither a known family nor a surface", "exponential"),
        ),
        (
            "missing family",
            "    family: exponential\n",
            "",
            (3, "cases[0]", "neither a known family nor a surface", "exponential"),
        ),
        (
            "family that is a list",
            "family: exponential",
            "family: [exponential]",
            (3, "cases[0]", "neither a known family nor a surface", "exponential"),
        ),
        (
            "family that is a mapping",
            "family: exponential",
            "family: {exponential: 1}",
            (3, "cases[0]", "neither a known family nor a surface", "exponential"),
        ),
        (
            "unknown implementation",
            "    steps: 4",
            "    implementations: [torch.optim.lr_scheduler.ExponentialRL]\n    steps: 4",
            (
                8,
                "cases[0].implementations[0]",
                "the catalogue has no 'torch.optim.lr_scheduler.ExponentialRL'; "
                "did you mean 'torch.optim.lr_scheduler.ExponentialLR'?",
                "",
            ),
        ),
        (
            "no implementation",
            "    steps: 4",
            "    implementations: []\n    steps: 4",
            (8, "cases[0].implementations", "at least 1 item", ""),
        ),
        (
            "values and an exception",
            "expected: {",
            "expected: {raises: ValueError, ",
            (9, "cases[0].expected", "give either values or raises", ""),
        ),
        (
            "neither values nor an exception",
            "expected: {values: [0.5, 0.25, 0.125, 0.0625]}",
            "expected: {}",
            (9, "cases[0].expected", "give either values or raises", ""),
        ),
        (
            "message of no exception",
            "expected: {",
            "expected: {message: text, ",
            (9, "cases[0].expected", "give raises with it", ""),
        ),
        (
            "print beside an exception",
            "expected: {values: [0.5, 0.25, 0.125, 0.0625]}",
            "expected: {raises: ValueError, prints: x}",
            (9, "cases[0].expected", "prints and warns go with values", ""),
        ),
        (
            "broken pattern",
            "expected: {",
            "expected: {prints: '(', ",
            (9, "cases[0].expected.prints", "not a regular expression: missing )", ""),
        ),
        (
            "pattern that repeats too often",
            "expected: {",
            f"expected: {{prints: 'a{{{'9' * 20}}}', ",
            (9, "cases[0].expected.prints", "not a regular expression", ""),
        ),
        (
            "pattern that nests too deep",
            "expected: {",
            f"expected: {{prints: '{'(' * 900}{')' * 900}', ",
            (9, "cases[0].expected.prints", "not a regular expression", ""),
        ),
        (
            "decay in steps and in epochs",
            "decay_steps: 1",
            "decay_steps: 1, decay_epochs: 1",
            (7, "cases[0].schedule", "give exactly one of decay_steps and decay_epochs", ""),
        ),
        (
            "decay in neither steps nor epochs",
            ", decay_steps: 1",
            "",
            (7, "cases[0].schedule", "give exactly one of decay_steps and decay_epochs", ""),
        ),
        (
            "decay in epochs of unknown length",
            "decay_steps: 1",
            "decay_epochs: 1",
            (3, "cases[0]", "a schedule that counts in epochs needs steps_per_epoch", ""),
        ),
        (
            "negative rate with fractional powers",
            "decay_rate: 0.5, decay_steps: 1",
            "decay_rate: -0.5, decay_steps: 2",
            (7, "cases[0].schedule", "set staircase", ""),
        ),
        (
            "interval of no steps",
            "decay_steps: 1",
            "decay_steps: 0",
            (7, "cases[0].schedule.decay_steps", "greater than 0, got 0", ""),
        ),
        (
            "name of several lines",
            "name: halves",
            'name: "halves\\n"',
            (3, "cases[0].name", "one printable line", ""),
        ),
        (
            "name that breaks a trial's id",
            "name: halves",
            "name: 'halves::twice'",
            (3, "cases[0].name", "without '::'", ""),
        ),
        (
            "empty name",
            "name: halves",
            "name: ''",
            (3, "cases[0].name", "at least 1 character", ""),
        ),
        (
            "schedule that is a list",
            "{base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}",
            "[0.5]",
            (7, "cases[0].schedule", "valid dictionary", ""),
        ),
    ]
]


@pytest.mark.parametrize(("old", "new", "due"), REFUSED)
def test_a_bad_case_is_refused_with_its_place_and_the_remedy(old, new, due):
    line, key, what, remedy = due
    problem = only_problem(edited(CASE, old, new))
    assert (problem.file, problem.line, problem.key) == ("a.yaml", line, key)
    assert what in problem.what
    assert remedy in problem.remedy
    assert problem.remedy, "every problem has a remedy"


@pytest.mark.parametrize(
    ("old", "new", "due"),
    [
        pytest.param(
            "name: signature",
            "nmae: x\n    name: signature",
            (3, "cases[0].nmae", "unknown key", "did you mean 'name'?"),
            id="unknown key",
        ),
        pytest.param(
            "    source: by hand\n",
            "",
            (3, "cases[0].source", "missing", "add 'source:'"),
            id="missing key",
        ),
        pytest.param(
            "    surface:",
            "    family: exponential\n    surface:",
            (6, "cases[0].family", "unknown key", "remove it"),
            id="family beside it",
        ),
        pytest.param(
            "{lacks: [verbose]}",
            "{lakcs: [verbose], has: {gamma: {}}}",
            (
                7,
                "cases[0].surface.torch.optim.lr_scheduler.ExponentialLR.lakcs",
                "unknown key",
                "did you mean 'lacks'?",
            ),
            id="unknown fact",
        ),
        pytest.param(
            "{lacks: [verbose]}",
            "{}",
            (
                7,
                "cases[0].surface.torch.optim.lr_scheduler.ExponentialLR",
                "give at least one of signature, has and lacks",
                "",
            ),
            id="nothing said",
        ),
        pytest.param(
            "torch.optim.lr_scheduler.ExponentialLR",
            "torch.optim.lr_scheduler.ExponentialRL",
            (
                7,
                "cases[0].surface.torch.optim.lr_scheduler.ExponentialRL",
                "did you mean 'torch.optim.lr_scheduler.ExponentialLR'?",
                "",
            ),
            id="unknown implementation",
        ),
        pytest.param(
            "{lacks: [verbose]}",
            "{has: {gamma: {position: 0}}}",
            (
                7,
                "cases[0].surface.torch.optim.lr_scheduler.ExponentialLR.has.gamma.position",
                "greater than 0, got 0",
                "",
            ),
            id="position that is none",
        ),
    ],
)
def test_a_bad_surface_case_is_refused_with_its_place_and_the_remedy(old, new, due):
    line, key, what, remedy = due
    problem = only_problem(edited(SURFACE, old, new))
    assert (problem.file, problem.line, problem.key) == ("a.yaml", line, key)
    assert what in problem.what
    assert remedy in problem.remedy


def test_the_remedy_for_a_misplaced_key_is_not_that_key_itself():
    problem = only_problem(edited(CASE, "base_lr: 0.5,", "base_lr: 0.5, tolerance: 1,"))
    assert problem.key == "cases[0].schedule.tolerance"
    assert "did you mean 'tolerance'?" not in problem.remedy


@pytest.mark.parametrize(
    ("old", "new", "due"),
    [
        pytest.param(
            'versions: ">=2.13"',
            "versions: newest",
            (8, "known_divergences[0].versions", "not a version specifier: 'newest'"),
            id="versions",
        ),
        pytest.param(
            'versions: ">=2.13"',
            "versions: 2.13",
            (8, "known_divergences[0].versions", "string, got 2.13"),
            id="versions that YAML reads as a number",
        ),
        pytest.param(
            "{values: {1: 0.5}}",
            "{}",
            (12, "known_divergences[0].observed", "values, raises, signature, accepted and reason"),
            id="nothing observed",
        ),
        pytest.param(
            "kind: semantics",
            "kind: bug",
            (10, "known_divergences[0].kind", "'bug'"),
            id="kind",
        ),
        pytest.param(
            "    until: the rate halves\n",
            "",
            (3, "known_divergences[0].until", "missing"),
            id="no condition of its removal",
        ),
        pytest.param(
            "cases: [halves]",
            "cases: []",
            (6, "known_divergences[0].cases", "at least 1 item"),
            id="no case",
        ),
    ],
)
def test_a_bad_record_is_refused_with_its_place(old, new, due):
    line, key, what = due
    problem = only_problem(edited(RECORD, old, new))
    assert (problem.file, problem.line, problem.key) == ("a.yaml", line, key)
    assert what in problem.what
    assert problem.remedy


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        pytest.param("", 1, "empty", id="empty"),
        pytest.param("\n  \n# nothing\n", 1, "empty", id="comments only"),
        pytest.param("format: 1\n", 1, "neither cases nor known_divergences", id="no cases"),
        pytest.param("hello\n", 1, "dictionary", id="a word"),
        pytest.param("- 1\n", 1, "dictionary", id="a list"),
        pytest.param("~\n", 1, "", id="null"),
        pytest.param("format: [1\n", 2, "not YAML: did not find expected", id="unclosed"),
        pytest.param("format: 1\n\tcases: []\n", 2, "tab", id="tab"),
        pytest.param("format: 1\ncases: '\n", 3, "not YAML", id="unclosed quote"),
        pytest.param(CASE + "---\n" + SURFACE, 11, "another document", id="two documents"),
        pytest.param("format: 1\ncases: *other\n", 2, "alias *other", id="alias of nothing"),
        pytest.param("a: &a [1]\nb: *a\n", 2, "alias *a", id="alias"),
        pytest.param("&a [*a]\n", 1, "alias *a", id="alias of itself"),
        pytest.param("[" * 100_000, 1, "nested deeper", id="deep"),
        pytest.param("- " * 100_000, 1, "nested deeper", id="deep in dashes"),
        pytest.param("{a: " * 100_000, 1, "nested deeper", id="deep in keys"),
        pytest.param("? " * 100_000, 1, "nested deeper", id="deep in complex keys"),
        pytest.param("format: !thing 1\n", 1, "tag '!thing'", id="tag of its own"),
    ],
)
def test_what_is_no_case_file_is_refused_with_its_line(text, line, what):
    problem = only_problem(text)
    assert (problem.file, problem.line, problem.key) == ("a.yaml", line, "")
    assert what in problem.what
    assert problem.remedy


def test_nesting_is_refused_beyond_its_limit_and_not_before():
    # The file, cases, a case, arguments and an API's arguments are five levels.
    for levels, good in ((MAX_DEPTH - 5, True), (MAX_DEPTH - 4, False)):
        nested = "[" * levels + "]" * levels
        argument = f"    arguments: {{torch.optim.lr_scheduler.StepLR: {{x: {nested}}}}}\n"
        assert bool(check([put(CASE + argument)])[1]) is not good


def test_an_alias_bomb_is_refused_before_it_goes_off():
    names = "abcdefghijklmnop"
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for before, name in pairwise(names):
        bomb += f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    problem = only_problem(bomb)  # 10 ** 16 items, were they built
    assert (problem.line, problem.what) == (2, "alias *a")


def test_a_merge_key_is_refused():
    text = edited(CASE, "schedule: {base_lr: 0.5", "schedule: {<<: {base_lr: 0.5}")
    found = problems(text)
    assert {problem.line for problem in found} == {7}
    assert {"unknown key", "missing"} == {problem.what for problem in found}


def test_a_key_that_is_a_list_is_refused():
    found = problems(CASE + "? [1, 2]\n: 3\n")
    assert [(p.line, p.what) for p in found] == [(11, "not a plain key")]


@pytest.mark.parametrize(
    "written",
    [
        "!!python/object/apply:os.mkdir [made]",
        "!!python/object/apply:os.mkdir made",
        "!!python/object/new:os.mkdir {args: [made]}",
        "!!python/name:os.mkdir",
        "!!python/object/apply:os.mkdir\n      - made",
    ],
)
@pytest.mark.parametrize("place", ["steps: 4", "source: by hand"])
def test_a_python_object_is_neither_made_nor_taken_for_something_else(written, place, folder):
    key = place.split(":")[0]
    problems(edited(CASE, place, f"{key}: {written}"))
    assert not (folder / "made").exists()


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.mkdir", "!!set", "!!python/tuple", "!unheard-of"],
)
def test_a_tag_on_a_list_of_good_steps_is_refused(tag):
    # A tag that is dropped in silence is a request that nobody answers.
    assert problems(edited(CASE, "steps: 4", f"steps: {tag} [0, 1, 2, 3]"))[0].line == 8


@pytest.mark.parametrize(
    ("written", "meant"), [("1:30", None), ("1:30.5", None), ("010", 10.0), ("-010", -10.0)]
)
def test_no_number_is_read_in_another_base(written, meant):
    """YAML 1.1 reads `1:30` as 90 and `010` as 8; who writes that means neither."""
    loaded, found = check([put(edited(CASE, "base_lr: 0.5", f"base_lr: {written}"))])
    assert found or loaded.cases[0].schedule.base_lr == meant


@pytest.mark.parametrize("text", ["yes", "off", "2024-01-01", "1:30", "1_000", "=", "<<", "0.5.1"])
def test_what_is_neither_a_number_nor_true_false_or_null_is_a_text(text):
    """As in YAML 1.2; 1.1 makes truth values, dates and numbers of these."""
    assert loaded_case("source: by hand", f"source: {text}").source == text


@pytest.mark.parametrize(
    "scalar",
    [
        pytest.param("!!int ''", id="empty int"),
        pytest.param("!!int '-'", id="sign only"),
        pytest.param("!!int foo", id="word as int"),
        pytest.param("!!float ''", id="empty float"),
        pytest.param("!!float foo", id="word as float"),
        pytest.param("!!bool foo", id="word as bool"),
        pytest.param("!!timestamp foo", id="word as timestamp"),
        pytest.param("!!binary '@'", id="no base64"),
        pytest.param("!!binary é", id="base64 beyond ASCII"),
        pytest.param("9" * 5000, id="huge whole number"),
        pytest.param("!!int 0x" + "f" * 5000, id="huge hexadecimal number"),
        pytest.param("1" + "0" * 400, id="whole number beyond float64"),
    ],
)
@pytest.mark.parametrize("place", ["base_lr: 0.5", "steps: 4", "name: halves"])
def test_a_scalar_that_cannot_be_read_is_a_problem_in_its_line(scalar, place):
    line = CASE[: CASE.index(place)].count("\n") + 1
    key = place.split(":")[0]
    assert problems(edited(CASE, place, f"{key}: {scalar}"))[0].line == line


@pytest.mark.parametrize("place", ["decay_steps: 1", "decay_steps: 1, staircase: true"])
def test_an_interval_that_no_machine_counts_to_is_a_problem_or_is_right(place):
    text = edited(CASE, "decay_steps: 1", place.replace("1", "9" * 30, 1))
    loaded, found = check([put(text)])
    for case in loaded.cases:  # the rate stands still within sight
        assert case.schedule.rates(case.observed_steps, 1).tolist() == [0.5] * 4
    assert loaded.cases or found


def test_an_epoch_that_no_machine_counts_to_is_a_problem_or_is_right():
    text = edited(CASE, "decay_steps: 1", "decay_epochs: 1")
    loaded, found = check([put(text + f"    steps_per_epoch: {'9' * 30}\n")])
    for case in loaded.cases:
        rates = case.schedule.rates(case.observed_steps, case.steps_per_epoch)
        assert rates.tolist() == [0.5] * 4
    assert loaded.cases or found


# Files as such.


def test_a_file_over_1_mib_is_refused_unread():
    problem = only_problem(CASE + "#" * (MAX_BYTES + 1 - len(CASE)))
    assert (problem.line, problem.key) == (1, "")
    assert problem.what == "larger than 1,048,576 bytes"
    assert "split it" in problem.remedy
    assert load([put(CASE + "#" * (MAX_BYTES - len(CASE)))]).cases


def test_a_file_that_is_not_utf_8_is_refused_with_the_byte():
    problem = only_problem(edited(CASE, "by hand", "by h\0nd").encode().replace(b"\0", b"\xe4"))
    assert problem.what == f"not UTF-8 at byte {CASE.index('by hand') + 4}"
    assert problem.remedy == "save it as UTF-8"
    assert "not UTF-8" in only_problem(CASE.encode("utf-16")).what


def test_a_path_that_is_not_there_is_refused():
    with pytest.raises(InvalidCases) as refusal:
        load([Path("nowhere.yaml")])
    assert refusal.value.problems == (
        Problem("nowhere.yaml", 1, "", "no such file or folder", "check the path"),
    )


def test_a_folder_without_yaml_is_refused():
    Path("bare").mkdir()
    put("hello", "bare/README.md")
    with pytest.raises(InvalidCases) as refusal:
        load([Path("bare")])
    (problem,) = refusal.value.problems
    assert (problem.file, problem.what) == ("bare", "no *.yaml below")
    assert problem.remedy == "put a case file there, or name another folder"


def tree(*names: str) -> Path:
    """A folder of cases in which there is a good file beside what these names say."""
    root = Path("cases")
    (root / "good").mkdir(parents=True)
    put(CASE, "cases/good/a.yaml")
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text(SURFACE)
    return root


def refused(root: Path = Path("cases")) -> list[tuple[str, str]]:
    """What is said of the cases below, within two seconds: nothing is waited for."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(check([root])), daemon=True)
    thread.start()
    thread.join(timeout=2.0)
    assert answers, "it waits"
    ((loaded, found),) = answers
    assert [case.name for case in loaded.cases if case.file.endswith("good/a.yaml")] == ["halves"]
    assert all(problem.remedy for problem in found)
    return [(problem.file, problem.what) for problem in found]


def test_a_folder_called_like_a_file_is_refused():
    tree("b.yaml/")
    assert refused() == [("cases/b.yaml", "a folder, not a file")]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("X.YAML", "X.yaml"),
        ("x.Yml", "x.yml"),
        ("x.yaml.txt", "x.yaml"),
        ("x.YML.bak", "x.yml"),
        ("x.yaml-old", "x.yaml"),
        ("x.ymal", "x.yaml"),
        ("deep/x.yam", "x.yaml"),
    ],
)
def test_a_name_that_is_almost_a_case_files_is_refused_with_the_right_one(name, meant):
    tree(name)
    (problem,) = check([Path("cases")])[1]
    assert problem.file == f"cases/{name}"
    assert problem.what == "not read, since its name does not end in .yaml or .yml"
    assert problem.remedy == f"name it {meant}, or move it out of the cases"


def test_what_is_named_otherwise_is_not_meant_as_a_case():
    names = ["README.md", "schema.json", "yaml.py", "x.html", "x.yaml~", ".x.yaml.swp", "#x.yaml#"]
    root = tree(*names)
    (root / ".#x.yaml").symlink_to("somebody@here.1:2")  # as an editor marks what it holds open
    assert refused() == []


@pytest.mark.parametrize("name", [".yaml", ".hidden/.a.yml", "a b.yaml", "a.txt.yaml"])
def test_what_ends_as_a_case_file_is_one(name):
    tree(name)
    loaded, found = check([Path("cases")])
    assert found == []
    assert [case.file for case in loaded.cases if case.name == "signature"] == [f"cases/{name}"]


def test_a_file_that_is_named_itself_may_have_any_name():
    assert load([put(CASE, "X.YAML"), put(SURFACE, "x.txt")]).cases


def test_folders_without_a_case_are_refused_whatever_lies_beside_them():
    root = tree("bare/", "notes/README.md", "deep/deeper/deepest/", ".git/", "__pycache__/")
    empty = [f"cases/{name}" for name in ("bare", "deep", "notes")]
    assert refused() == [(name, "no *.yaml below") for name in empty]
    Path("empty").mkdir()
    found = check([root / "good", Path("empty")])[1]
    assert [(problem.file, problem.what) for problem in found] == [("empty", "no *.yaml below")]


def test_links_to_files_and_folders_are_followed_and_each_file_is_read_once():
    root = tree()
    Path("elsewhere").mkdir()
    put(SURFACE, "elsewhere/b.yaml")
    (root / "link").symlink_to(Path("elsewhere").absolute())
    (root / "again").symlink_to("link")
    (root / "c.yaml").symlink_to("good/a.yaml")
    Path("elsewhere/back").symlink_to(Path("cases/good").absolute())
    loaded, found = check([root, Path("cases/link")])
    assert found == []
    assert sorted(case.file for case in loaded.cases) == ["cases/good/a.yaml", "elsewhere/b.yaml"]


def test_a_link_that_leads_around_in_a_circle_is_refused():
    root = tree()
    (root / "itself.yaml").symlink_to("itself.yaml")
    (root / "one").symlink_to("other")
    (root / "other").symlink_to("one")
    (root / "good" / "up").symlink_to("..")
    (root / "good" / "whole").symlink_to("/")
    (root / "here").symlink_to(".")
    holds, itself = "a link to a folder that holds it", "a link that leads to itself"
    assert refused() == [
        ("cases/good/up", holds),
        ("cases/good/whole", holds),
        ("cases/here", holds),
        ("cases/itself.yaml", itself),
        ("cases/one", itself),
        ("cases/other", itself),
    ]


def test_a_link_to_nowhere_is_refused_whatever_its_name():
    root = tree()
    (root / "b.yaml").symlink_to("nowhere")
    (root / "folder").symlink_to("/no/such/folder")
    assert refused() == [
        ("cases/b.yaml", "a link to nowhere, which is not there"),
        ("cases/folder", "a link to /no/such/folder, which is not there"),
    ]
    with pytest.raises(InvalidCases, match="a link to nowhere, which is not there"):
        load([root / "b.yaml"])


def bind(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (os.mkfifo, "a named pipe, not a file"),
        (bind, "a socket, not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "a device, not a file"),
        (lambda path: path.symlink_to("/dev/stdin"), "a named pipe, not a file"),
    ],
    ids=["pipe", "socket", "device", "open pipe"],
)
@pytest.mark.parametrize("name", ["x.yaml", "pipe", "link.yml"])
def test_what_is_neither_a_file_nor_a_folder_is_refused_and_never_opened(make, what, name):
    root = tree()
    make(root / name)
    if name == "link.yml":
        (root / name).rename("aside")
        (root / name).symlink_to(Path("aside").absolute())
    with open_pipe_as_input():
        assert refused() == [(f"cases/{name}", what)]
        with pytest.raises(InvalidCases, match=what):
            load([root / name])


@contextmanager
def open_pipe_as_input():
    """The standard input is a pipe that nobody writes to, and that stays open."""
    before, (reads, writes) = os.dup(0), os.pipe()
    os.dup2(reads, 0)
    try:
        yield
    finally:
        os.dup2(before, 0)
        for each in (before, reads, writes):
            os.close(each)


@pytest.mark.parametrize("name", ["x.yaml", "link.yaml"])
def test_a_huge_file_is_refused_unread(name):
    root = tree()
    (root / "x.yaml").touch()
    os.truncate(root / "x.yaml", 1 << 40)
    if name != "x.yaml":
        (root / "x.yaml").rename("x")
        (root / name).symlink_to(Path("x").absolute())
    ((_, what),) = refused()
    assert what == "larger than 1,048,576 bytes"


def test_a_file_that_does_not_say_its_size_is_read_up_to_the_limit(monkeypatch):
    root = tree()
    Path("cases/x.yaml").symlink_to("/proc/self/environ")
    monkeypatch.setattr("harness.load.MAX_BYTES", 10)
    found = {problem.what for problem in check([root / "x.yaml"])[1]}
    assert found == {"larger than 10 bytes"}


def test_folders_beyond_all_reason_are_refused():
    deepest = Path("cases", *["x"] * 2 * DEEPEST)
    (tree() / deepest.relative_to("cases")).mkdir(parents=True)
    put(SURFACE, str(deepest / "a.yaml"))
    ((file, what),) = refused()
    assert file == str(Path("cases", *["x"] * (DEEPEST + 1)))
    assert what == f"more than {DEEPEST} folders deep"


def test_a_name_that_is_no_text_is_refused_and_can_be_said():
    root = tree()
    for name in (b"\xff.yaml", b"\xfe.YAML"):
        (root / os.fsdecode(name)).write_text(SURFACE)
    assert refused() == [
        ("cases/\\udcfe.YAML", "not read, since its name does not end in .yaml or .yml"),
        ("cases/\\udcff.yaml", "its name is not UTF-8"),
    ]


@pytest.mark.parametrize("refusing", ["cases", "cases/more"])
def test_a_folder_that_cannot_be_read_is_refused(refusing, monkeypatch):
    """As for permissions that root does not need."""
    tree("more/b.yaml")
    listed = os.scandir

    def scandir(path):
        if str(path) == refusing:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    loaded, found = check([Path("cases")])
    assert [(p.file, p.what) for p in found] == [(refusing, "cannot be read: Permission denied")]
    assert len(loaded.cases) == (refusing == "cases/more")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", ["more", "more/b.yaml"])
def test_without_permission_a_file_or_a_folder_is_refused(name):
    path = tree("more/b.yaml") / name
    path.chmod(0)
    try:
        assert refused() == [(f"cases/{name}", "cannot be read: Permission denied")]
    finally:
        path.chmod(0o700)


def test_a_problem_reads_as_file_line_key_and_remedy():
    with pytest.raises(ConformError) as refusal:
        load([put(edited(CASE, "base_lr: 0.5", "base_lr: '0.5'"))])
    assert refusal.value.exit_code == 2
    first, second = str(refusal.value).splitlines()
    assert first.startswith("a.yaml:7: cases[0].schedule.base_lr: ")
    assert second == "    remedy: write a number, without quotes"


# Several things at once.


def test_one_file_has_all_of_its_problems_said():
    text = edited(CASE, "base_lr: 0.5", "base_lr: '0.5'")
    text = edited(text, "source: by hand", "source: 1")
    text = edited(text, "steps: 4", "setps: 4")
    assert [(p.line, p.key) for p in problems(text)] == [
        (3, "cases[0].steps"),
        (5, "cases[0].source"),
        (7, "cases[0].schedule.base_lr"),
        (8, "cases[0].setps"),
    ]


def test_one_bad_file_hides_no_other_files_problems_and_no_good_cases():
    put("[", "1-broken.yaml")
    put(edited(CASE, "steps: 4", "steps: 0"), "2-wrong.yaml")
    put(CASE, "3-good.yaml")
    put(b"\xff", "4-binary.yaml")
    put(edited(RECORD, "kind: semantics", "kind: bug"), "5-record.yaml")
    loaded, found = check([Path(), Path("nowhere")])
    assert [case.file for case in loaded.cases] == ["3-good.yaml"]
    assert [problem.file for problem in found] == [
        "1-broken.yaml",
        "2-wrong.yaml",
        "4-binary.yaml",
        "5-record.yaml",
        "nowhere",
    ]


def test_a_name_taken_in_the_same_file_is_refused():
    again = CASE.partition("cases:\n")[2]
    problem = only_problem(CASE + again)
    assert (problem.file, problem.line, problem.key) == ("a.yaml", 11, "name")
    assert problem.what == "'halves' is taken by a.yaml:3"
    assert problem.remedy == "choose another name"


def test_a_name_taken_in_another_file_is_refused():
    with pytest.raises(InvalidCases) as refusal:
        load([put(CASE, "a.yaml"), put(CASE, "b.yaml"), put(CASE, "c.yaml")])
    assert [(p.file, p.line, p.what) for p in refusal.value.problems] == [
        ("b.yaml", 3, "'halves' is taken by a.yaml:3"),
        ("c.yaml", 3, "'halves' is taken by a.yaml:3"),
    ]


def test_a_name_taken_by_another_record_is_refused_and_by_a_case_is_not():
    with pytest.raises(InvalidCases, match=r"'stands still' is taken by a\.yaml:3"):
        load([put(RECORD, "a.yaml"), put(RECORD, "b.yaml")])
    assert load([put(RECORD), put(edited(CASE, "name: halves", "name: stands still"), "b.yaml")])


# Anything at all.

_FRAGMENTS = st.sampled_from(
    [
        *["[", "]", "{", "}", ":", ": ", "- ", "? ", "&a ", "*a", "!", "!!int ", "!!float ", "|\n"],
        *["!!bool ", "!!null ", "!!timestamp ", "!!binary ", "!!set ", "!!str ", "<<: ", "%YAML "],
        *["'", '"', "#", "\n", "\n  ", "\t", "\0", "\ufeff", "\x85", "\u2028", "é", "\U0001f600"],
        *[".inf", ".nan", "-", "1e999", "0x", "0o7", "1:30", "2024-01-01", "yes", "~", "null", "@"],
        *["---\n", "...\n", '"\\ud800"', '"\\x00"', "9" * 400, "values", "surface", "family", "`"],
    ]
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    text=st.sampled_from([CASE, SURFACE, RECORD]),
    wounds=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), _FRAGMENTS), min_size=1),
)
def test_a_wounded_file_is_loaded_or_refused_and_nothing_else_gets_out(text, wounds):
    for place, cut, fragment in wounds:
        at = int(place * len(text))
        text = text[:at] + fragment + text[at + cut :]
    loaded, found = check([put(text.encode("utf-8", "surrogatepass"))])
    assert loaded.cases or loaded.known_divergences or found, repr(text)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.binary(max_size=200))
def test_bytes_at_random_are_refused(content):
    assert check([put(content)])[1]


def test_checking_400_cases_starts_no_framework():
    entry = CASE.partition("cases:\n")[2]
    for number in range(40):
        cases = "".join(
            edited(entry, "name: halves", f"name: halves/{number}/{index}") for index in range(10)
        )
        put(f"format: 1\ncases:\n{cases}", f"{number}.yaml")
    program = (
        "import sys\n"
        "from harness.load import load\n"
        "loaded = {'torch', 'mindspore'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
        "from harness.cli import main\n"
        "main(['check', '.'], standalone_mode=False)\n"
        "loaded = {'torch', 'mindspore'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "valid: 400 cases, 0 known divergences\n"

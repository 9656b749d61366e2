"""reports/baseline.json: small, the same from the same run, and refused when it is damaged."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from helpers.gating import UP, judgement, report
from helpers.making import (
    CELL,
    HALVES,
    MINDSPORE,
    TORCH,
    judged,
    record,
    schedule_case,
    signature,
    skipped,
    surface_case,
    trial,
)
from hypothesis import given, strategies as st

from harness.errors import BaselineUnusable, NoBaseline, OldBaseline
from harness.gate import baseline_of, read, text, write
from harness.gate.baseline import rounded_down, rounded_up
from harness.plan import Skip
from harness.verdict import Verdict
from harness.workers import Environment

WITH = (
    b'{"format": 2, "full": false, "environments": {}, "cases": {}, "sequences": {}, "trials": %b}'
)
HALVING_ID = "halves::torch.optim.lr_scheduler.ExponentialLR::torch/cpu/eager"


def skip(verdict, name="halves"):
    return judged(skipped(schedule_case(name=name), Skip(verdict, "because")), None)


def test_every_environment_case_sequence_and_trial_stands_on_a_line_of_its_own():
    made = report(judgement(UP), judgement(name="before", api=CELL))
    baseline = baseline_of(made)
    lines = text(baseline).splitlines()
    up = baseline.trials[HALVING_ID].sequences["reported"]
    cell = baseline.trials["before::mindspore.nn.ExponentialDecayLR::mindspore/cpu/graph"]
    halves = cell.sequences["reported"]
    assert lines[:2] == ["{", '"format": 2,']
    assert sorted(lines[2:-3]) == sorted(
        [
            '"full": false,',
            '"environments": {',
            '"mindspore": {"mindspore": "2.10.0", "numpy": "1.26.4"},',
            '"torch": {"numpy": "1.26.4", "torch": "2.13.0"}',
            "},",
            '"cases": {',
            '"cases/made.yaml": {',
            f'"before": "{made.cases[1].digest}",',
            f'"halves": "{made.cases[0].digest}"',
            "}",
            "},",
            '"sequences": {',
            f'"{halves}": ["float32", 0.5, 0.25, 0.125, 0.0625]' + "," * (halves < up),
            f'"{up}": ["float64", 0.5, 0.25, 0.12500000000000003, 0.0625]' + "," * (up < halves),
            "},",
            '"trials": {',
            '"before::mindspore.nn.ExponentialDecayLR::mindspore/cpu/graph": '
            '{"verdict": "conforms", '
            f'"sequences": {{"applied": "{halves}", "reported": "{halves}"}}}},',
        ]
    )
    assert lines[-3:] == [
        f'"{HALVING_ID}": {{"verdict": "conforms", '
        f'"sequences": {{"applied": "{up}", "reported": "{up}"}}}}',
        "}",
        "}",
    ]


def test_it_is_the_same_however_the_run_went(tmp_path):
    one, two = judgement(), judgement(UP, name="other")
    write(baseline_of(report(one, two, seconds=1.0)), tmp_path / "a.json")
    other = report(two, one, seconds=2.0, environments=(MINDSPORE, TORCH), incidents=("died",))
    write(baseline_of(other), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_it_is_read_back_as_it_was_written(tmp_path):
    made = baseline_of(
        report(
            judgement(UP),
            judgement([0.5] * 4, record(), name="halves", api=CELL),
            judgement([0.5] * 4, record(cases=["recorded"]), name="recorded"),
            judgement([0.5, math.inf, math.nan, 0.0], name="leaves the range"),
            skip(Verdict.UNSUPPORTED, "skipped"),
            judged(trial(surface_case({"lacks": ["verbose"]})), signature("self")),
        )
    )
    write(made, tmp_path / "baseline.json")
    again = read(tmp_path / "baseline.json")
    assert text(again) == text(made)  # a NaN is not equal to itself
    assert again.trials == made.trials
    assert made.trials["recorded" + HALVING_ID[6:]].known_divergence == "stands still"
    kept = made.trials["leaves the range" + HALVING_ID[6:]].sequences["reported"]
    assert math.isnan(again.sequences[kept].values[2])
    assert again.sequences[kept].values[1] == math.inf


def test_an_environment_that_was_not_run_is_left_out():
    lost = Environment("mindspore", "mindspore", failure="not installed")
    assert set(baseline_of(report(judgement(), environments=(TORCH, lost))).environments) == {
        "torch"
    }


def test_no_path_of_this_machine_gets_in():
    made = report(judgement())
    elsewhere = made.cases[0].model_copy(update={"file": "/home/somebody/cases/a.yaml"})
    assert set(baseline_of(made.model_copy(update={"cases": [elsewhere]})).cases) == {"a.yaml"}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_errors_are_rounded_away_from_what_lies_between(value):
    down, up = rounded_down(value), rounded_up(value)
    assert down <= value <= up or math.isinf(up) or math.isinf(down)
    assert math.isclose(down, value, rel_tol=1e-5, abs_tol=1e-300) or math.isinf(down)


def test_a_baseline_that_is_not_there_is_told_with_the_remedy(tmp_path):
    with pytest.raises(NoBaseline, match=r"no baseline .*b\.json.*: conform baseline update"):
        read(tmp_path / "b.json")


@pytest.mark.parametrize(
    ("content", "telling"),
    [
        (b"", "is not JSON"),
        (b'{"format": 2, "full": fa', "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is not a baseline"),
        (b'{"format": 3, "something": []}', "has the format 3, and this suite reads 2"),
        (b'{"format": 2}', "is not a baseline: full: Field required"),
        (WITH % b'{"a": {"verdict": "fine"}}', "is not a baseline: trials: a: verdict: "),
        (
            WITH % b'{"a": {"verdict": "conforms"}}',
            "is not a baseline: trials: Value error, 'a' is not the id of a trial",
        ),
        (
            WITH % b'{"a::b::c/d/e": {"verdict": "conforms", "sequences": {"reported": "f"}}}',
            "is not a baseline: Value error, 'a::b::c/d/e' names the sequence f, which is not",
        ),
        (WITH % b"{}" + b" {}", "is not JSON"),
        (b'{"full": true, ' + (WITH % b"{}")[1:], "has the key 'full' twice"),
        (
            WITH % b'{"a::b::c/d/e": {"verdict": "conforms"}, "a::b::c/d/e": {"verdict": "stale"}}',
            "has the key 'a::b::c/d/e' twice",
        ),
        (
            WITH % b'{"a::b::c/d/e": {"verdict": "stale", "verdict": "conforms"}}',
            "has the key 'verdict' twice",
        ),
    ],
)
def test_a_damaged_baseline_is_refused_with_file_and_reason(content, telling, tmp_path):
    (tmp_path / "b.json").write_bytes(content)
    with pytest.raises(BaselineUnusable) as error:
        read(tmp_path / "b.json")
    assert f"{tmp_path / 'b.json'} {telling}" in str(error.value)
    assert "conform baseline update" in str(error.value)


def test_a_baseline_of_the_first_format_says_how_it_is_rewritten(tmp_path):
    (tmp_path / "b.json").write_text('{"format": 1, "trials": {"a::b::c/d/e": {}}}')
    with pytest.raises(OldBaseline, match="has the format 1, and this suite reads 2") as error:
        read(tmp_path / "b.json")
    assert f"conform run && conform baseline update --baseline {tmp_path}" in str(error.value)
    assert list(error.value.trials) == ["a::b::c/d/e"]


@pytest.mark.parametrize("precision", ["float64", "float32", "float16", "bfloat16"])
def test_values_are_read_back_bit_for_bit_with_few_digits(precision, tmp_path):
    numbers = np.random.default_rng(1).normal(size=200) * 10.0 ** np.arange(-100, 100)
    with np.errstate(over="ignore"):
        exact = numbers.astype(np.dtype(precision)).astype(np.float64)
    made = report(judgement())
    (trial,), (case,) = made.trials, made.cases
    steps = list(range(200))
    rates = trial.sequences[0].model_copy(
        update={"precision": precision, "observed": exact.tolist()}
    )
    case = case.model_copy(update={"steps": steps, "length": 200})
    trial = trial.model_copy(update={"sequences": [rates]})
    baseline = baseline_of(made.model_copy(update={"trials": [trial], "cases": [case]}))
    write(baseline, tmp_path / "b.json")
    (kept,) = read(tmp_path / "b.json").sequences.values()
    assert np.array_equal(kept.rates, exact)
    if precision != "float64":
        assert len((tmp_path / "b.json").read_text()) < 4_000


def test_a_folder_in_its_place_is_said(tmp_path):
    (tmp_path / "b.json").mkdir()
    with pytest.raises(BaselineUnusable, match="cannot be read: Is a directory"):
        read(tmp_path / "b.json")
    with pytest.raises(BaselineUnusable, match="cannot be written: "):
        write(baseline_of(report(judgement())), tmp_path / "b.json")
    assert [path.name for path in tmp_path.iterdir()] == ["b.json"]


def test_what_a_trial_says_is_written_as_it_is():
    one = record(name="停在 0.5")
    made = text(baseline_of(report(judgement([0.5] * 4, one))))
    assert '"known_divergence": "停在 0.5"' in made


def test_text_of_any_kind_survives(tmp_path):
    name = 'a "name"\\ of <script>, 学习率'
    made = baseline_of(report(judgement(HALVES, name=name)))
    write(made, tmp_path / "baseline.json")
    assert read(tmp_path / "baseline.json") == made
    assert "学习率" in (tmp_path / "baseline.json").read_text(encoding="utf-8")
    assert json.loads(text(made))["cases"]["cases/made.yaml"].keys() == {name}


@pytest.mark.parametrize("change", ["a value", "a precision", "one value fewer", "another key"])
def test_sequences_that_are_not_as_their_key_says_are_refused(change, tmp_path):
    path = tmp_path / "b.json"
    write(baseline_of(report(judgement())), path)
    content = json.loads(path.read_text())
    ((key, sequence),) = content["sequences"].items()
    content["sequences"] = {
        "a value": {key: [sequence[0], 0.4, *sequence[2:]]},
        "a precision": {key: ["float32", *sequence[1:]]},
        "one value fewer": {key: sequence[:-1]},
        "another key": {"0123456789": sequence, key: sequence},
    }[change]
    path.write_text(json.dumps(content))
    with pytest.raises(BaselineUnusable, match="was changed by hand"):
        read(path)

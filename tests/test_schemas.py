"""The published schemas: as they are generated, and as strict as the loader."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jsonschema
import jsonschema_rs
import pytest

from harness import load
from harness.report import json_file, model
from harness.traces import document

ROOT = Path(load.__file__).parent.parent
CASES = ROOT / "cases"
CASE_SCHEMA = CASES / "schema.json"

NO_LITERALS = {"NaN": 0.5, "Infinity": 1.5, "-Infinity": -1.5}
CASE = {
    "name": "halves",
    "description": "d",
    "source": "s",
    "family": "exponential",
    "schedule": {"base_lr": 0.5, "decay_rate": 0.5, "decay_steps": 1},
    "steps": 2,
    "expected": {"values": [0.5, 0.25]},
}


@cache
def case_validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(CASE_SCHEMA.read_text("utf-8")))


@cache
def fast_validator() -> jsonschema_rs.Draft202012Validator:
    """The same schema, for many files."""
    return jsonschema_rs.Draft202012Validator(json.loads(CASE_SCHEMA.read_text("utf-8")))


def test_the_schema_of_cases_is_the_one_that_is_generated():
    assert CASE_SCHEMA.read_text("utf-8") == load.schema_text(), "run: make schemas"


def test_the_schema_of_reports_is_the_one_that_is_generated():
    assert json_file.SCHEMA_FILE.read_text("utf-8") == model.schema_text(), "run: make schemas"


def test_the_schema_of_comparisons_is_the_one_that_is_generated():
    assert document.SCHEMA_FILE.read_text("utf-8") == document.schema_text(), "run: make schemas"


@pytest.mark.parametrize("text", [load.schema_text, model.schema_text, document.schema_text])
def test_a_schema_is_a_valid_one(text):
    jsonschema_rs.meta.validate(json.loads(text()))


@pytest.mark.parametrize(
    "path", sorted(CASES.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CASES))
)
def test_every_case_file_of_the_suite_is_valid_in_an_editor_too(path):
    # JSON has texts for keys, and numbers written as YAML 1.2 does are what the loader reads. An
    # infinity is a number and no integer, and so is NaN.
    text = json.dumps(load.Source(str(path)).parse(path))
    fast_validator().validate(json.loads(text, parse_constant=NO_LITERALS.__getitem__))


def accepts(**fields) -> bool:
    return case_validator().is_valid({"format": 1, "cases": [{**CASE, **fields}]})


def test_the_schema_accepts_a_good_case():
    assert accepts()
    assert accepts(steps=[0, 1])
    assert accepts(steps={"start": 0, "stop": 2})
    assert accepts(expected={"values": {"0": 0.5}})
    assert accepts(expected={"raises": "ValueError", "message": "gamma"})
    assert accepts(tolerance={"ulp": 0, "reason": "printed"})


@pytest.mark.parametrize(
    "fields",
    [
        {"setps": 2},
        {"steps": "2"},
        {"steps": 0},
        {"steps": []},
        {"steps": {"start": 0}},
        {"name": ""},
        {"source": 3},
        {"family": "exponentail"},
        {"schedule": {"base_lr": 0.5, "decay_steps": 1}},
        {"schedule": {"base_lr": "0.5", "decay_rate": 0.5, "decay_steps": 1}},
        {"schedule": {**CASE["schedule"], "gamma": 1}},
        {"tolerance": {"rtol": 1e-6}},
        {"expected": {"value": [0.5, 0.25]}},
        {"implementations": []},
    ],
    ids=str,
)
def test_the_schema_refuses_what_an_editor_should_underline(fields):
    assert not accepts(**fields)

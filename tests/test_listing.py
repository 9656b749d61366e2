"""What `conform list` prints."""

from __future__ import annotations

import json
from dataclasses import replace

from helpers.making import (
    CELL,
    MINDSPORE,
    TORCH,
    TORCH_STEP,
    case_file,
    schedule_case,
    surface_case,
)

from harness import listing, workers
from harness.catalogue import IMPLEMENTATIONS
from harness.index import case_row
from harness.workers import Environment


def test_a_case_is_listed_with_its_family_length_tags_and_place():
    cases = schedule_case(tags=["a", "b"]), surface_case({"lacks": ["verbose"]})
    rows = listing.cases(map(case_row, cases))
    assert rows == [
        {
            "name": "halves",
            "family": "exponential",
            "steps": 4,
            "tags": "a b",
            "file": "cases/made.yaml:3",
            "description": "The rate halves at every update.",
        },
        {
            "name": "signature",
            "family": "surface",
            "steps": 0,
            "tags": "",
            "file": "cases/made.yaml:3",
            "description": "The signature is as documented.",
        },
    ]


def test_cases_are_listed_in_their_order():
    file = case_file(
        *(
            {
                "name": name,
                "description": "d",
                "source": "s",
                "surface": {TORCH_STEP: {"lacks": ["verbose"]}},
            }
            for name in ("second", "first")
        )
    )
    assert [row["name"] for row in listing.cases(map(case_row, file.cases))] == [
        "second",
        "first",
    ]


def test_every_implementation_is_listed_with_its_mappings_and_is_json():
    rows = json.loads(json.dumps(listing.implementations()))
    assert [row["api"] for row in rows] == list(IMPLEMENTATIONS)
    (cell,) = [row for row in rows if row["api"] == CELL]
    assert (cell["framework"], cell["kind"], cell["form"]) == ("mindspore", "cell", "closed")
    assert (cell["precision"], cell["modes"]) == (
        "float32",
        ["pynative", "graph", "jit", "jit-O1", "vector"],
    )
    parameters = cell["families"]["exponential"]["parameters"]
    assert parameters["learning_rate"] == "base_lr"
    assert all(row["families"] for row in rows)


def test_the_text_of_the_implementations_is_a_paragraph_each():
    text = listing.implementations_text(listing.implementations())
    paragraphs = text.split("\n\n")
    assert [p.splitlines()[0] for p in paragraphs] == list(IMPLEMENTATIONS)
    (cell,) = [p for p in paragraphs if p.startswith(CELL)]
    assert "cell, closed form, float32, modes pynative, graph" in cell
    assert "learning_rate = base_lr" in cell
    assert f"see      {IMPLEMENTATIONS[CELL].documentation}" in cell


def test_targets_are_listed_with_what_is_absent_and_why(monkeypatch):
    class Fake:
        def __init__(self, _):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def environments(self):
            return [
                replace(TORCH, absent_devices={"cuda": "not there"}),
                replace(MINDSPORE, devices=("cpu", "gpu")),
                Environment("mindspore-2.0", "mindspore", failure="Traceback\nImportError: no\n"),
            ]

    monkeypatch.setattr(workers, "Workers", Fake)
    assert [tuple(row.values()) for row in listing.targets()] == [
        ("torch/cpu/eager", "torch", "2.13.0", "available"),
        ("torch/cuda/-", "torch", "2.13.0", "unavailable: not there"),
        ("mindspore/cpu/pynative", "mindspore", "2.10.0", "available"),
        ("mindspore/cpu/graph", "mindspore", "2.10.0", "available"),
        ("mindspore/cpu/jit", "mindspore", "2.10.0", "available"),
        ("mindspore/cpu/jit-O1", "mindspore", "2.10.0", "available"),
        ("mindspore/cpu/vector", "mindspore", "2.10.0", "available"),
        ("mindspore/gpu/pynative", "mindspore", "2.10.0", "available"),
        ("mindspore/gpu/graph", "mindspore", "2.10.0", "available"),
        ("mindspore/gpu/jit", "mindspore", "2.10.0", "available"),
        ("mindspore/gpu/jit-O1", "mindspore", "2.10.0", "available"),
        ("mindspore/gpu/vector", "mindspore", "2.10.0", "available"),
        ("mindspore-2.0/-/-", "mindspore-2.0", "", "unavailable: ImportError: no"),
    ]


def test_a_table_has_its_columns_in_line_and_no_trailing_blanks():
    rows = [{"name": "a", "steps": 12, "text": "x"}, {"name": "long", "steps": 3, "text": ""}]
    assert listing.table(rows).splitlines() == ["name  steps  text", "a     12     x", "long  3"]


def test_a_table_of_nothing_says_so():
    assert listing.table([]) == "none"

"""The documents that are made from cases, records and catalogue."""

from __future__ import annotations

import re

import pytest
from helpers.making import record
from helpers.suite import suite

from harness import documents
from harness.case import SEVERITIES
from harness.load import Loaded


@pytest.fixture
def loaded():
    return suite()


@pytest.mark.parametrize("name", documents.DOCUMENTS)
def test_the_document_that_is_kept_is_the_one_that_is_made(loaded, name):
    kept = documents.place(name).read_text("utf-8")
    assert kept == documents.text(name, loaded), "stale: make docs"


def test_every_row_of_the_mapping_is_tested(loaded):
    rows = [line for line in documents.mapping(loaded).splitlines() if line.startswith("| [`")]
    assert len(rows) == len(documents.mappings())
    untested = [row for row in rows if row.split(" | ")[3] == "0"]
    assert not untested


def test_every_record_is_a_finding_with_its_statement_both_numbers_and_command(loaded):
    text = documents.findings(loaded)
    for entry in loaded.known_divergences:
        assert f"**{entry.description}**" in text
        assert f"conform explain '{entry.cases[0]}' {entry.implementations[0]}" in text
        assert documents.observed(entry)
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert sorted(headings) == sorted(entry.name for entry in loaded.known_divergences)


def test_every_link_to_a_finding_leads_to_one(loaded):
    anchors = [documents.anchor(entry.name) for entry in loaded.known_divergences]
    assert len({*anchors}) == len(anchors)
    pages = documents.findings(loaded) + documents.mapping(loaded)
    severities = {*map(documents.anchor, SEVERITIES), "earlier-versions"}
    assert {*re.findall(r"\]\((?:findings\.md)?#([^)]+)\)", pages)} <= {*anchors, *severities}


def test_there_are_findings_far_beyond_the_mapping_page(loaded):
    beyond = [r for r in loaded.known_divergences if not r.name.startswith("page-")]
    assert len(beyond) >= 25


def test_every_finding_is_said_in_one_line(loaded):
    for entry in loaded.known_divergences:
        assert "\n" not in entry.description
        assert len(entry.description) <= 200, entry.name


def test_what_spoils_a_training_stands_before_what_misleads():
    records = [
        record(name="a", severity="misleads"),
        record(name="b", severity="fails", cases=["halves", "x"]),
        record(name="c", severity="wrong rates"),
        record(name="d", severity="fails"),
    ]
    assert [r.name for r in documents.worst_first(records)] == ["c", "b", "d", "a"]
    text = documents.findings(Loaded((), tuple(records)))
    assert text.index("## Wrong rates") < text.index("## Fails") < text.index("## Misleads")

"""Documents that are made from the cases, the records and the catalogue.

They are kept in `docs/`, and a test holds them against what is made anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.case import DIMENSIONS, SEVERITIES, KnownDivergence, ScheduleCase
from harness.catalogue import BASES, IMPLEMENTATIONS, Mapping, Unsupported, mappings
from harness.coverage import coverage
from harness.load import Loaded
from harness.plan import calls_of, implementations_of
from harness.project import ROOT
from harness.recording import in_words
from harness.reference import FAMILIES
from harness.report.history import histories
from harness.report.model import Report

_TEMPLATES = Environment(
    loader=PackageLoader("harness.documents", "."),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters["cell"] = lambda text: str(text).replace("|", "\\|")


def anchor(name: str) -> str:
    """What the address of a heading ends in, as GitHub and most others make it of its text.

    >>> anchor("earlier-torch-SequentialLR-1.12.1")
    'earlier-torch-sequentiallr-1121'
    """
    return re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-")


_TEMPLATES.filters["anchor"] = anchor


def findings(loaded: Loaded) -> str:
    """`docs/findings.md`: the known divergences, worst first."""
    ordered = worst_first(loaded.known_divergences)
    groups = [
        (name, meaning, [r for r in ordered if r.severity == name and not r.is_past])
        for name, meaning in SEVERITIES.items()
    ]
    past = [r for r in ordered if r.is_past]
    groups.append(("earlier versions", "What the versions of today do not do any more.", past))
    return _TEMPLATES.get_template("findings.md.j2").render(
        records=[r for r in ordered if not r.is_past],
        groups=groups,
        command=_command,
        observed=observed,
        short=_short,
    )


def worst_first(records: Sequence[KnownDivergence]) -> list[KnownDivergence]:
    """By severity, then by how many cases show it; those of earlier versions at the end."""
    rank = list(SEVERITIES)
    return sorted(records, key=lambda r: (r.is_past, rank.index(r.severity), -len(r.cases), r.name))


def observed(record: KnownDivergence) -> str:
    """What the smallest case of a record shows, in words."""
    look = record.look(record.cases[0], record.implementations[0])
    return ", ".join(f"`{text}`" if look.signature else _quoted(text) for text in in_words(look))


def _quoted(text: str) -> str:
    """A rate, or the name of an exception, as code."""
    first, blank, rest = text.partition(" ")
    return f"`{first}`{blank}{rest}" if re.match(r"-?\d|nan|inf|[A-Z]\w+Error$", first) else text


def mapping(loaded: Loaded) -> str:
    """`docs/mapping.md`: how each family is written in each API, with what tests it."""
    tested = _tested(loaded)
    families = [
        (family, _summary(model), rows)
        for family, model in FAMILIES.items()
        if (rows := [(row, tested.get((row.family, row.api), 0)) for row in _rows(family)])
    ]
    return _TEMPLATES.get_template("mapping.md.j2").render(
        families=families,
        implementations=IMPLEMENTATIONS,
        counterparts=_counterparts(),
        findings=_findings_of(loaded),
        short=_short,
    )


def _rows(family: str) -> list[Mapping]:
    return mappings(family=family)


def _summary(model: type) -> str:
    """The first paragraph of a family's docstring, which is its formula."""
    text = (model.__doc__ or "").split("\n\n")[0]
    return re.sub(r"\s+", " ", text).strip()


def _counterparts() -> list[tuple[str, list[str]]]:
    """Each torch API with MindSpore's that share a family with it."""
    rows = []
    for api in IMPLEMENTATIONS:
        if api.startswith("torch."):
            families = {row.family for row in mappings(api=api)}
            others = dict.fromkeys(
                row.api
                for row in mappings()
                if row.family in families and row.api.startswith("mindspore.")
            )
            rows.append((api, list(others)))
    return rows


def _tested(loaded: Loaded) -> dict[tuple[str, str], int]:
    """How many cases go through each row."""
    counts: dict[tuple[str, str], int] = {}
    for case in loaded.cases:
        if isinstance(case, ScheduleCase):
            for implementation in implementations_of(case):
                if not isinstance(calls_of(case, implementation), Unsupported):
                    key = case.family, implementation.api
                    counts[key] = counts.get(key, 0) + 1
    return counts


def _findings_of(loaded: Loaded) -> dict[str, list[KnownDivergence]]:
    found: dict[str, list[KnownDivergence]] = {}
    for record in worst_first(loaded.known_divergences):
        if record.severity != "misleads":
            for api in record.implementations:
                found.setdefault(api, []).append(record)
    return found


def coverage_table(loaded: Loaded) -> str:
    """`docs/coverage.md`: implementations by dimensions."""
    return _TEMPLATES.get_template("coverage.md.j2").render(
        rows=coverage(loaded.cases), dimensions=DIMENSIONS, short=_short
    )


def versions(report: Report) -> str:
    """`docs/versions.md`: what changed between the versions that a report is on."""
    return _TEMPLATES.get_template("versions.md.j2").render(
        frameworks=histories(report), date=report.started[:10], short=_short
    )


def _short(api: str) -> str:
    return {**IMPLEMENTATIONS, **BASES}[api].short


def _command(record: KnownDivergence) -> str:
    return f"conform explain '{record.cases[0]}' {record.implementations[0]}"


DOCUMENTS: dict[str, Callable[[Loaded], str]] = {
    "coverage": coverage_table,
    "findings": findings,
    "mapping": mapping,
}


def place(name: str) -> Path:
    """Where a document is kept."""
    return ROOT / "docs" / f"{name}.md"


def text(name: str, loaded: Loaded) -> str:
    """A document, as it should stand in `docs/`."""
    made: Any = DOCUMENTS[name](loaded)
    return str(made)

"""What `conform list` prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from harness.index import CaseRow

Row = dict[str, Any]


def cases(found: Iterable[CaseRow]) -> list[Row]:
    """A row a case."""
    return [
        {
            "name": case.name,
            "family": case.family,
            "steps": case.steps,
            "tags": " ".join(case.tags),
            "file": f"{case.file}:{case.line}",
            "description": case.description,
        }
        for case in found
    ]


def implementations() -> list[Row]:
    """A row an implementation, with a mapping for each family that it has."""
    from harness.catalogue import IMPLEMENTATIONS, mappings  # noqa: PLC0415

    return [
        {
            "api": implementation.api,
            "framework": implementation.framework,
            "kind": implementation.kind.value,
            "form": implementation.form.value,
            "precision": implementation.precision.value,
            "modes": list(implementation.modes),
            "formula": implementation.formula,
            "documentation": implementation.documentation,
            "families": {
                mapping.family: {
                    "parameters": mapping.parameters,
                    "exact_when": mapping.exact_when,
                }
                for mapping in mappings(api=implementation.api)
            },
        }
        for implementation in IMPLEMENTATIONS.values()
    ]


def implementations_text(rows: Sequence[Row]) -> str:
    """The implementations for people: a paragraph each."""
    paragraphs = []
    for row in rows:
        lines = [
            row["api"],
            f"    {row['kind']}, {row['form']} form, {row['precision']}, "
            f"modes {', '.join(row['modes'])}",
            f"    formula  {row['formula']}",
        ]
        for family, mapping in row["families"].items():
            lines.append(f"    family   {family}, when: {mapping['exact_when']}")
            lines += [f"      {name} = {term}" for name, term in mapping["parameters"].items()]
        lines.append(f"    see      {row['documentation']}")
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)


def targets() -> list[Row]:
    """A row for each environment, device and mode that is here; starts the frameworks."""
    from harness.catalogue import IMPLEMENTATIONS  # noqa: PLC0415
    from harness.workers import Workers, default_environments  # noqa: PLC0415

    with Workers(default_environments()) as workers:
        environments = workers.environments()
    rows: list[Row] = []
    for environment in environments:
        common = {"environment": environment.name, "version": environment.version}
        modes = dict.fromkeys(
            mode
            for implementation in IMPLEMENTATIONS.values()
            if implementation.framework == environment.framework
            for mode in implementation.modes
        )
        rows += [
            {"target": f"{environment.name}/{device}/{mode}", **common, "status": "available"}
            for device in environment.devices
            for mode in modes
        ]
        reason = environment.failure.strip()
        absent = {"-": reason.splitlines()[-1]} if reason else environment.absent_devices
        rows += [
            {
                "target": f"{environment.name}/{device}/-",
                **common,
                "status": f"{'crashed' if environment.crashed else 'unavailable'}: {why}",
            }
            for device, why in absent.items()
        ]
    return rows


def table(rows: Sequence[Row]) -> str:
    """Rows as aligned columns, the keys as headings; the last column runs free."""
    if not rows:
        return "none"
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def counted(number: int, what: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{number} {what}{'' if number == 1 else 's'}"

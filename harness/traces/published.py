"""The files of a comparison: `index.html` for people, `comparison.json` for programs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jsonschema_rs

from harness.output import escaped
from harness.report.write import write_texts
from harness.traces import page
from harness.traces.comparing import Comparison
from harness.traces.document import SCHEMA_FILE, ComparisonDocument
from harness.traces.trace import Trace


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8")))


def text(document: ComparisonDocument) -> str:
    """JSON, valid against its published schema.

    Raises:
        jsonschema_rs.ValidationError: the suite's own fault.
    """
    written = escaped(document.model_dump_json(indent=1)) + "\n"
    _validator().validate(json.loads(written))
    return written


def write(
    traces: tuple[Trace, Trace],
    comparison: Comparison,
    document: ComparisonDocument,
    folder: Path,
) -> None:
    """Write both files, replacing those of a comparison before.

    Raises:
        ReportUnwritable: with the reason.
    """
    texts = {
        "comparison.json": text(document),
        "index.html": page.render(traces, comparison, document),
    }
    write_texts(texts.items(), folder)

"""A report as a program reads it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema_rs

from harness.report import json_file
from harness.report.model import Report


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(json_file.SCHEMA_FILE.read_text("utf-8")))


def published(report: Report) -> dict[str, Any]:
    """The content of report.json, which is JSON to the letter and valid as a whole."""

    def no_constants(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    content: dict[str, Any] = json.loads(json_file.render(report), parse_constant=no_constants)
    _validator().validate(content)
    return content

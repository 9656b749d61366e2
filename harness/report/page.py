"""`index.html`: one self-contained file, for people."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.report.model import Report
from harness.report.summary import sentence


def render(report: Report) -> str:
    """The page; whatever a case or a framework says is escaped."""
    environment = Environment(
        loader=PackageLoader("harness.report"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("index.html.j2").render(report=report, sentence=sentence(report))

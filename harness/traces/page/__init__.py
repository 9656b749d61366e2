"""The HTML page of a comparison: one file that opens offline, in the look of the suite's page."""

from __future__ import annotations

import json
import math
import tomllib
from functools import cache
from typing import Any

import numpy as np
from markupsafe import Markup

from harness.report.page.parts import digest, environment, read
from harness.report.page.texts import both, filled, texts
from harness.traces.alignment import Alignment
from harness.traces.comparing import Compared, Comparison, PairVerdict
from harness.traces.document import ComparisonDocument
from harness.traces.telling import origin
from harness.traces.trace import Trace

MAX_POINTS = 2_000
"""A longer sequence is thinned to about so many, its extremes kept."""
PACKAGE = "harness.traces.page"
SCRIPTS = ("dom", "scale", "chart")
FROM_REPORT = (
    *("language", "language.switch", "skip", "colon", "chart", "chart.keys", "chart.rates"),
    *("chart.errors", "chart.steps", "chart.step", "chart.odd", "chart.close", "chart.groups"),
    *("chart.controls", "chart.in", "chart.out", "chart.left", "chart.right", "chart.all"),
    *("chart.log", "chart.shown"),
)


def render(
    traces: tuple[Trace, Trace], comparison: Comparison, document: ComparisonDocument
) -> str:
    """The page; whatever a trace says is escaped."""
    templates = environment(PACKAGE)
    templates.filters["percent"] = lambda s: f"{100 * s:.3g} %" if math.isfinite(s) else "∞"
    templates.filters["error"] = lambda value: f"{value:.3g}"
    templates.filters["counted"] = lambda value: f"{value:,}"
    templates.filters["repr"] = repr
    script = "\n".join(
        [*(read(f"script/{name}.js") for name in SCRIPTS), read("comparison.js", PACKAGE)]
    )
    style = read("page.css")
    firsts = [s.first for s in comparison.sequences if s.first is not None]
    proposed = comparison.proposed
    return templates.get_template("comparison.html.j2").render(
        document=document,
        traces=list(zip(document.traces, map(origin, traces), strict=True)),
        sentence=_shown(f"verdict.{comparison.verdict}", step=f"{min(firsts, default=0):,}"),
        good=comparison.verdict is PairVerdict.AGREE,
        aligned=str(Alignment(**document.alignment.model_dump())),
        proposed=None if proposed is None else str(proposed),
        t=_shown,
        words=Markup(_as_json({"texts": _texts()})),
        data=Markup(_as_json([_series(s) for s in comparison.sequences if s.compared])),
        script=Markup(script),
        style=Markup(style),
        script_hash=digest(script),
        style_hash=digest(style),
    )


@cache
def _texts() -> dict[str, dict[str, str]]:
    """The page's own texts, and those of the report's that the chart has."""
    own = tomllib.loads(read("texts.toml", PACKAGE))
    return {**{key: texts()[key] for key in FROM_REPORT}, **own}


def _shown(key: str, **values: object) -> Markup:
    return both(*(filled(_texts()[key][language], values) for language in ("en", "zh")))


def _as_json(content: Any) -> str:
    """JSON that no element ends in; a script reads 1e999 as an infinity."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("Infinity", "1e999")


def _series(sequence: Compared) -> dict[str, Any]:
    """What is drawn of a sequence: where both have a rate, thinned."""
    both_have = np.flatnonzero(~(np.isnan(sequence.one) | np.isnan(sequence.other)))
    kept = both_have
    if len(kept) > MAX_POINTS:
        extremes = (sequence.absolute, sequence.relative, sequence.ulp, sequence.share)
        telling = [extreme.step for extreme in extremes if extreme is not None]
        if sequence.first is not None:
            telling += [sequence.first - 1, sequence.first]
        evenly = np.linspace(0, len(both_have) - 1, MAX_POINTS).astype(np.int64)
        at = np.searchsorted(sequence.steps[both_have], telling)
        kept = both_have[np.union1d(evenly, np.clip(at, 0, len(both_have) - 1))]
    return {
        "name": sequence.name,
        "first": sequence.first,
        "all": len(both_have),
        "steps": sequence.steps[kept].tolist(),
        "one": sequence.one[kept].tolist(),
        "other": sequence.other[kept].tolist(),
        "allowed": [float(f"{value:.4g}") for value in sequence.allowed[kept].tolist()],
    }

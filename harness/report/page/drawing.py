"""The page as text: the first screen as HTML, the data, and the script that draws the rest."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from markupsafe import Markup

from harness.case import DIMENSIONS, SEVERITIES
from harness.report.history import histories
from harness.report.model import DeviationEntry, Report, TrialEntry
from harness.report.page.packed import pack
from harness.report.page.parts import digest, environment, read
from harness.report.page.texts import both, said, shown, texts
from harness.verdict import Verdict

SYMBOLS = {
    Verdict.CONFORMS: "✓",
    Verdict.DIVERGES: "✗",
    Verdict.KNOWN_DIVERGENCE: "≠",
    Verdict.STALE: "↺",
    Verdict.REFUSED: "✗",
    Verdict.ACCEPTED: "✗",
    Verdict.CRASHED: "✗",
    Verdict.TIMED_OUT: "✗",
    Verdict.UNSUPPORTED: "–",
    Verdict.UNAVAILABLE: "○",
    Verdict.BROKEN_CASE: "✗",
}
MAX_LISTED = 100
"""Failures, and changes, that the first screen shows; a failure shows as many of its trials."""
SCRIPTS = (
    *("dom", "data", "address", "matrix", "scale", "values", "chart"),
    *("case", "cases", "records", "main"),
)


def render(report: Report) -> str:
    """The page; whatever a case or a framework says is escaped, or packed."""
    templates = environment("harness.report.page")
    filters: dict[str, Callable[..., object]] = {
        "error": lambda value: f"{value:.3g}",
        "last_line": lambda text: (text.strip().splitlines() or [""])[-1],
        "listed": lambda items: ", ".join(map(str, items)),
        "percent": lambda share: f"{100 * share:.3g} %" if math.isfinite(share) else "∞",
        "repr": repr,
        "tone": _tone,
    }
    templates.filters.update(filters)
    script = "\n".join(read(f"script/{name}.js") for name in SCRIPTS)
    style = read("page.css")
    trials = _numbered(report)
    return templates.get_template("index.html.j2").render(
        report=report,
        sentence=both(*(_sentence(report, language) for language in ("en", "zh"))),
        title=_sentence(report, "en"),
        counts=[(v, report.counts[v.value]) for v in Verdict if v.value in report.counts],
        failures=_failures(trials),
        most=MAX_LISTED,
        not_run=_not_run(report),
        histories=histories(report),
        badge=_badge,
        case_address=_case_address,
        verdict_address=lambda verdict: "#cases?" + urlencode({"verdict": verdict.value}),
        t=shown,
        words=Markup(_words()),
        packed=pack(report),
        script=Markup(script),
        style=Markup(style),
        script_hash=digest(script),
        style_hash=digest(style),
    )


def _words() -> str:
    """What the script has to know beside the report, as JSON that no element ends in."""
    words = {
        "texts": texts(),
        "verdicts": {v.value: {"symbol": SYMBOLS[v], "tone": _tone(v)} for v in Verdict},
        "dimensions": list(DIMENSIONS),
        "severities": list(SEVERITIES),
    }
    return json.dumps(words, ensure_ascii=False).replace("<", "\\u003c")


def _tone(verdict: Verdict) -> str:
    if verdict.fails:
        return "bad"
    return {Verdict.CONFORMS: "good", Verdict.KNOWN_DIVERGENCE: "known"}.get(verdict, "idle")


def _badge(verdict: Verdict) -> Markup:
    """The verdict with its symbol, so that colour alone says nothing."""
    badge = '<span class="badge {}"><span aria-hidden="true">{}</span> {}</span>'
    return Markup(badge).format(_tone(verdict), SYMBOLS[verdict], shown(f"verdict.{verdict.value}"))


def _case_address(name: str) -> str:
    return "#cases?" + urlencode({"open": name})


def _sentence(report: Report, language: str) -> str:
    """The verdict on the run; in English the sentence of `summary.md`."""
    bad, total = sum(trial.fails for trial in report.trials), len(report.trials)
    counts = [
        said("run.count", language, verdict=said(f"verdict.{v.value}", language), n=count)
        for v in Verdict
        if (count := report.counts.get(v.value)) is not None
    ]
    return "".join(
        (
            said("run.stopped", language) if report.stopped_early else "",
            said("run.incidents", language) if report.incidents else "",
            said("run.bad" if bad else "run.good", language, bad=bad, n=total),
            said("colon", language),
            said("and", language).join(counts) or said("run.nothing", language),
            said("stop", language),
        )
    )


@dataclass(frozen=True)
class NumberedTrial:
    """A trial, with the number that it has within its case on the page."""

    number: int
    entry: TrialEntry

    @property
    def verdict(self) -> Verdict:
        """The verdict, with its meaning."""
        return Verdict(self.entry.verdict)

    @property
    def target(self) -> str:
        """`mindspore/cpu/graph`."""
        return f"{self.entry.environment}/{self.entry.device}/{self.entry.mode}"


def _numbered(report: Report) -> list[NumberedTrial]:
    counts: dict[str, int] = defaultdict(int)
    numbered = []
    for trial in report.trials:
        counts[trial.case] += 1
        numbered.append(NumberedTrial(counts[trial.case], trial))
    return numbered


@dataclass(frozen=True)
class Failure:
    """Trials that fail alike: the same verdict for the same reasons, with the same numbers."""

    verdict: Verdict
    reasons: list[str]
    deviation: DeviationEntry | None
    diagnosis: str | None
    trials: list[NumberedTrial]

    @property
    def cases(self) -> list[str]:
        """The names of their cases."""
        return list(dict.fromkeys(trial.entry.case for trial in self.trials))


def _failures(trials: Sequence[NumberedTrial]) -> list[Failure]:
    alike: dict[str, Failure] = {}
    for trial in trials:
        entry = trial.entry
        if entry.fails:
            same = repr((entry.verdict, entry.reasons, entry.first_divergence, entry.diagnosis))
            new = Failure(trial.verdict, entry.reasons, entry.first_divergence, entry.diagnosis, [])
            alike.setdefault(same, new).trials.append(trial)
    return list(alike.values())


@dataclass(frozen=True)
class NotRun:
    """Trials that were not run, for one reason."""

    verdict: Verdict
    reason: str
    implementations: list[str]
    count: int


def _not_run(report: Report) -> list[NotRun]:
    """The most frequent reason first."""
    alike: dict[tuple[Verdict, str], list[str]] = defaultdict(list)
    for trial in report.trials:
        verdict = Verdict(trial.verdict)
        if not verdict.ran:
            alike[verdict, "\n".join(trial.reasons)].append(trial.implementation)
    groups = [NotRun(*same, sorted(set(apis)), len(apis)) for same, apis in alike.items()]
    return sorted(groups, key=lambda group: -group.count)

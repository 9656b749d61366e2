"""`index.html`: one self-contained file, for people."""

from __future__ import annotations

import math
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.case import DIMENSIONS, SEVERITIES
from harness.report.chart import Chart, Series, draw
from harness.report.model import (
    AgreementEntry,
    CallEntry,
    CaseEntry,
    DeviationEntry,
    DivergenceEntry,
    Report,
    TrialEntry,
)
from harness.report.summary import sentence
from harness.verdict import Verdict

MAX_SHOWN = 200
"""Points that a chart draws, and rows that the table behind it has."""

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


def render(report: Report) -> str:
    """The page; whatever a case or a framework says is escaped."""
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., object]] = {
        "error": lambda value: f"{value:.3g}",
        "last_line": lambda text: (text.strip().splitlines() or [""])[-1],
        "listed": lambda items: ", ".join(map(str, items)),
        "percent": _percent,
        "repr": repr,
        "symbol": SYMBOLS.__getitem__,
        "tone": _tone,
    }
    environment.filters.update(filters)
    script, style = (
        Markup(environment.get_template(name).render()) for name in ("page.js", "page.css")
    )
    cases = _cases(report)
    return environment.get_template("index.html.j2").render(
        report=report,
        sentence=sentence(report),
        counts=[(v, report.counts[v.value]) for v in Verdict if v.value in report.counts],
        cases=cases,
        failures=_failures(cases),
        known=[(record, _covered(record, cases)) for record in _worst_first(report)],
        not_run=_not_run(report),
        dimensions=list(DIMENSIONS),
        reasons=_reasons(report),
        script=script,
        style=style,
        script_hash=_digest(script),
        style_hash=_digest(style),
    )


def _worst_first(report: Report) -> list[DivergenceEntry]:
    ranks = list(SEVERITIES)
    return sorted(report.known_divergences, key=lambda record: ranks.index(record.severity))


def _reasons(report: Report) -> list[str]:
    """Why dimensions are empty, each reason once."""
    cells = (cell for row in report.coverage for cell in row.dimensions.values())
    return sorted({cell.reason for cell in cells} - {""})


def _digest(text: str) -> str:
    """For the page's own content security policy: no script and no style but these."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _tone(verdict: Verdict) -> str:
    if verdict.fails:
        return "bad"
    return {Verdict.CONFORMS: "good", Verdict.KNOWN_DIVERGENCE: "known"}.get(verdict, "idle")


def _percent(share: float) -> str:
    """A share of the budget.

    >>> _percent(0.12345), _percent(float("inf"))
    ('12.3 %', '∞')
    """
    return f"{100 * share:.3g} %" if math.isfinite(share) else "∞"


@dataclass(frozen=True)
class NumberedTrial:
    """A trial, with the number that it has within its case on the page."""

    number: int
    case: CaseView
    entry: TrialEntry

    @property
    def verdict(self) -> Verdict:
        """The verdict, with its meaning."""
        return Verdict(self.entry.verdict)

    @property
    def target(self) -> str:
        """`mindspore/cpu/graph`."""
        return f"{self.entry.environment}/{self.entry.device}/{self.entry.mode}"


@dataclass(frozen=True)
class CaseView:
    """A case with everything that the page says of it."""

    id: str
    entry: CaseEntry
    entries: Sequence[TrialEntry]
    agreements: Sequence[AgreementEntry]

    @cached_property
    def trials(self) -> list[NumberedTrial]:
        """Numbered from 1."""
        return [NumberedTrial(i, self, entry) for i, entry in enumerate(self.entries, 1)]

    def number(self, trial_id: str) -> int:
        """The number of the trial of that id."""
        return next(trial.number for trial in self.trials if trial.entry.id == trial_id)

    @cached_property
    def verdicts(self) -> dict[Verdict, int]:
        """In the order of the verdicts."""
        counts = Counter(trial.verdict for trial in self.trials)
        return {verdict: counts[verdict] for verdict in Verdict if counts[verdict]}

    @property
    def text(self) -> str:
        """What the page's search looks through."""
        entry = self.entry
        words = [entry.name, entry.description, entry.family, entry.source, entry.file]
        words += [*entry.tags, *(t.target for t in self.trials)]
        words += [trial.implementation for trial in self.entries]
        return " ".join(dict.fromkeys(words)).lower()

    @property
    def calls(self) -> list[tuple[CallEntry, str, list[int]]]:
        """Each call, as it is written, and the trials that made it."""
        calls: dict[str, tuple[CallEntry, str, list[int]]] = {}
        for trial in self.trials:
            call = trial.entry.call
            if call is not None:
                same = f"{call.written} {call.base_lr} {call.advanced}"
                calls.setdefault(same, (call, call.written, []))[2].append(trial.number)
        return list(calls.values())

    @cached_property
    def series(self) -> list[Series]:
        """Each distinct sequence: those reported, and those applied that are not as due."""
        trials: dict[tuple[str, str], list[int]] = defaultdict(list)
        values: dict[tuple[str, str], list[float]] = {}
        for trial in self.trials:
            for sequence in trial.entry.sequences:
                if sequence.name == "reported" or sequence.diverging:
                    same = sequence.name, repr(sequence.observed)
                    trials[same].append(trial.number)
                    values[same] = sequence.observed
        return [Series(same[0], tuple(trials[same]), values[same]) for same in values]

    @property
    def first_divergence(self) -> int | None:
        """The earliest step that is not as due in any trial."""
        firsts = [t.first_divergence.step for t in self.entries if t.first_divergence]
        return min(firsts, default=None)

    @cached_property
    def shown(self) -> list[int]:
        """Indices into the case's steps: evenly spread, with those that say most."""
        count = len(self.entry.steps)
        if count <= MAX_SHOWN:
            return list(range(count))
        indices = {step: index for index, step in enumerate(self.entry.steps)}
        telling = dict.fromkeys(indices[step] for step in self._telling if step in indices)
        kept = set(list(telling)[: MAX_SHOWN // 2])
        spread = MAX_SHOWN - len(kept)
        return sorted(kept | {i * (count - 1) // (spread - 1) for i in range(spread)})

    @property
    def _telling(self) -> Iterator[int]:
        """Steps, the most telling first."""
        for trial in self.entries:
            if trial.first_divergence:
                yield trial.first_divergence.step
            for sequence in trial.sequences:
                for extreme in (sequence.greatest_ulp_error, sequence.greatest_budget_share):
                    if extreme:
                        yield extreme.step
        due = zip(self.entry.steps, self.entry.expected, strict=True)
        given = [step for step, value in due if value is not None]
        if len(given) < MAX_SHOWN // 2:
            yield from given

    @property
    def rows(self) -> list[tuple[int, list[str]]]:
        """The table behind the chart: a step, and what was due and observed there."""
        entry = self.entry
        return [
            (
                entry.steps[i],
                [
                    "" if value is None else repr(value)
                    for value in (
                        entry.expected[i],
                        entry.reference[i],
                        *(series.at(i) for series in self.series),
                    )
                ],
            )
            for i in self.shown
        ]

    @property
    def chart(self) -> Chart | None:
        """None where the case is not about values, or has none."""
        about_values = self.series or any(value is not None for value in self.entry.expected)
        if not self.entry.steps or not about_values:
            return None
        return draw(self.entry, self.series, self.shown, self.first_divergence)


def _cases(report: Report) -> list[CaseView]:
    trials: dict[str, list[TrialEntry]] = defaultdict(list)
    agreements: dict[str, list[AgreementEntry]] = defaultdict(list)
    for trial in report.trials:
        trials[trial.case].append(trial)
    for agreement in report.agreements:
        agreements[agreement.case].append(agreement)
    return [
        CaseView(f"case-{i}", case, trials[case.name], agreements[case.name])
        for i, case in enumerate(report.cases, 1)
    ]


@dataclass(frozen=True)
class Failure:
    """Trials that fail alike: the same verdict for the same reasons, with the same numbers."""

    verdict: Verdict
    reasons: list[str]
    deviation: DeviationEntry | None
    diagnosis: str | None
    trials: list[NumberedTrial]


def _failures(cases: Iterable[CaseView]) -> list[Failure]:
    alike: dict[str, Failure] = {}
    for case in cases:
        for trial in case.trials:
            entry = trial.entry
            if entry.fails:
                same = repr((entry.verdict, entry.reasons, entry.first_divergence, entry.diagnosis))
                new = Failure(
                    trial.verdict, entry.reasons, entry.first_divergence, entry.diagnosis, []
                )
                alike.setdefault(same, new).trials.append(trial)
    return list(alike.values())


def _covered(record: DivergenceEntry, cases: Iterable[CaseView]) -> list[NumberedTrial]:
    return [t for case in cases for t in case.trials if t.entry.known_divergence == record.name]


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

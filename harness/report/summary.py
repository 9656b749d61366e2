"""`summary.md`, for a pull request or a CI job's page: short when all is well."""

from __future__ import annotations

import html
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from operator import itemgetter

from harness.output import neutral
from harness.report.model import ChangesEntry, Report
from harness.verdict import Verdict

MAX_FAILURES = 20
MAX_CHANGES = 20
MAX_CELL = 400
_BEGINS = re.compile(r"@(?=\w)|#(?=\d)|\bGH-(?=\d)|:(?=//)|\bwww(?=\.)|\bmailto:", re.IGNORECASE)


def render(report: Report) -> str:
    """Markdown: the verdict in one sentence, the environments, the failures, and what changed."""
    lines = [
        "# Learning-rate schedule conformance",
        "",
        f"**{sentence(report)}**",
        "",
        "| environment | version | devices | modes |",
        "| --- | --- | --- | --- |",
    ]
    for environment in report.environments:
        cells = (
            (
                environment.version or "",
                ", ".join(environment.devices),
                ", ".join(environment.modes),
            )
            if environment.failure is None
            else (f"not run: {environment.failure}", "", "")
        )
        lines.append("| " + " | ".join(map(_cell, (environment.name, *cells))) + " |")
    lines += [f"\n{_cell(incident)}" for incident in report.incidents]
    if taken := report.taken:
        lines += [
            "",
            f"{taken.trials} of {len(report.trials)} trials were not run again, since nothing that "
            f"they depend on has changed: they are taken from {_cell(taken.report)} of "
            f"{_cell(str(taken.started))}.",
        ]
    failures = [trial for trial in report.trials if trial.fails]
    if failures:
        lines += ["", "| verdict | trial | reason |", "| --- | --- | --- |"]
        for trial in failures[:MAX_FAILURES]:
            said = [
                *trial.reasons[:1],
                *([f"Diagnosis: {trial.diagnosis}"] * bool(trial.diagnosis)),
            ]
            reason = ". ".join(said)
            lines.append(f"| {_cell(trial.verdict)} | {_cell(trial.id)} | {_cell(reason)} |")
        if len(failures) > MAX_FAILURES:
            lines += ["", f"… and {len(failures) - MAX_FAILURES} more, in report.json."]
    if report.changes is not None:
        lines += _changes(report.changes)
    return "\n".join(lines) + "\n"


def _changes(changes: ChangesEntry) -> Iterator[str]:
    """What changed since the baseline: what closes the gate, then the rest."""
    baseline = _cell(changes.baseline)
    if not changes.changes:
        yield f"\nNothing changed since {baseline}."
        return
    counts = Counter(change.kind for change in changes.changes)
    told = ", ".join(f"{_cell(kind)} {count}" for kind, count in counts.most_common())
    yield from ("", f"## Changed since {baseline}", "", f"{told}.", "")
    yield from ("| change | of | what |", "| --- | --- | --- |")
    alike: dict[tuple[bool, str, str], list[str]] = defaultdict(list)
    for change in changes.changes:
        alike[not change.fails, change.kind, change.text].append(change.subject)
    for (passes, kind, text), subjects in sorted(alike.items(), key=itemgetter(0))[:MAX_CHANGES]:
        more = f" and {len(subjects) - 1} more" if len(subjects) > 1 else ""
        said = _cell(kind) if passes else f"**{_cell(kind)}**"
        yield f"| {said} | {_cell(subjects[0])}{more} | {_cell(text)} |"
    if len(alike) > MAX_CHANGES:
        yield f"\n… and {len(alike) - MAX_CHANGES} more, in report.json."


def sentence(report: Report) -> str:
    """The verdict on the run, in one sentence."""
    bad, total = sum(trial.fails for trial in report.trials), len(report.trials)
    counts = ", ".join(
        f"{verdict.value} {report.counts[verdict.value]}"
        for verdict in Verdict
        if verdict.value in report.counts
    )
    lead = f"{bad} of {total} trials are not as expected" if bad else f"{total} trials as expected"
    if report.incidents:
        lead = f"A worker died outside of a trial; {lead}"
    if report.stopped_early:
        lead = f"Stopped early; {lead}"
    return f"{lead}: {counts or 'none'}."


def _cell(text: str) -> str:
    """One table cell; whatever a case or a framework says is text, and not markup.

    Nobody is mentioned and nothing is linked: what would begin a mention, a link or a reference is
    followed by a space of no width.

    >>> _cell("see @all <i>").encode("ascii", "backslashreplace")
    b'see @\\\\u200ball &lt;i&gt;'
    """
    flat = neutral(" ".join(text.split()))[:MAX_CELL]
    plain = re.sub(r"([\\`*_\[\]~|$])", r"\\\1", html.escape(flat, quote=False))
    return _BEGINS.sub("\\g<0>\u200b", plain)

"""What a person sees of it: progress, the table, the survivors, and `docs/strength.md`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console
from rich.text import Text

from harness.console import WithBar
from harness.listing import counted, table
from harness.strength.campaign import Campaign, Progress
from harness.strength.faults import Kind
from harness.strength.measure import Fate, Outcome

PLAIN_SECONDS = 10.0
"""Where there is no terminal: the time between two lines of progress."""


class Showing(WithBar, Progress):
    """A progress bar on a terminal, a line now and then in a pipe; each survivor as it is found."""

    def __init__(self, out: Console, err: Console, campaign: Campaign) -> None:
        super().__init__(out, err, "starting")
        self._campaign = campaign
        self._said = time.monotonic()
        self._fates: Counter[Fate] = Counter()

    def on_baseline(self, framework: str, done: int, total: int) -> None:
        """A trial without a fault is done."""
        what = f"{framework} without a fault"
        self._bar.update(self._task, description=what, completed=done, total=total)
        self._plainly(f"{what}: {done} of {counted(total, 'trial')}", last=done == total)

    def on_outcome(self, outcome: Outcome, done: int, total: int) -> None:
        """It is known what became of a fault."""
        self._fates[outcome.fate] += 1
        what = f"faults, {self._fates.total() - self._fates[Fate.CAUGHT]} not caught"
        self._bar.update(self._task, description=what, completed=done, total=total)
        if outcome.fate is not Fate.CAUGHT and not self._campaign.equivalents.proof(outcome.fault):
            self._found.print(Text(f"{outcome.fate.value}  {_line(outcome)}"), soft_wrap=True)
        self._plainly(f"{what}: {done} of {total} done", last=done == total)

    def _plainly(self, text: str, last: bool) -> None:
        if self._err.is_terminal or not (last or time.monotonic() - self._said >= PLAIN_SECONDS):
            return
        self._said = time.monotonic()
        self._err.print(text, highlight=False)


def _line(outcome: Outcome) -> str:
    fault = outcome.fault
    return f"{fault.module}:{fault.line} {fault.where}: {fault.kind.value}: {fault.change}"


@dataclass(frozen=True)
class Score:
    """The counts of one module, or of one kind of fault in all of them."""

    name: str
    planted: int
    caught: int
    without_effect: int
    surviving: int

    @property
    def not_tried(self) -> int:
        """Faults whose fate is not known yet."""
        return self.planted - self.caught - self.without_effect - self.surviving

    @property
    def share(self) -> float | None:
        """Caught, of those tried that have an effect."""
        tried = self.caught + self.surviving
        return self.caught / tried if tried else None

    @property
    def percent(self) -> str:
        """To one decimal, and never rounded up to 100."""
        if self.share is None:
            return "-"
        return f"{int(self.share * 1000) / 10:.1f} %"


def scores(campaign: Campaign) -> list[Score]:
    """One for each module."""
    return [_score(p.module, campaign, {f.id for f in p.faults}) for p in campaign.planted]


def scores_by_kind(campaign: Campaign) -> list[Score]:
    """One for each kind of fault."""
    every = [fault for planted in campaign.planted for fault in planted.faults]
    return [
        _score(kind.value, campaign, {fault.id for fault in every if fault.kind is kind})
        for kind in Kind
    ]


def _score(name: str, campaign: Campaign, faults: set[str]) -> Score:
    outcomes = [campaign.outcomes[fault] for fault in faults if fault in campaign.outcomes]
    caught = sum(outcome.fate is Fate.CAUGHT for outcome in outcomes)
    proven = sum(
        outcome.fate is not Fate.CAUGHT and campaign.equivalents.proof(outcome.fault) is not None
        for outcome in outcomes
    )
    return Score(name, len(faults), caught, proven, len(outcomes) - caught - proven)


def print_scores(console: Console, campaign: Campaign) -> None:
    """The tables, the survivors by line, and what is wrong with the proofs."""
    for title, rows in (("module", scores(campaign)), ("kind", scores_by_kind(campaign))):
        console.print(Text(table([_row(title, score) for score in rows])), soft_wrap=True)
        console.print()
    for planted in campaign.planted:
        for where, outcomes in groupby(
            campaign.surviving(planted.module), key=lambda outcome: outcome.fault.where
        ):
            console.print(Text(f"{planted.module}: {where}", style="bold"), soft_wrap=True)
            for outcome in outcomes:
                console.print(Text(f"  {_survivor(outcome)}"), soft_wrap=True)
    for module, why in campaign.missing.items():
        console.print(Text(f"{module}: not tried: {why}", style="magenta"), soft_wrap=True)
    for trial in campaign.failing:
        console.print(Text(f"fails without a fault: {trial}", style="magenta"), soft_wrap=True)
    for text in campaign.disproven:
        console.print(Text(f"the proof does not hold: {text}", style="bold red"), soft_wrap=True)


def _row(title: str, score: Score) -> dict[str, str | int]:
    return {
        title: score.name,
        "planted": score.planted,
        "caught": score.caught,
        "no effect": score.without_effect,
        "surviving": score.surviving,
        "not tried": score.not_tried,
        "score": score.percent,
    }


def _survivor(outcome: Outcome) -> str:
    fault = outcome.fault
    tried = f"{counted(outcome.tried, 'trial')}" if outcome.tried else "no trial gets there"
    return f"{fault.line}: {fault.kind.value}: {fault.change}    {fault.statement}    ({tried})"


_TEMPLATES = Environment(
    loader=PackageLoader("harness.strength", "."),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters["code"] = lambda text: f"`{str(text).replace('|', chr(92) + '|')}`"


def document(campaign: Campaign) -> str:
    """`docs/strength.md`."""
    frameworks = dict.fromkeys(planted.module.partition(".")[0] for planted in campaign.planted)
    return _TEMPLATES.get_template("strength.md.j2").render(
        date=datetime.now(UTC).date().isoformat(),
        versions={name: metadata.version(name) for name in frameworks},
        modules=scores(campaign),
        kinds=scores_by_kind(campaign),
        survivors=[
            (planted.module, survivors)
            for planted in campaign.planted
            if (survivors := campaign.surviving(planted.module))
        ],
        proofs=list(_proofs(campaign)),
    )


def _proofs(campaign: Campaign) -> Iterator[tuple[str, list[Any]]]:
    for planted in campaign.planted:
        mine = [p for p in campaign.equivalents.proofs if p.module == planted.module]
        if mine:
            yield planted.module, mine

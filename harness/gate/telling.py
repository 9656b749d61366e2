"""What the gate says to people: changes that are alike in one line, and examples of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.gate.comparison import KINDS, Change, Outcome, by
from harness.gate.values import Movement
from harness.listing import counted
from harness.report.model import ChangeEntry

EXAMPLES = 3
"""Of changes that are alike, unless all are asked for."""
LENGTH = 400
"""Of a text, unless all of it is asked for."""
COUNTED = {
    "stale finding": "record",
    "changed case": "case",
    "version": "environment",
    "incident": "time",
    "nothing compared": "report",
}
"""What the subject of a change is, where it is not a trial."""


@dataclass(frozen=True)
class Group:
    """Changes that are alike, the furthest drift first."""

    changes: Sequence[Change]

    @property
    def kind(self) -> str:
        """The kind of all of them."""
        return self.changes[0].entry.kind

    @property
    def fails(self) -> bool:
        """Whether they close the gate."""
        return self.changes[0].entry.fails

    @property
    def sentence(self) -> str:
        """What they have in common, and how many they are."""
        number = counted(len(self.changes), COUNTED.get(self.kind, "trial"))
        if self.kind == "moved":
            furthest = by(Movement(self.changes[0].drift, is_bound=True))
            return f"{self.kind}: {number}, {furthest}"
        return f"{self.kind}: {flat(self.changes[0].group)}: {number}"


def groups(changes: Iterable[Change]) -> list[Group]:
    """The changes that are alike together, in the order of the first of each."""
    alike: dict[tuple[bool, str, str], list[Change]] = defaultdict(list)
    for change in changes:
        alike[change.entry.fails, change.entry.kind, change.group].append(change)
    return [Group(sorted(group, key=lambda c: -c.drift)) for group in alike.values()]


def lines(outcome: Outcome, verbose: bool = False) -> Iterator[str]:
    """What changed, what fails as ever, and at the end whether the gate is open."""
    yield from changes(outcome, verbose)
    if outcome.still_failing:
        yield f"still failing, as in the baseline: {counted(len(outcome.still_failing), 'trial')}"
        yield from (f"    {flat(name)}" for name in outcome.still_failing)
    yield headline(outcome)


def changes(outcome: Outcome, verbose: bool = False) -> Iterator[str]:
    """What changed; each line is one line, whatever a case or a framework says."""
    hidden = 0
    for group in groups(outcome.changes):
        shown = group.changes if verbose else group.changes[:EXAMPLES]
        more = len(group.changes) - len(shown)
        yield group.sentence
        for change in shown:
            yield from _example(change, None if verbose else LENGTH)
        if more:
            yield f"    and {more} more"
        hidden += more
    if hidden:
        yield "to see all of them: --verbose"


def _example(change: Change, length: int | None) -> Iterator[str]:
    entry = change.entry
    yield f"    {flat(entry.subject)}"
    if entry.file is not None:
        yield f"        {flat(entry.file)}" + ("" if entry.line is None else f":{entry.line}")
    if entry.text != change.group:
        yield f"        {flat(entry.text, length)}"


def headline(outcome: Outcome) -> str:
    """Whether the gate is open, and how many changes of each kind there are, in one line."""
    every = outcome.entry.changes
    if outcome.is_closed:
        return f"gate closed: {counts(change for change in every if change.fails)}"
    compared = f"{counted(outcome.compared, 'trial')} as in {outcome.baseline}"
    return f"gate open: {compared}" + (f"; {counts(every)}" if every else "")


def counts(changes: Iterable[ChangeEntry]) -> str:
    """`2 new divergences, 12 moved`."""
    numbers: Counter[tuple[str, bool]] = Counter((change.kind, change.fails) for change in changes)
    return ", ".join(
        _number(numbers[kind, fails], kind, fails)
        for kind in KINDS
        for fails in (True, False)
        if numbers[kind, fails]
    )


def _number(number: int, kind: str, fails: bool) -> str:
    if kind in {"moved", "improved", "nothing compared"}:
        return f"{number} {kind}"
    on_record = kind == "new divergence" and not fails
    return counted(number, kind) + (" on record" if on_record else "")


def flat(text: str, length: int | None = None) -> str:
    """Text of a case or a framework in one line, nothing in it that steers a terminal."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    joined = " ".join(plain.split())
    return joined if length is None or len(joined) <= length else joined[:length] + " …"

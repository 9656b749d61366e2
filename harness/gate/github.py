"""The same for GitHub: annotations at the lines of a pull request's files.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions has the syntax. What
cases and frameworks say is data: it is escaped, and cannot end an annotation or begin another.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from itertools import chain, islice, zip_longest
from pathlib import PurePath

from harness.gate.comparison import Change, Outcome
from harness.gate.telling import EXAMPLES, Group, flat, groups
from harness.report.model import ChangeEntry

MOST = 10
"""Annotations of a kind that GitHub shows of a step."""


def annotated(outcome: Outcome) -> Iterator[str]:
    """An error for each change that closes the gate, as many as are shown; a notice for the rest.

    Many that have nothing of their own to say are one error. Those that are not shown are counted
    in the last one. The first of each group come first.
    """
    together = groups(outcome.changes)
    turns = chain.from_iterable(zip_longest(*(_errors(g) for g in together if g.fails)))
    errors = [error for error in turns if error is not None]
    shown = len(errors) if len(errors) <= MOST else MOST - 1
    yield from errors[:shown]
    if len(errors) > shown:
        yield _command("error", f"and {len(errors) - shown} more: see the log", title="gate closed")
    for group in islice((group for group in together if not group.fails), MOST):
        yield _notice(group)


def without_commands(lines: Iterable[str]) -> Iterator[str]:
    """The lines, none of which GitHub takes for a command, whatever is in it."""
    token = secrets.token_hex(16)
    yield f"::stop-commands::{token}"
    yield from lines
    yield f"::{token}::"


def _errors(group: Group) -> list[str]:
    if len(group.changes) > EXAMPLES and all(c.entry.text == c.group for c in group.changes):
        first, *others = (change.entry for change in group.changes)
        place = _place(first) if all(other.file == first.file for other in others) else {}
        return [_command("error", group.sentence, **place, title=group.kind)]
    return [_error(change) for change in group.changes]


def _error(change: Change) -> str:
    entry = change.entry
    return _command("error", f"{entry.subject}\n{entry.text}", **_place(entry), title=entry.kind)


def _place(entry: ChangeEntry) -> dict[str, str]:
    """File and line; nothing where the file is not in the repository."""
    if entry.file is None or PurePath(entry.file).is_absolute():
        return {}
    return {"file": entry.file} | ({} if entry.line is None else {"line": str(entry.line)})


def _notice(group: Group) -> str:
    return _command("notice", f"{group.sentence}, {flat(group.changes[0].entry.subject)} …")


def _command(command: str, text: str, **properties: str) -> str:
    terms = ",".join(f"{key}={_escaped_property(value)}" for key, value in properties.items())
    return f"::{command}{' ' * bool(terms)}{terms}::{_escaped(text)}"


def _escaped(text: str) -> str:
    """Text after the second pair of colons; the percent sign first."""
    for sign in "%\r\n":
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")

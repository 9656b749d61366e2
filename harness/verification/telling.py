"""What a person sees of a verification: its progress, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from harness.console import PipeConsole
from harness.traces.comparing import AS_GIVEN, Comparison, PairVerdict
from harness.traces.document import ComparisonDocument, document
from harness.traces.telling import comparison_lines, origin, trace_lines
from harness.verification import Verification

EVERY_SECONDS = 10.0
"""Where there is no terminal: between two lines of progress."""


class Watching:
    """A bar for each script on standard error; in a pipe a line now and then."""

    def __init__(self, steps: int) -> None:
        self._err, self._steps = PipeConsole(stderr=True), steps
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} updates"),
            TimeElapsedColumn(),
            console=self._err,
            transient=True,
            disable=not self._err.is_terminal,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._tasks = [self._bars.add_task(name, total=steps) for name in ("first", "second")]
        self._said, self._differ = time.monotonic(), False

    def __enter__(self) -> Self:
        self._bars.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.__exit__(kind, error, trace)

    def progress(self, one: int, other: int) -> None:
        """So many updates were made by each."""
        for task, updates in zip(self._tasks, (one, other), strict=True):
            self._bars.update(task, completed=updates)
        if not self._err.is_terminal and time.monotonic() - self._said > EVERY_SECONDS:
            self._said = time.monotonic()
            self._err.print(f"{one:,} and {other:,} of {self._steps:,} updates")

    def look(self, updates: int, comparison: Comparison) -> None:
        """What the first updates say."""
        firsts = [s.first for s in comparison.sequences if s.first is not None]
        if comparison.verdict is PairVerdict.AGREE:
            self._err.print(f"the first {updates:,} updates agree")
        elif firsts and not self._differ:
            self._differ = True
            self._err.print(f"they differ from update {min(firsts):,} on")


def lines(verification: Verification) -> Iterator[str]:
    """What ran and what came of it, for people."""
    for number, (trace, stepped) in enumerate(
        zip(verification.traces, verification.stepped, strict=True)
    ):
        yield from trace_lines(number, trace, f"{origin(trace)}, {stepped}")
    if verification.stopped_early:
        yield "stopped at the first difference, as asked"
    yield from comparison_lines(verification.traces, verification.comparison)


def as_document(verification: Verification) -> ComparisonDocument:
    """The same for programs."""
    return document(
        verification.traces,
        verification.comparison,
        AS_GIVEN,
        verification.stepped,
        verification.stopped_early,
    )

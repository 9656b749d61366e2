"""What a person sees of a search: progress, findings as they come, and a table at the end."""

from __future__ import annotations

import time

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.console import WithBar, environment_line
from harness.fuzz.running import Kept, Result
from harness.fuzz.search import Tally
from harness.listing import counted
from harness.verdict import Verdict

LINES, EVERY = 10, 30.0
"""Where there is no terminal there is a line for each tenth, and after so many seconds."""


class Showing(WithBar):
    """A progress bar on a terminal, a line now and then in a pipe; each finding as it comes."""

    def __init__(self, out: Console, err: Console, examples: int | None) -> None:
        super().__init__(out, err, "examples", examples)
        self._total = examples
        self._said, self._said_at = 0, time.monotonic()

    def on_examples(self, done: int) -> None:
        """So many are done."""
        self._bar.update(self._task, completed=done)
        if self._err.is_terminal:
            return
        tenth = self._total is not None and done - self._said >= max(1, self._total // LINES)
        if tenth or time.monotonic() - self._said_at >= EVERY:
            self._said, self._said_at = done, time.monotonic()
            of = f" of {self._total}" if self._total else ""
            self._err.print(f"{done}{of} examples", highlight=False)

    def on_kept(self, kept: Kept) -> None:
        """Something new was found."""
        finding, judgement = kept.finding, kept.finding.judgement
        text = Text()
        text.append(f"new: {judgement.verdict.value}", style="bold red")
        text.append(f"  {finding.trial.implementation.api} on {finding.trial.target}\n")
        for reason in judgement.reasons:
            text.append("".join(f"    {line}\n" for line in reason.splitlines()[:3]))
        if judgement.diagnosis:
            text.append(f"    {judgement.diagnosis}\n")
        text.append(f"    {kept.path}\n", style="dim")
        if kept.covered is False:
            text.append("    its record does not cover it as it stands\n", style="dim")
        self._found.print(text, end="", soft_wrap=True)


def print_summary(console: Console, result: Result) -> None:
    """Where it ran, a row a family, the findings that were met again, and the new ones."""
    for environment in result.environments:
        console.print(environment_line(environment), soft_wrap=True)
    for incident in result.incidents:
        console.print(Text(incident, style="bold red"), soft_wrap=True)
    console.print(_table(result.tallies))
    for name, times in result.met.most_common():
        text = f"met again: {name}, {counted(times, 'time')}"
        console.print(Text(text, style="yellow"), soft_wrap=True)
    for kept in result.kept:
        text = f"new: {kept.path}, {counted(kept.finding.times, 'time')}"
        console.print(Text(text, style="bold red"), soft_wrap=True)
    asked = result.asked.examples
    trials = f"{counted(result.trials, 'trial')} of {counted(len(result.apis), 'implementation')}"
    done = f"{result.examples} of {counted(asked or result.examples, 'example')}"
    new = counted(len(result.kept), "new finding")
    if not result.trials:
        remedy = "give it more --seconds, or another --family or --implementation"
        console.print(Text(f"nothing was tried: {remedy}", style="bold red"), soft_wrap=True)
    elif result.untried:
        console.print(Text(f"not tried: {', '.join(result.untried)}"), soft_wrap=True)
    console.print(
        f"{done} in {trials}, {new}; {result.end.value} after {result.seconds:.0f} s; "
        f"seed {result.asked.seed}",
        highlight=False,
        soft_wrap=True,
    )


def _table(tallies: dict[str, Tally]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("family", no_wrap=True)
    for heading in ("examples", "trials", "conform", "met again", "new", "apart"):
        table.add_column(heading, justify="right")
    rows = [
        (
            family,
            tally.examples,
            tally.trials,
            tally.verdicts[Verdict.CONFORMS],
            sum(tally.met.values()),
            tally.new,
        )
        for family, tally in tallies.items()
    ]
    for row, tally in zip(rows, tallies.values(), strict=True):
        apart = f"{tally.widest.share:.2f}" if tally.widest else ""
        table.add_row(*map(str, row), apart)
    sums = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    table.add_row("all", *map(str, sums), "", style="bold")
    return table

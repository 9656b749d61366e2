"""`conform run`."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import (
    ENVIRONMENTS_FILE,
    EXIT_CODES,
    FAMILIES,
    IMPLEMENTATIONS,
    PATHS,
    load_cases,
    report_folder,
    specs_named,
    with_changes,
)
from harness.files import when_interrupted
from harness.limits import TIME_LIMIT
from harness.project import CASES, ENVIRONMENTS, RECORDS, REPORTS

if TYPE_CHECKING:
    from harness.changed.running import Last
    from harness.changed.state import NoState, State
    from harness.load import Loaded
    from harness.plan import Selection
    from harness.report.model import DivisionEntry, Report

BESIDE = ("baseline.json", "durations.json")
"""What a report depends on besides its trials, in the folder of reports."""


def _shard(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not value:
        return ""
    numbers = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", value)
    index, count = map(int, numbers.groups()) if numbers else (0, 0)
    if not 1 <= index <= count:
        raise click.BadParameter(f"{value!r} is not like 1/4, the first of four parts")
    return f"{index}/{count}"


@click.command(epilog=EXIT_CODES)
@PATHS
@FAMILIES
@IMPLEMENTATIONS
@click.option(
    "--target", "targets", multiple=True, help="Only this target, such as 'mindspore/*/graph'."
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME",
    help="Only on this device (glob), such as cuda or ascend; those that are here, and why others "
    "are not: conform list targets.",
)
@click.option(
    "--environment",
    "names",
    multiple=True,
    metavar="NAME",
    help="In this environment (glob); several side by side. torch and mindspore are the suite's "
    "own, the others: conform environments list.  [default: torch, mindspore]",
)
@ENVIRONMENTS_FILE
@click.option("-k", "keyword", default="", help="Only trials whose id or tags fit: 'a and not b'.")
@click.option(
    "--shard",
    default="",
    callback=_shard,
    metavar="I/N",
    help="Only part I of N of the cases, the same on every machine: '1/4', '2/4' ...",
)
@report_folder("Folder for the report.", "reports/latest")
@click.option(
    "--full",
    is_flag=True,
    help="In every execution mode, not only the first of each API and those that a case asks for.",
)
@click.option(
    "--changed",
    is_flag=True,
    help="Only what is affected by what changed since the last report, and what failed then; the "
    "rest is taken from that report.",
)
@click.option("--fail-fast", is_flag=True, help="Stop at the first failure.")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, max=86_400, min_open=True),
    default=TIME_LIMIT,
    show_default=True,
    help="Seconds that one trial may take.",
)
def run(
    paths: tuple[Path, ...],
    families: tuple[str, ...],
    implementations: tuple[str, ...],
    targets: tuple[str, ...],
    devices: tuple[str, ...],
    names: tuple[str, ...],
    file: Path | None,
    keyword: str,
    shard: str,
    report: Path | None,
    full: bool,
    changed: bool,
    fail_fast: bool,
    time_limit: float,
) -> None:
    """Run the cases below each PATH (by default the suite's own) and write a report."""
    from harness import attempt
    from harness.changed import state
    from harness.changed.surroundings import look, places_of

    folder = report or REPORTS / "latest"
    begun = attempt.begin(folder)
    when_interrupted(begun.abandon)
    cases, beside = [*(paths or (CASES,)), RECORDS], [REPORTS / name for name in BESIDE]
    if names:
        beside.append(file or ENVIRONMENTS)
    wanted = families, implementations, targets, keyword, shard, devices
    asked = state.asked(paths or (CASES,), (*wanted, names, str(file)), full, time_limit)
    noted = state.read(folder) if changed else None
    if isinstance(noted, state.State) and state.is_as_noted(
        noted, asked, look(noted.places, cases, beside), begun.commits, folder
    ):
        begun.finish()
        click.echo("\n".join(state.told_again(noted, folder)))
        return
    from harness.workers import Workers

    # The harness is imported where it is needed: what needs little of it answers at once, and where
    # everything is run, the frameworks are imported by their workers at the same time.
    specs, last = specs_named(names, file), _last(noted, folder)
    with ExitStack() as to_end:
        workers = Workers(specs, time_limit)
        if last is None:
            to_end.enter_context(workers)
        now = look(places_of(specs), cases, beside)
        from harness import console, report as reporting
        from harness.changed import running
        from harness.plan import Selection

        selection = Selection(*wanted)
        out, err = console.PipeConsole(), console.PipeConsole(stderr=True)
        progress = console.Progressing(out, err)
        try:
            with progress:
                part, division = _part(paths, selection)
                if last is not None:
                    options = selection, full, time_limit, fail_fast, progress.listener
                    joint = running.Running(part, specs, *options).made(last, now)
                    made, summary = joint.report, partial(console.print_joint, out, joint)
                else:
                    result, made = running.everything(
                        part, workers, selection, progress.listener, fail_fast, full
                    )
                    summary = partial(console.print_summary, out, result)
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt(
                f"{str(interrupt) or 'by the keyboard'} after {progress.so_far}; "
                f"the report in {folder} is left as it was"
            ) from None
    made = _complete(begun.signed(made, division=division), paths, names)
    since = _since(made)
    reporting.write(made, folder)
    running.note(made, since, asked, now, begun.commits, part, folder)
    begun.finish()
    summary(str(folder / "index.html"))
    if since:
        out.print(since, soft_wrap=True)
    sys.exit(1 if made.fails else 0)


def _complete(made: Report, paths: tuple[Path, ...], names: tuple[str, ...]) -> Report:
    """The report with what changed since the baseline, which is of all of the suite's own cases."""
    own = {place.resolve() for place in paths or (CASES,)} == {CASES.resolve()}
    return with_changes(made) if own and not names else made


def _last(noted: State | NoState | None, folder: Path) -> Last | None:
    """The last report, if something is to be taken from it and can be."""
    if noted is None:
        return None
    from harness.changed import running, state

    last = running.last_of(noted, folder) if isinstance(noted, state.State) else noted
    if isinstance(last, running.Last):
        return last
    click.echo(f"everything is run: {last.reason}")
    return None


def _part(paths: tuple[Path, ...], selection: Selection) -> tuple[Loaded, DivisionEntry | None]:
    """The cases below `paths`, or the shard of them that was asked for, with all records."""
    from harness import durations
    from harness.load import Loaded
    from harness.report.model import DivisionEntry

    loaded = load_cases(paths)
    selection.check(loaded.cases)
    costs = durations.read(REPORTS / durations.NAME)
    mine = Loaded(selection.share(loaded.cases, costs), loaded.known_divergences)
    if not selection.shard:
        return mine, None
    names = [case.name for case in loaded.cases]
    index, count = map(int, selection.shard.split("/"))
    return mine, DivisionEntry(
        shards=[index], digest=costs.digest(names, count), cases=costs.shares(names, count)
    )


def _since(report: Report) -> str:
    """What changed since the baseline, in one line; empty where nothing did."""
    from harness.gate import telling

    if report.changes is None or not report.changes.changes:
        return ""
    changed = telling.counts(report.changes.changes)
    return f"since {report.changes.baseline}: {changed}; see: conform gate"

"""`conform run`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from harness.cli.common import (
    EXIT_CODES,
    FAMILIES,
    IMPLEMENTATIONS,
    PATHS,
    load_cases,
    report_folder,
    with_changes,
)
from harness.limits import TIME_LIMIT
from harness.project import CASES, REPORTS


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
    keyword: str,
    shard: str,
    report: Path | None,
    full: bool,
    fail_fast: bool,
    time_limit: float,
) -> None:
    """Run the cases below each PATH (by default the suite's own) and write a report."""
    # The harness is imported where it is needed, so that the other commands answer at once.
    from harness import console, durations, report as reporting, suite
    from harness.gate import telling
    from harness.load import Loaded
    from harness.plan import Selection
    from harness.report.model import from_run
    from harness.workers import Workers, default_environments

    folder = report or REPORTS / "latest"
    reporting.ensure_writable(folder)
    selection = Selection(families, implementations, targets, keyword, shard)
    out, err = console.PipeConsole(), console.PipeConsole(stderr=True)
    progress = console.Progressing(out, err)
    try:
        # The frameworks are imported in their workers while the cases are loaded.
        with progress, Workers(default_environments(), time_limit) as workers:
            loaded = load_cases(paths)
            selection.check(loaded.cases)
            mine = selection.share(loaded.cases, durations.read(REPORTS / durations.NAME))
            part = Loaded(mine, loaded.known_divergences)
            result = suite.run(part, workers, selection, progress.listener, fail_fast, full)
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(
            f"{str(interrupt) or 'by the keyboard'} after {progress.so_far}; "
            f"{folder} is left as it was"
        ) from None
    made = from_run(result)
    # The baseline is of the suite's own cases, all of them.
    if {place.resolve() for place in paths or (CASES,)} == {CASES.resolve()}:
        made = with_changes(made)
    reporting.write(made, folder)
    console.print_summary(out, result, str(folder / "index.html"))
    if made.changes is not None and made.changes.changes:
        changed = telling.counts(made.changes.changes)
        out.print(f"since {made.changes.baseline}: {changed}; see: conform gate", soft_wrap=True)
    sys.exit(1 if result.fails else 0)

"""`conform report`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import JSON, Readable, report_folder, with_changes
from harness.listing import counted
from harness.project import REPORTS

if TYPE_CHECKING:
    from harness.report.model import DivisionEntry

_CODES = """\b
Exit codes:
  0    done; with --compare: nothing differs
  1    a shard is missing; with --compare: something differs
  2    wrong usage, a report that cannot be read, or reports that cannot be made one
  70   a fault of the suite itself"""
SHOWN = 20
"""Lines of each kind of difference that are printed; --json has them all."""


@click.command(epilog=_CODES)
@click.argument("places", nargs=-1, required=True, type=Readable(), metavar="REPORT...")
@report_folder(
    "Folder for the report that is written.", "for one REPORT its own, else reports/merged"
)
@click.option("--compare", is_flag=True, help="Say how two reports differ, and write nothing.")
@JSON
def report(places: tuple[Path, ...], report: Path | None, compare: bool, as_json: bool) -> None:
    """Draw a report anew, merge several into one, or compare two.

    REPORT is a folder with a report.json, or such a file. Several are shards of one run, or runs on
    several machines: their cases, trials and environments are united. An environment of the same
    name with other versions is kept beside the first, as 'torch (2)'. Where a trial is judged in
    two ways the worse verdict is kept, and the report says so. Shards that were divided in other
    ways are refused; the cases of a shard that is missing are listed.

    \b
        conform report reports/latest
        conform report shard-1 shard-2 --report reports/merged
        conform report --compare before after
    """
    if compare and (len(places) != 2 or report is not None):
        raise click.UsageError("--compare takes two reports, and writes none")
    if as_json and not compare:
        raise click.UsageError("--json goes with --compare")
    if compare:
        first, second = places
        _compare(first, second, as_json)
    from harness.report import ensure_writable, write
    from harness.report.merging import Part, merged
    from harness.report.reading import read
    from harness.report.summary import sentence

    alone = places[0] if places[0].is_dir() else places[0].parent
    folder = report or (alone if len(places) == 1 else REPORTS / "merged")
    if len(places) == 1:
        result = read(places[0])
    else:
        result = with_changes(merged([Part(str(place), read(place)) for place in places]))
    ensure_writable(folder)
    write(result, folder)
    for incident in result.incidents:
        click.echo(incident)
    click.echo(sentence(result))
    click.echo(f"report: {folder / 'index.html'}")
    if len(places) > 1 and result.division is not None:
        _missing(result.division)


def _missing(division: DivisionEntry) -> None:
    """Print which shards are missing and the cases that none has run, and end with 1."""
    for number, names in division.missing.items():
        shard = f"{number}/{len(division.cases)}"
        cases = counted(len(names), "case")
        click.echo(f"shard {shard} is missing, and no other has run its {cases}:", err=True)
        for name in names:
            click.echo(f"    {name}", err=True)
        click.echo(f"run it and merge again: conform run --shard {shard}", err=True)
    sys.exit(1)


def _compare(first: Path, second: Path, as_json: bool) -> None:
    """Print how two reports differ, and end with 1 where they do."""
    from harness.report.comparing import differences
    from harness.report.reading import read

    found = differences(read(first), read(second))
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=1))
        sys.exit(1 if found else 0)
    kinds = {
        f"only in {first}": found.only_in_first,
        f"only in {second}": found.only_in_second,
        "versions": found.versions,
        "cases that are not the same": found.cases,
        "verdicts": found.verdicts,
        "values": found.values,
        "signatures, exceptions and warnings": found.answers,
    }
    for kind, told in kinds.items():
        if told:
            click.echo(f"{kind}: {len(told):,}")
            for line in told[:SHOWN]:
                click.echo(f"    {' '.join(str(line).split())}")
            if len(told) > SHOWN:
                click.echo(f"    … and {len(told) - SHOWN:,} more; --json has them all")
    click.echo("they differ" if found else "nothing differs")
    sys.exit(1 if found else 0)

"""`conform environments`: list, create, remove."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import ENVIRONMENTS_FILE, JSON, print_rows

if TYPE_CHECKING:
    from harness.environments import Declared


@click.group("environments")
def environments() -> None:
    """List, create and remove environments: interpreters with a version of a framework each."""


@environments.command("list")
@ENVIRONMENTS_FILE
@JSON
def list_(file: Path | None, as_json: bool) -> None:
    """The environments that are declared, and whether they can be used."""
    from harness.environments import load_environments

    rows = [
        {
            "name": each.name,
            "framework": each.framework,
            "python": each.python or each.interpreter,
            "machine": each.ssh or "",
            "state": each.absence or "ready",
            "packages": ", ".join(each.packages[:2]),
        }
        for each in load_environments(file)
    ]
    print_rows(rows, as_json)


@environments.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@ENVIRONMENTS_FILE
@click.option("--anew", is_flag=True, help="Also those that are there already.")
def create(names: tuple[str, ...], file: Path | None, anew: bool) -> None:
    """Make the environments of these names (globs) in .environments, from their pinned packages.

    Those that are there already are left alone. An environment whose version of Python is not on
    this machine is said, and costs no other.

    \b
    Exit codes:
      0    all that can be made here are there
      2    no such name, or packages that cannot be installed
    """
    from harness.environments import make
    from harness.errors import EnvironmentUnmakable

    failed = False
    for declared in _fitting(names, file):
        if declared.python is None:
            continue  # somebody else's, and not asked for by a glob over all
        click.echo(f"{declared.name}: ", nl=False)
        try:
            making = make(declared, anew)
        except EnvironmentUnmakable as error:
            click.echo("skipped: " + error.what if error.missing else "failed: " + error.what)
            failed = failed or not error.missing
        else:
            click.echo("made" if making.made else "is there")
    sys.exit(2 if failed else 0)


@environments.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@ENVIRONMENTS_FILE
def remove(names: tuple[str, ...], file: Path | None) -> None:
    """Remove the environments of these names (globs) that were made here."""
    from harness.environments import remove as taken_away

    for declared in _fitting(names, file):
        click.echo(f"{declared.name}: {'removed' if taken_away(declared) else 'is not there'}")


def _fitting(names: tuple[str, ...], file: Path | None) -> list[Declared]:
    from harness.environments import load_environments
    from harness.errors import UnknownName

    declared = load_environments(file)
    for name in names:
        if not any(fnmatchcase(each.name, name) for each in declared):
            raise UnknownName("environment", name, [each.name for each in declared])
    return [each for each in declared if any(fnmatchcase(each.name, name) for name in names)]

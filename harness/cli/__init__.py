"""The command line: options in, calls out. A module for each command, or for a few of a kind."""

from harness.module_path import leave_out_working_directory

leave_out_working_directory()  # before anything else is imported

import gc
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import click

import harness
from harness import faults, files, output
from harness.cli import (
    compare,
    environments,
    fuzz,
    gate,
    look,
    migrate,
    report,
    run,
    strength,
    verify,
)
from harness.cli.common import EXIT_CODES, INTERRUPTED, OWN_FAULT, UNUSABLE, Finite
from harness.errors import ConformError, NoCurrentFolder

NEW_OBJECTS = 100_000
"""After so many Python looks for garbage in cycles, of which the harness makes hardly any."""


class _Group(click.Group):
    """Ends a command with the exit code of its error, and says the error without a traceback."""

    def main(self, *arguments: Any, **extra: Any) -> Any:
        """Run a command to its end."""
        with output.guarded() as out:
            try:
                return super().main(*arguments, **extra)
            except SystemExit as end:
                out.flush()
                if out.failure is not None and not end.code:
                    click.echo(f"conform: {output.lost(out.failure)}", err=True)
                    sys.exit(UNUSABLE)
                raise

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        """Read the arguments."""
        try:
            return super().make_context(*arguments, **extra)
        except KeyboardInterrupt as interrupt:
            _interrupted(interrupt)
            sys.exit(INTERRUPTED)

    def parse_args(self, context: click.Context, words: list[str]) -> list[str]:
        """Read the arguments of all commands, none of which can have a NUL character."""
        for word in words:
            if "\0" in word:
                raise click.UsageError(f"{word!r} has a NUL character", context)
        return super().parse_args(context, words)

    def invoke(self, context: click.Context) -> Any:
        """Run the command, and end as it ends."""
        signal.signal(signal.SIGTERM, _terminated)
        gc.set_threshold(NEW_OBJECTS)
        try:
            _check_here()
            return super().invoke(context)
        except ConformError as error:
            click.echo(f"conform: {error}", err=True)
            context.exit(error.exit_code)
        except KeyboardInterrupt as interrupt:
            files.interrupted()
            _interrupted(interrupt)
            context.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            said = faults.fault(error)
            if said:
                click.echo(f"conform: {said}", err=True)
                context.exit(UNUSABLE)
            traceback.print_exc()
            click.echo("conform: this is a fault of the suite itself; please report it", err=True)
            context.exit(OWN_FAULT)
        finally:
            files.remove_empty()


def _check_here() -> None:
    """Paths are relative to the current folder, which may be gone."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError as error:
        raise NoCurrentFolder(error) from None


def _interrupted(interrupt: KeyboardInterrupt) -> None:
    text = str(interrupt)
    click.echo(f"conform: interrupted{text and f': {text}'}", err=True)


def _terminated(*_: object) -> None:
    raise KeyboardInterrupt("terminated")


def _with_all_below(command: click.Command) -> Iterator[click.Command]:
    yield command
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        yield from _with_all_below(below)


@click.group(
    cls=_Group, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(harness.__version__, prog_name="conform")
def main() -> None:
    """Check that PyTorch and MindSpore produce the learning-rate schedules that they document."""


for command in (
    run.run,
    report.report,
    gate.gate,
    gate.baseline,
    strength.strength,
    fuzz.fuzz,
    environments.environments,
    verify.verify,
    migrate.migrate,
    compare.compare,
    compare.recorder,
    look.check_cases,
    look.list_,
    look.explain,
    look.doctor,
    look.schema,
    look.document,
):
    main.add_command(command)
    for each in _with_all_below(command):
        for parameter in each.params:
            parameter.type = Finite.of(parameter.type)

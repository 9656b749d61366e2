"""The command line: options in, calls out. A module for each command, or for a few of a kind."""

from harness.module_path import leave_out_working_directory

leave_out_working_directory()  # before anything else is imported

import gc
import signal
import traceback
from typing import Any

import click

import harness
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
from harness.cli.common import EXIT_CODES, INTERRUPTED, OWN_FAULT
from harness.errors import ConformError

NEW_OBJECTS = 100_000
"""After so many Python looks for garbage in cycles, of which the harness makes hardly any."""


class _Group(click.Group):
    """Ends a command with the exit code of its error, and says the error without a traceback."""

    def invoke(self, context: click.Context) -> Any:
        signal.signal(signal.SIGTERM, _terminated)
        gc.set_threshold(NEW_OBJECTS)
        try:
            return super().invoke(context)
        except ConformError as error:
            click.echo(f"conform: {error}", err=True)
            context.exit(error.exit_code)
        except KeyboardInterrupt as interrupt:
            text = str(interrupt)
            click.echo(f"conform: interrupted{text and f': {text}'}", err=True)
            context.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception:
            traceback.print_exc()
            click.echo("conform: this is a fault of the suite itself; please report it", err=True)
            context.exit(OWN_FAULT)


def _terminated(*_: object) -> None:
    raise KeyboardInterrupt("terminated")


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

"""A CALL on the command line: a schedule as it stands in a script, its file, or a line of it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from harness.translation.source import Written

TOO_DEEP = "is nested too deeply to be read"

PER_STEP = click.option(
    "--per-step",
    is_flag=True,
    help="The script calls scheduler.step() after each update, and not after each epoch.",
)
SET = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="What a name in the call stands for, such as args.gamma=0.9.",
)
FROM = click.option(
    "--from",
    "framework",
    type=click.Choice(["torch", "mindspore"]),
    help="Whose CALL is, where both have that name.  [default: torch]",
)


def given(settings: tuple[str, ...]) -> dict[str, Any]:
    """The values of names that `--set` gives."""
    values = {}
    for setting in settings:
        name, separator, text = setting.partition("=")
        try:
            values[name.strip()] = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise click.UsageError(
                f"--set {setting}: as in --set args.gamma=0.9, with a number, a text or a list"
            ) from None
        if not separator or not name.strip():
            raise click.UsageError(f"--set {setting}: as in --set args.gamma=0.9")
    return values


def find(call: str, settings: tuple[str, ...], framework: str | None) -> list[Written]:
    """The calls that a text is, or a file has; nothing of either is run.

    Raises:
        Untranslatable: there is none of an API of the catalogue.
    """
    from harness.errors import Untranslatable
    from harness.translation.source import in_file, in_text

    values = given(settings)
    if not call.strip():
        raise Untranslatable("''", "is no call; as in 'ExponentialLR(gamma=0.9)'")
    name, _, line = call.rpartition(":")
    try:
        if call.endswith(".py"):
            return in_file(Path(call), None, values)
        if name.endswith(".py") and line.isdigit():
            return in_file(Path(name), int(line), values)
        return [in_text(call, values, framework)]
    except RecursionError:
        raise Untranslatable(call[:80], TOO_DEEP) from None

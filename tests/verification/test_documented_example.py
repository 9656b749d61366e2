"""The commands in docs/migration.md do what it shows, and the Chinese page shows the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.documented import Command, commands, stable

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = (ROOT / "docs" / f"migration{ending}.md" for ending in ("", "_zh"))
COMMANDS = list(commands(ENGLISH))
REAL = next(command for command in COMMANDS if command.text.startswith("conform verify"))
"""The one that is run with the installed interpreter, and not with a quick one."""
INSTALLED = Path(sys.executable).parent


def _parameter(command: Command):
    # Those of Python alone train a model, for some seconds.
    marks = [pytest.mark.slow] if "python " in command.text else []
    return pytest.param(command, marks=marks, id=f"line {command.line}")


@pytest.mark.frameworks
@pytest.mark.parametrize("command", list(map(_parameter, COMMANDS)))
def test_a_command_in_the_document_prints_what_it_shows(command, tmp_path, quick_python):
    binaries = INSTALLED if command is REAL else quick_python.parent
    for path in (ROOT / "examples" / "migration").glob("*.py"):
        shutil.copy(path, tmp_path)
    done = subprocess.run(
        command.text,
        shell=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    assert stable(tuple(done.stdout.splitlines())) == stable(command.shown)


def test_the_chinese_page_has_the_same_commands_and_outputs():
    english = [(command.text, command.shown) for command in COMMANDS]
    assert [(command.text, command.shown) for command in commands(CHINESE)] == english
    assert len(english) >= 5

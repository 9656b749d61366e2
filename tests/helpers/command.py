"""`conform` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REAL = sys.executable
"""The interpreter that runs the tests, whatever `sys.executable` names in one of them."""


def conform_call(*arguments: object) -> list[str]:
    """The words of a call of `conform`, in the interpreter that `sys.executable` names now."""
    code = "from harness.cli import main; main()"
    return [sys.executable, "-c", code, *map(str, arguments)]


def conform(*arguments, cwd=None, env=None, **options):
    return subprocess.run(
        conform_call(*arguments),
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def written(folder: Path, text: str, name: str = "a.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path

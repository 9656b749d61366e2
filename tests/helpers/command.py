"""`conform` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REAL = sys.executable
"""The interpreter that runs the tests, whatever `sys.executable` names in one of them."""

HALVING = """\
  - name: halves
    description: The rate halves at every update.
    source: by hand
    family: exponential
    schedule: {base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}
    steps: 4
    expected: {values: [0.5, 0.25, 0.125, 0.0625]}
"""
"""A case for every implementation that can halve a rate."""


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


def without(folder: Path, *names: str) -> dict[str, str]:
    """Variables of an interpreter that cannot import some modules."""
    shadows = folder / "shadows"
    shadows.mkdir()
    for name in names:
        message = f"{name} is not installed (shadowed by a test)"
        text = f"raise ModuleNotFoundError({message!r}, name={name!r})\n"
        written(shadows, text, f"{name}.py")
    return {"PYTHONPATH": str(shadows)}


def written(folder: Path, text: str, name: str = "a.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path

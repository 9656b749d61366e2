"""`conform` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONFORM = [sys.executable, "-c", "from harness.cli import main; main()"]


def conform(*arguments, cwd=None, env=None, **options):
    return subprocess.run(
        [*CONFORM, *map(str, arguments)],
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

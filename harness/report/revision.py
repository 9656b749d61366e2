"""Which commit of the suite is running."""

from __future__ import annotations

import subprocess
from functools import cache

from harness.project import ROOT


@cache
def revision() -> str | None:
    """The git commit of the suite's source tree, with a + where it was changed; None without git.

    >>> commit = revision()
    >>> commit is None or len(commit.rstrip("+")) == 12
    True
    """
    if not (ROOT / ".git").exists():  # installed, perhaps below somebody else's repository
        return None
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None

"""The suite's own cases, loaded once for all tests of a process."""

from __future__ import annotations

from functools import cache

from harness.load import Loaded, load
from harness.project import CASES


@cache
def suite() -> Loaded:
    """Everything below cases/."""
    return load([CASES])

"""Where the suite keeps its own cases and its reports."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.case import KnownDivergence

ROOT = Path(__file__).resolve().parent.parent
# Installed as a package, the suite has no cases beside it: then those of this folder are its own.
CASES = ROOT / "cases" if (ROOT / "cases").is_dir() else Path("cases")
CACHE = CASES.parent / ".conform_cache"
RECORDS = CASES / "known_divergences"
REPORTS = Path("reports")
ENVIRONMENTS = ROOT / "environments.yaml"


def own_folders(besides: Sequence[Path] = ()) -> list[Path]:
    """Where the suite's known divergences are, unless `besides`, folders, hold them anyway."""
    held = any(RECORDS.resolve().is_relative_to(path.resolve()) for path in besides)
    return [] if held or not os.path.lexists(RECORDS) else [RECORDS]


def own_records(besides: Sequence[Path] = ()) -> tuple[KnownDivergence, ...]:
    """The suite's known divergences, unless `besides`, folders that are loaded, hold them anyway.

    They belong to a run of any part of the suite, and do no harm to other cases.
    """
    from harness.load import load  # noqa: PLC0415

    return load(own_folders(besides)).known_divergences

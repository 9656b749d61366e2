"""A search for divergences: random cases of every family, run, judged, shrunk and written down."""

from __future__ import annotations

from harness.fuzz.running import End, Kept, Result, asked, run
from harness.fuzz.search import Asked, Finding
from harness.fuzz.shown import Showing, print_summary

__all__ = [
    "Asked",
    "End",
    "Finding",
    "Kept",
    "Result",
    "Showing",
    "asked",
    "print_summary",
    "run",
]

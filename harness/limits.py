"""Limits of a run that are named before anything else of it is imported."""

from __future__ import annotations

TIME_LIMIT = 30.0
"""Seconds that one trial may take, unless the user says otherwise."""

"""How much is drawn at random where a plain hypothesis profile draws too much, or too little."""

from __future__ import annotations

from hypothesis import settings


def draws(most: int, least: int = 1) -> int:
    """How many draws the profile of conftest.py makes where `all` makes `most`; in proportion."""
    share = settings().max_examples / settings.get_profile("all").max_examples
    return max(least, round(most * share))

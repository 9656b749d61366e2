"""How much is drawn at random where a plain hypothesis profile draws too much, or too little."""

from __future__ import annotations

from hypothesis import settings


def draws(usual: int, least: int = 1) -> int:
    """How many draws the profile of conftest.py makes where `all` makes `usual`; in proportion."""
    share = settings().max_examples / settings.get_profile("all").max_examples
    return max(least, round(usual * share))


def every(usual: int) -> int:
    """Of how many one is tried: of `usual`, and each of them in a nightly run."""
    nightly = settings().max_examples >= settings.get_profile("nightly").max_examples
    return 1 if nightly else usual

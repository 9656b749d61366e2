"""The page's fixed texts, in English and Chinese."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files

from markupsafe import Markup, escape

_PLACE = re.compile(r"\{(\w+)(?::([^|}]*)\|([^}]*))?\}")


@cache
def texts() -> dict[str, dict[str, str]]:
    """Key to language (`en`, `zh`) to text, from `texts.toml`."""
    return tomllib.loads((files("harness.report.page") / "texts.toml").read_text("utf-8"))


def filled(text: str, values: dict[str, object]) -> str:
    """A text with its places taken: `{n}`, or `{n:one|many}` by a number.

    >>> filled("{n} {n:trial|trials}", {"n": 1}), filled("{n} {n:trial|trials}", {"n": 2})
    ('1 trial', '2 trials')
    """

    def taken(place: re.Match[str]) -> str:
        value = values[place[1]]
        return str(value) if place[2] is None else place[2 if value == 1 else 3]

    return _PLACE.sub(taken, text)


def said(key: str, language: str, **values: object) -> str:
    """A text of the table in one language."""
    return filled(texts()[key][language], values)


def both(english: str, chinese: str) -> Markup:
    """English for a page without scripts, and the Chinese for the page's switch."""
    return Markup(f'<span data-zh="{escape(chinese)}">{escape(english)}</span>')


def shown(key: str, **values: object) -> Markup:
    """A text of the table in both languages, as HTML."""
    return both(said(key, "en", **values), said(key, "zh", **values))

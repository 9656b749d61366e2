"""Regular expressions of cases and findings, searched for within a limit of time.

A pattern is data like all of a case, and on some texts the best engine that goes back and forth
takes longer than anybody lives: `(a+)+$` on a long word. The `regex` package knows a time limit.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator

import regex

LIMIT = 2.0
"""Seconds that the search for one pattern may take, in all texts together."""
MAX_LENGTH = 2_000
"""Characters of a pattern: longer ones take seconds to be compiled."""


def check(pattern: str) -> str:
    """The pattern, if it is one.

    Raises:
        ValueError: it is none, and why.
    """
    if len(pattern) > MAX_LENGTH:
        raise ValueError(f"a regular expression of more than {MAX_LENGTH:,} characters")
    try:
        re.compile(pattern)  # the syntax is that of Python's own
        regex.compile(pattern)
    except (re.error, regex.error, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return pattern


def unmatched(pattern: str, texts: Iterable[str], where: str, otherwise: str) -> Iterator[str]:
    """Nothing where one of the texts has a match; otherwise what is to be said.

    Args:
        pattern: what is searched for.
        texts: where.
        where: the same in words, as in `what was printed`.
        otherwise: what is said where nothing matches.
    """
    end = time.monotonic() + LIMIT
    try:
        for text in texts:
            # 0 is no limit.
            if regex.search(pattern, text, timeout=max(1e-3, end - time.monotonic())):
                return
    except TimeoutError:
        yield (
            f"the search for {pattern!r} in {where} was ended after {LIMIT:g} s: "
            "simplify the pattern"
        )
        return
    yield otherwise

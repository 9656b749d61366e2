"""JSON in which no key stands twice: of two values of one key, readers take different ones."""

from __future__ import annotations

import json
from typing import Any

from harness.errors import DuplicateKey


def loads(text: str | bytes) -> Any:
    """What JSON says.

    Raises:
        DuplicateKey: an object has a key twice.
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.

    >>> loads('{"a": 1, "b": {"c": 2, "c": 3}}')
    Traceback (most recent call last):
    harness.errors.DuplicateKey: has the key 'c' twice
    """
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise DuplicateKey(next(key for key in keys if keys.count(key) > 1))
    return found

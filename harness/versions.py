"""Whether a framework's version is one of those meant."""

from __future__ import annotations

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version


def within(version: str, specifiers: str) -> bool:
    """Whether `version`, build tags and pre-releases included, is in a PEP 440 specifier set.

    A version that cannot be read is in none.

    >>> within("2.13.0+cpu", ">=2.13"), within("1.8.1", ">=2.13"), within("unknown", ">=0")
    (True, False, False)
    """
    try:
        return Version(version).public in SpecifierSet(specifiers, prereleases=True)
    except InvalidVersion:
        return False

"""Named environments: an interpreter each, here or on another machine, with one framework."""

from harness.environments.declared import (
    Declared,
    EnvironmentsFile,
    load_environments,
    select,
    specs_of,
)
from harness.environments.making import Making, make, remove

__all__ = [
    "Declared",
    "EnvironmentsFile",
    "Making",
    "load_environments",
    "make",
    "remove",
    "select",
    "specs_of",
]

"""Signatures: as text, and held against what a case says of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.case import Surface
from harness.observation import Parameter


def surface_faults(due: Surface, parameters: tuple[Parameter, ...]) -> Iterable[str]:
    """What is not as due, as sentences."""
    observed = signature_text(parameters)
    if due.signature is not None and not same_signature(due.signature, observed):
        yield f"the signature is {observed}, not {due.signature}"
    by_name = {parameter.name: parameter for parameter in parameters}
    names = list(by_name)
    for name in due.lacks:
        if name in by_name:
            yield f"has a parameter {name!r} in {observed}"
    for name, facts in due.has.items():
        if name not in by_name:
            yield f"has no parameter {name!r} in {observed}"
            continue
        position, default = names.index(name) + 1, by_name[name].default
        if facts.position not in (None, position):
            yield f"parameter {name!r} is at position {position}, not {facts.position}"
        required = default is None and not by_name[name].kind.startswith("VAR_")
        if facts.required is not None and facts.required != required:
            yield f"parameter {name!r} is {'required' if required else 'optional'}"
        if facts.states_default and default != repr(facts.default):
            yield f"the default of {name!r} is {default or 'missing'}, not {facts.default!r}"


def signature_text(parameters: Iterable[Parameter]) -> str:
    """A signature as Python writes it, without annotations.

    >>> signature_text([Parameter("lr", "POSITIONAL_OR_KEYWORD", None),
    ...                 Parameter("fused", "KEYWORD_ONLY", "False")])
    '(lr, *, fused=False)'
    """
    parts: list[str] = []
    positional_only = False
    for parameter in parameters:
        if positional_only and parameter.kind != "POSITIONAL_ONLY":
            parts.append("/")
        positional_only = parameter.kind == "POSITIONAL_ONLY"
        starred = any(part.startswith("*") for part in parts)
        if parameter.kind == "KEYWORD_ONLY" and not starred:
            parts.append("*")
        stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind, "")
        default = "" if parameter.default is None else f"={parameter.default}"
        parts.append(f"{stars}{parameter.name}{default}")
    if positional_only:
        parts.append("/")
    return f"({', '.join(parts)})"


def same_signature(one: str, other: str) -> bool:
    """Whether two signatures are the same but for blanks.

    >>> same_signature("(a, b=1)", "(a,b = 1)")
    True
    """
    return re.sub(r"\s+", "", one) == re.sub(r"\s+", "", other)

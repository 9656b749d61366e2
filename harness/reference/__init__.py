"""What the schedules are, independently of every framework: one module per family.

A family is a frozen model of the schedule's parameters, in the family's own terms, with its formula
as a method; see `harness.reference.schedule`. Families compose.
"""

from __future__ import annotations

from harness.reference.composition import SIMPLE, Chained, Sequential, with_parts
from harness.reference.constant import Constant
from harness.reference.cosine import Cosine, WarmRestarts
from harness.reference.cyclic import Cyclic, OneCycle
from harness.reference.exponential import Exponential
from harness.reference.functional import FUNCTIONS, Function, Lambda, Multiplicative
from harness.reference.inverse_time import InverseTime, NaturalExponential
from harness.reference.linear import Linear
from harness.reference.multistep import MultiStep
from harness.reference.piecewise import Piecewise
from harness.reference.plateau import Plateau, Swa
from harness.reference.polynomial import Polynomial
from harness.reference.schedule import Schedule

__all__ = [
    "FAMILIES",
    "FUNCTIONS",
    "Chained",
    "Constant",
    "Cosine",
    "Cyclic",
    "Exponential",
    "Function",
    "InverseTime",
    "Lambda",
    "Linear",
    "MultiStep",
    "Multiplicative",
    "NaturalExponential",
    "OneCycle",
    "Piecewise",
    "Plateau",
    "Polynomial",
    "Schedule",
    "Sequential",
    "Swa",
    "WarmRestarts",
    "with_parts",
]

_ALL: dict[str, type[Schedule]] = {
    **SIMPLE,
    "chained": Chained,
    "piecewise": Piecewise,
    "plateau": Plateau,
    "sequential": Sequential,
    "swa": Swa,
}
FAMILIES = dict(sorted(_ALL.items()))
"""The schedule models of all families, by name."""

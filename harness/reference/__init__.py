"""What the schedules are, independently of every framework: one module per family.

A family is a frozen model of the schedule's parameters, in the family's own terms, with two
methods: `rates`, the learning rate at given steps, and `counts`, the updates or epochs that it
counts by.
"""

from __future__ import annotations

from harness.reference.exponential import Exponential

__all__ = ["FAMILIES", "Exponential", "Schedule"]

#: The schedule of a case: one of the families.
Schedule = Exponential

FAMILIES: dict[str, type[Schedule]] = {"exponential": Exponential}

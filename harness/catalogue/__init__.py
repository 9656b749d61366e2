"""What is known of every implementation, as data, and how each expresses each family.

`IMPLEMENTATIONS` holds the facts, by API name. `express` turns a schedule in its family's own
terms into the call of one API.
"""

from __future__ import annotations

from harness.catalogue.call import COUNTING, OTHER_OPTIMIZERS, Made, Named, Other, Resume
from harness.catalogue.devices import mode_absence, on_device, optimizer_absence, unfit_device
from harness.catalogue.facts import BASES, IMPLEMENTATIONS
from harness.catalogue.mapping import Call, Mapping, Training, Unsupported, express, mappings
from harness.catalogue.model import Form, Implementation, Kind, Precision
from harness.catalogue.situations import grouped, tensor_rates_absence, unfit

__all__ = [
    "BASES",
    "COUNTING",
    "IMPLEMENTATIONS",
    "OTHER_OPTIMIZERS",
    "Call",
    "Form",
    "Implementation",
    "Kind",
    "Made",
    "Mapping",
    "Named",
    "Other",
    "Precision",
    "Resume",
    "Training",
    "Unsupported",
    "express",
    "grouped",
    "mappings",
    "mode_absence",
    "on_device",
    "optimizer_absence",
    "tensor_rates_absence",
    "unfit",
    "unfit_device",
]

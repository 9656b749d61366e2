"""Environments and their processes, and what is said between them and the harness.

Workers are started before what makes trials is imported, so nothing here imports that before there
are trials.
"""

from harness.workers.environment import Environment, EnvironmentSpec, default_environments
from harness.workers.pool import Workers

__all__ = ["Environment", "EnvironmentSpec", "Workers", "default_environments"]

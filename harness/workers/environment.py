"""An environment: where it is, and what it says of itself once it has been started."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from harness.adapters import ADAPTERS
from harness.errors import EnvironmentUnusable
from harness.versions import within
from harness.workers.connection import ssh_words


@dataclass(frozen=True)
class EnvironmentSpec:
    """Where an environment is: an interpreter, and the adapter for one framework.

    `python` is a path, or a name on the PATH there; without it, it is the interpreter that runs the
    harness, and over ssh `python3`. `ssh` is what `ssh` is to be called with: a destination, and
    options such as `-p 2222 -i key -F config`; without it, the interpreter is on this machine.

    Raises:
        EnvironmentUnusable: a field has a value that no machine could make sense of.
    """

    name: str
    framework: str
    python: str | None = None
    adapter: Path | None = None
    processes: int = 1
    beside: dict[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    """What it has to have; checked as far as it tells its versions."""
    absence: str = ""
    """Why it is not even tried."""
    ssh: str | None = None

    def __post_init__(self) -> None:
        if self.python is not None and not self.python.strip():
            raise EnvironmentUnusable(
                self.name, "python", "it is empty", "give an interpreter's path, or leave it out"
            )
        if self.processes < 1:
            raise EnvironmentUnusable(
                self.name, "processes", f"it is {self.processes}", "give a number from 1"
            )
        if self.ssh is not None:
            try:
                ssh_words(self.ssh)
            except ValueError as error:
                raise EnvironmentUnusable(
                    self.name,
                    "ssh",
                    f"{self.ssh!r} cannot be used: {error}",
                    "give it as for the command ssh, without a command: user@host -p 2222 -i key",
                ) from None

    @property
    def adapter_source(self) -> Path:
        """The adapter's file."""
        return self.adapter or ADAPTERS[self.framework]

    @property
    def files(self) -> dict[str, str]:
        """What lies in the worker's folder, by name: the adapter, and what is given beside it."""
        source = self.adapter_source
        return {source.name: source.read_text(encoding="utf-8"), **self.beside}


def default_environments() -> list[EnvironmentSpec]:
    """Each framework in the interpreter that runs the harness.

    torch steps a schedule in microseconds, MindSpore in milliseconds: it is given the cores.
    """
    processes = {"mindspore": max(1, min(4, os.cpu_count() or 1))}
    return [EnvironmentSpec(name, name, processes=processes.get(name, 1)) for name in ADAPTERS]


@dataclass(frozen=True)
class Environment:
    """One interpreter with one version of a framework, as it describes itself.

    `failure` says why it could not be started; then `crashed` tells a framework that died from one
    that is not there, and there are no devices.
    """

    name: str
    framework: str
    python: str = ""
    version: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    absent_devices: dict[str, str] = field(default_factory=dict)
    printed: str = ""
    failure: str = ""
    crashed: bool = False
    seconds: float = 0.0


def as_told(spec: EnvironmentSpec, message: dict[str, Any]) -> Environment:
    """What an environment says of itself in the first message of its worker."""
    if "failure" in message:
        return Environment(
            spec.name,
            spec.framework,
            failure=message["failure"],
            crashed=not message["missing"],
        )
    unmet = [text for text in spec.packages if not _met(text, message["packages"])]
    if unmet:
        packages = ", ".join(f"{name} {version}" for name, version in message["packages"].items())
        failure = f"has {packages}, and has to have {', '.join(unmet)}"
        return Environment(spec.name, spec.framework, failure=failure)
    return Environment(
        name=spec.name,
        framework=message["framework"],
        python=message["python"],
        version=message["version"],
        packages=message["packages"],
        devices=tuple(message["devices"]),
        absent_devices=message["absent_devices"],
        printed=message["printed"],
        seconds=message["seconds"],
    )


def _met(requirement: str, packages: dict[str, str]) -> bool:
    """Whether a requirement holds, as far as the environment tells its packages."""
    wanted = Requirement(requirement)
    version = packages.get(wanted.name)
    return version is None or within(version, str(wanted.specifier))

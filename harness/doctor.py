"""What is installed here, what works, and what is known not to."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from harness.console import environment_line
from harness.versions import within
from harness.workers import Environment, Workers, default_environments


@dataclass(frozen=True)
class BadCombination:
    """Two packages that do not go together."""

    framework: str
    versions: str
    package: str
    package_versions: str
    symptom: str
    remedy: str

    def applies(self, environment: Environment) -> bool:
        """Whether `environment` has this combination."""
        other = environment.packages.get(self.package)
        return (
            environment.framework == self.framework
            and other is not None
            and within(environment.version, self.versions)
            and within(other, self.package_versions)
        )


BAD_COMBINATIONS = (
    BadCombination(
        "mindspore",
        "<2.11",
        "numpy",
        ">=2",
        "MindSpore starts, warns that its numpy bridge failed, and goes on half-working",
        "pip install 'numpy<2'",
    ),
)


def examine(out: Console) -> int:
    """Print every environment, its devices and its troubles; the exit code that this makes.

    1 where a framework is broken, 3 where none can be used, and otherwise 0.
    """
    with Workers(default_environments()) as workers:
        environments = workers.environments()
    for environment in environments:
        out.print(environment_line(environment), soft_wrap=True)
        if environment.failure:
            again = "--force-reinstall " if environment.crashed else ""
            _print(out, "  ", environment.failure.strip())
            _print(out, "  remedy: ", f"pip install {again}{environment.framework}")
            continue
        _print(out, "  started in ", f"{environment.seconds:.1f} s")
        for device, reason in environment.absent_devices.items():
            _print(out, "  no ", f"{device}: {reason}")
        for bad in BAD_COMBINATIONS:
            if bad.applies(environment):
                found = environment.packages[bad.package]
                _print(out, "  PROBLEM: ", f"{bad.package} {found}: {bad.symptom}", "bold red")
                _print(out, "  remedy: ", bad.remedy)
    if all(environment.failure for environment in environments):
        return 3
    return int(any(environment.crashed for environment in environments))


def _print(out: Console, lead: str, text: str, style: str = "") -> None:
    out.print(Text(f"{lead}{text}", style=style), soft_wrap=True)

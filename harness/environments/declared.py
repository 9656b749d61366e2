"""`environments.yaml`: what environments there are, and what each of them is to have."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from harness.case import Located, Strict
from harness.case_files import shown
from harness.errors import EnvironmentsUnusable, Problem, UnknownName
from harness.load import Source
from harness.project import ENVIRONMENTS, ROOT
from harness.workers import EnvironmentSpec, default_environments
from harness.workers.connection import ssh_words

FOLDER = ROOT / ".environments"
"""Where those are made that the suite makes itself."""


def _requirement(text: str) -> str:
    try:
        Requirement(text)
    except InvalidRequirement:
        raise ValueError(f"not a requirement: {text!r} (as in 'numpy==1.23.5')") from None
    return text


def _interpreter(text: str) -> str:
    if not text.strip():
        raise ValueError("it is blank: give an interpreter's path, or leave it out")
    if not text.isprintable():
        raise ValueError(f"not a path: {text!r}")
    if text.startswith("~"):
        try:
            Path(text).expanduser()
        except RuntimeError:
            raise ValueError(f"no such user: {text.partition('/')[0]}") from None
    return text


def _destination(text: str) -> str:
    ssh_words(text)
    return text


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Interpreter = Annotated[str, AfterValidator(_interpreter)]
Destination = Annotated[str, AfterValidator(_destination)]
Package = Annotated[str, AfterValidator(_requirement)]


class Declared(Located):
    """An environment: where its interpreter is, or of what it is to be made.

    Either `interpreter` names one that is there already, here or where `ssh` leads (`python3` if it
    is left out there); or `python` and `packages` say of what `conform environments create` makes
    it.
    """

    name: Name = Field(description="stands in reports where 'torch' or 'mindspore' stands else")
    framework: Literal["torch", "mindspore"]
    interpreter: Interpreter | None = Field(
        default=None, description="path of a Python that is there; from the file's own folder on"
    )
    ssh: Destination | None = Field(
        default=None, description="what ssh is told to reach its machine: user@host, -p 2222 host"
    )
    python: Annotated[str, StringConstraints(pattern=r"^3\.[0-9]{1,2}$")] | None = Field(
        default=None, description="version of Python that it is made with, such as '3.9'"
    )
    packages: list[Package] = Field(
        default=[], description="what it is made of, or has to have: 'torch==1.8.1'"
    )
    processes: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None, description="processes that it may have side by side"
    )
    description: str = Field(default="", description="what it is there for")

    @model_validator(mode="after")
    def _is_somewhere(self) -> Declared:
        if self.python is not None and self.ssh is not None:
            raise ValueError("what is made is made here: give interpreter beside ssh")
        if self.ssh is None and (self.interpreter is None) == (self.python is None):
            raise ValueError("give either interpreter or python")
        if self.python is not None and not self.pins:
            raise ValueError(f"packages have to pin {self.framework}: '{self.framework}==...'")
        if self.name in ("torch", "mindspore"):
            raise ValueError("this name is that of the framework beside the suite itself")
        return self

    @property
    def pins(self) -> str:
        """The version of the framework that its packages pin, or nothing."""
        for text in self.packages:
            package = Requirement(text)
            versions = [each.version for each in package.specifier if each.operator == "=="]
            if package.name.lower() == self.framework and versions:
                return versions[0]
        return ""

    @property
    def folder(self) -> Path:
        """Where it is made, if it is made here."""
        return FOLDER / self.name

    @property
    def path(self) -> str | None:
        """Its interpreter; None for that which `ssh` finds."""
        if self.ssh is not None:
            return self.interpreter
        if self.interpreter is None:
            return str(self.folder / "bin" / "python")
        # Not resolved: what a link in an environment leads to is the Python outside.
        return str(Path(self.file).absolute().parent / Path(self.interpreter).expanduser())

    @property
    def absence(self) -> str:
        """Why it cannot be used, with the remedy; nothing where it can or nobody knows."""
        if self.ssh is not None or self.path is None:
            return ""
        if self.interpreter is None and self.folder.is_symlink():
            return f"{self.folder} is a link, which is not followed; remedy: remove it"
        if os.access(self.path, os.X_OK) and Path(self.path).is_file():
            return ""
        if self.interpreter is None:
            return f"not made yet; remedy: conform environments create {self.name}"
        what = (
            "is a folder, not a Python"
            if Path(self.path).is_dir()
            else "cannot be executed"
            if Path(self.path).exists()
            else "is not there"
        )
        return f"{self.path} {what}; remedy: mend interpreter in {self.file}:{self.line}"

    @property
    def spec(self) -> EnvironmentSpec:
        """What a worker is started from."""
        return EnvironmentSpec(
            name=self.name,
            framework=self.framework,
            python=self.path,
            processes=self.processes or 1,
            packages=tuple(self.packages),
            ssh=self.ssh,
            absence=self.absence,
        )


class EnvironmentsFile(Strict):
    """The file as a whole."""

    format: Literal[1] = Field(description="version of this format")
    environments: Annotated[list[Declared], Field(min_length=1)]


def load_environments(path: Path | None = None) -> tuple[Declared, ...]:
    """The environments that a file declares, the suite's own by default; none if that is missing.

    Raises:
        EnvironmentsUnusable: with every problem of the file.
    """
    if path is None and not os.path.lexists(ENVIRONMENTS):
        return ()
    path = path or ENVIRONMENTS
    source = Source(shown(path), "docs/environments.md")
    file = source.model(path, EnvironmentsFile)
    declared = file.environments if file is not None else []
    first: dict[str, Declared] = {}
    for index, item in enumerate(declared):
        item.located(str(path), source.lines[("environments", index)])
        known = first.setdefault(item.name, item)
        if known is not item:
            what = f"{item.name!r} is taken by line {known.line}"
            problem = Problem(source.file, item.line, "name", what, "choose another name")
            source.problems.append(problem)
    if source.problems:
        raise EnvironmentsUnusable(source.problems)
    return tuple(declared)


def specs_of(names: Sequence[str], path: Path | None = None) -> list[EnvironmentSpec]:
    """The environments of those names, of a file, which is not read where there are no names.

    Arguments and errors as in `select` and `load_environments`.
    """
    return select(names, load_environments(path) if names else ())


def select(names: Sequence[str], declared: Iterable[Declared]) -> list[EnvironmentSpec]:
    """The environments of those names, in their order, each once; without names the default ones.

    A name is one of `declared`, `torch` or `mindspore` for the one that runs the suite, or a glob.

    Raises:
        UnknownName: for a name that fits none.
    """
    own = default_environments()
    if not names:
        return own
    known = {spec.name: spec for spec in (*own, *(each.spec for each in declared))}
    chosen: dict[str, EnvironmentSpec] = {}
    for name in names:
        fitting = [each for each in known if fnmatchcase(each, name)]
        if not fitting:
            raise UnknownName("environment", name, known)
        chosen |= {each: known[each] for each in fitting}
    return list(chosen.values())

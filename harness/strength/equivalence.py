"""Faults that change nothing that a user could see, each with its proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from harness.strength.faults import Fault

PROOFS = Path(__file__).with_name("equivalent.yaml")


class Proof(BaseModel):
    """Why some faults of a statement have no effect on what is public."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    module: str
    where: str = Field(description="qualified name of the function or class")
    statement: str = Field(description="first line of the statement, as it stands in the source")
    changes: list[str] = Field(min_length=1, description="each as `before → after`")
    reason: str = Field(min_length=20, description="the proof")

    def covers(self, fault: Fault) -> bool:
        """Whether `fault` is one of them."""
        return (
            fault.module == self.module
            and fault.where == self.where
            and fault.statement == self.statement
            and fault.change in self.changes
        )


@dataclass(frozen=True)
class Equivalents:
    """All proofs."""

    proofs: tuple[Proof, ...] = ()

    @classmethod
    def load(cls, path: Path = PROOFS) -> Equivalents:
        """Those that the suite keeps."""
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return cls(tuple(TypeAdapter(list[Proof]).validate_python(content or [])))

    def proof(self, fault: Fault) -> Proof | None:
        """What proves that a fault has no effect."""
        return next((proof for proof in self.proofs if proof.covers(fault)), None)

    def disproven(self, caught: Sequence[Fault], every: Sequence[Fault]) -> list[str]:
        """Changes of proofs whose faults were all caught, or are in a module without them."""
        modules = {fault.module for fault in every}
        texts = []
        for proof in self.proofs:
            for change in proof.changes if proof.module in modules else ():
                mine = [f for f in every if f.change == change and proof.covers(f)]
                what = f"{proof.module}: {proof.where}: {proof.statement!r}: {change}"
                if not mine:
                    texts.append(f"{what}: no such fault")
                elif all(fault in caught for fault in mine):
                    texts.append(f"{what}: a trial catches it")
        return texts

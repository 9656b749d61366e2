"""Names as people give them on the command line: whole, in part, or with the signs of globs."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar

from harness.errors import UnknownName


class Named(Protocol):
    """What has a name."""

    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


def fits(api: str, pattern: str) -> bool:
    """Whether a glob fits an API's name, or its last part.

    >>> fits("torch.optim.lr_scheduler.StepLR", "StepLR"), fits("mindspore.nn.Momentum", "torch.*")
    (True, False)
    """
    return fnmatchcase(api, pattern) or fnmatchcase(api.rpartition(".")[2], pattern)


def one_of(kind: str, items: Iterable[N], name: str) -> N:
    """The one of `items`, of which each is a `kind`, with that name, which may be a glob.

    Raises:
        UnknownName: none fits, or several do.
    """
    names = {item.name: item for item in items}
    fitting = [name] if name in names else [known for known in names if fnmatchcase(known, name)]
    if len(fitting) != 1:
        raise UnknownName(kind, name, names)
    return names[fitting[0]]

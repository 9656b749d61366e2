"""Where the calls are: in a text, or in a Python file, whose syntax tree is read and never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.catalogue import IMPLEMENTATIONS
from harness.errors import Untranslatable, did_you_mean
from harness.files import TooLarge, read_bytes

_MAX_BYTES = 1 << 20
_DOTTED = {api: api.split(".") for api in IMPLEMENTATIONS}
_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef
_BRANCHING = (
    ast.If | ast.For | ast.While | ast.Try | ast.ExceptHandler | ast.match_case | ast.AsyncFor
)
_MINDSPORE = {"mindspore", "ms", "nn", "experimental", "train"}


@dataclass(frozen=True)
class Written:
    """A call of an API of the catalogue, as somebody wrote it.

    `names` are what is known by name around it: values that were given, and the syntax trees of
    expressions and functions; `aliases` the full names of what was imported. `inner` says whether
    the object's `step()` is called in a loop within a loop, None where that cannot be seen.
    """

    api: str
    node: ast.Call
    file: str = ""
    names: dict[str, Any] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    inner: bool | None = None
    framework: str = "torch"

    @property
    def text(self) -> str:
        """The call, in one line."""
        return ast.unparse(self.node)

    @property
    def place(self) -> str:
        """`train.py:12`, or the call itself."""
        return f"{self.file}:{self.node.lineno}" if self.file else self.text

    def at(self, node: ast.AST) -> str:
        """Where a part of it stands."""
        return f"{self.file}:{getattr(node, 'lineno', 0)}" if self.file else self.text

    def api_of(self, node: ast.expr) -> str | None:
        """The API that another call, a part, is of."""
        return _api(node.func, self.aliases, self.framework) if isinstance(node, ast.Call) else None


def in_text(text: str, given: dict[str, Any], framework: str | None = None) -> Written:
    """The call that a text is.

    Args:
        text: such as `ExponentialLR(gamma=0.9)`, with or without the names of its modules.
        given: values of names in it.
        framework: whose it is, where both have an API of that name; torch's, if that is not said.

    Raises:
        Untranslatable: it is no call, or none of an API of the catalogue.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Untranslatable(text, f"is no Python expression: {error}") from None
    if not isinstance(node, ast.Call):
        raise Untranslatable(text, "is no call; as in: conform migrate 'ExponentialLR(gamma=0.9)'")
    api = _api(node.func, {}, framework or "torch")
    if api is None:
        name = ast.unparse(node.func)
        known = sorted({known.rpartition(".")[2] for known in IMPLEMENTATIONS})
        hint = did_you_mean(name.rpartition(".")[2], known)
        raise Untranslatable(text, f"the catalogue has no {name!r}{hint}")
    return Written(api, node, names=dict(given), framework=api.partition(".")[0])


def in_file(path: Path, line: int | None, given: dict[str, Any]) -> list[Written]:
    """The schedules that a Python file makes, in its order; with `line`, those that touch it.

    Calls that are parts of others, written in them or under a name, are not listed by themselves.

    Raises:
        Untranslatable: it cannot be read, or there is none.
    """
    try:
        tree = ast.parse(read_bytes(path, _MAX_BYTES), filename=str(path))
    except TooLarge:
        raise Untranslatable(str(path), "is larger than 1 MiB") from None
    except OSError as error:
        raise Untranslatable(str(path), f"cannot be read: {error.strerror}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f"{path}:{getattr(error, 'lineno', None) or 1}"
        raise Untranslatable(where, f"is no Python: {error}") from None
    aliases = _aliases(tree)
    found = [
        Written(
            api,
            node,
            str(path),
            {**_names(tree, scope, node.lineno), **given},
            aliases,
            _stepped_inside(tree, scope, node),
            api.partition(".")[0],
        )
        for node, scope in _calls(tree)
        if (api := _api(node.func, aliases, None)) is not None
    ]
    parts = {id(part) for written in found for part in _parts(written)}
    found = [written for written in found if id(written.node) not in parts]
    if line is not None:
        within = [w for w in found if w.node.lineno <= line <= (w.node.end_lineno or line)]
        if not within:
            lines = ", ".join(str(w.node.lineno) for w in found) or "none"
            raise Untranslatable(f"{path}:{line}", f"no schedule is made there; lines: {lines}")
        return within
    if not found:
        raise Untranslatable(
            str(path), "makes no schedule of the catalogue; see: conform list implementations"
        )
    return found


def _api(func: ast.expr, aliases: dict[str, str], framework: str | None) -> str | None:
    """The API of the catalogue that a function's name stands for.

    `framework` is whose it is where the name alone is not enough; None: then it has to have been
    imported.
    """
    name = ast.unparse(func)
    if not isinstance(func, ast.Name | ast.Attribute):
        return None
    first, _, rest = name.partition(".")
    full = ".".join(filter(None, (aliases.get(first, first), rest)))
    words = full.split(".")
    candidates = [api for api, dotted in _DOTTED.items() if dotted[-1] == words[-1]]
    if framework is None:
        known = words[0] in {"torch", "mindspore"}
        candidates = [api for api in candidates if known and api.startswith(f"{words[0]}.")]
    elif _MINDSPORE & set(words[:-1]):
        candidates = [api for api in candidates if api.startswith("mindspore.")]
    elif "torch" in words[:-1]:
        candidates = [api for api in candidates if api.startswith("torch.")]

    def likeness(api: str) -> tuple[int, bool]:
        return len(set(_DOTTED[api]) & set(words)), api.startswith(f"{framework}.")

    return max(candidates, key=likeness, default=None)


def _aliases(tree: ast.AST) -> dict[str, str]:
    """What the names that are imported stand for, in full."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                whole = name.name if name.asname else name.name.partition(".")[0]
                aliases[name.asname or whole] = whole
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for name in node.names:
                if name.name == "*":
                    aliases |= {
                        api.rpartition(".")[2]: api
                        for api in IMPLEMENTATIONS
                        if api.rpartition(".")[0] == node.module
                    }
                aliases[name.asname or name.name] = f"{node.module}.{name.name}"
    return aliases


def _calls(tree: ast.AST) -> Iterator[tuple[ast.Call, ast.AST]]:
    """Each call with the function that it stands in, or the module."""

    def within(node: ast.AST, scope: ast.AST) -> Iterator[tuple[ast.Call, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield child, scope
            yield from within(child, child if isinstance(child, _SCOPES) else scope)

    yield from sorted(within(tree, tree), key=lambda found: (found[0].lineno, found[0].col_offset))


_Lines = tuple[int, int]


def _own(scope: ast.AST, within: _Lines | None = None) -> Iterator[tuple[ast.AST, _Lines | None]]:
    """What stands in a scope, without what is in functions in it.

    With each goes the innermost branch or loop around it, from its first to its last line.
    """
    for _, field_ in ast.iter_fields(scope):
        values = field_ if isinstance(field_, list) else [field_]
        nodes: list[Any] = [value for value in values if isinstance(value, ast.AST)]
        inner = within
        if isinstance(scope, _BRANCHING) and nodes and isinstance(nodes[0], ast.stmt):
            inner = nodes[0].lineno, getattr(nodes[-1], "end_lineno", None) or nodes[-1].lineno
        for node in nodes:
            yield node, inner
            if not isinstance(node, _SCOPES | ast.ClassDef | ast.Lambda):
                yield from _own(node, inner)


def _names(tree: ast.AST, scope: ast.AST, line: int) -> dict[str, Any]:
    """What names stand for at a line: assigned in its function before it, or in the module.

    A name that may stand for several things stands for nothing: assigned in a branch or loop that
    the line is not in, or in the module more than once.
    """
    names: dict[str, Any] = {}
    for place in dict.fromkeys((tree, scope)):
        assigned: dict[str, list[tuple[int, Any]]] = {}
        for node, within in _own(place):
            here = getattr(node, "lineno", 0)
            sure = within is None or within[0] <= line <= within[1] or place is not scope
            for name, to in _bound_by(node):
                assigned.setdefault(name, []).append((here, to if sure else None))
        if isinstance(place, _SCOPES):
            for argument in ast.walk(place.args):
                if isinstance(argument, ast.arg):
                    assigned.setdefault(argument.arg, []).insert(0, (0, None))
        for name, values in assigned.items():
            # In its own function what comes later is not known yet; elsewhere one must be all.
            known = (
                [v for at, v in values if at < line] if place is scope else [v for _, v in values]
            )
            if not known:
                continue
            alike = len({ast.dump(v) if v is not None else "" for v in known}) == 1
            names[name] = known[-1] if alike or place is scope else None
    return {name: node for name, node in names.items() if node is not None}


def _bound_by(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """The names that a statement binds, and to what; None where that is not known."""
    if isinstance(node, ast.FunctionDef):
        yield node.name, node
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        yield from _assignments(node)
    elif isinstance(node, ast.For):
        yield from ((n.id, None) for n in ast.walk(node.target) if isinstance(n, ast.Name))
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield ast.unparse(node.optional_vars), None
    elif isinstance(node, ast.NamedExpr):
        yield node.target.id, node.value


def _assignments(node: ast.AST) -> Iterator[tuple[str, Any]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name | ast.Attribute):
                yield ast.unparse(target), node.value
            elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from zip(map(ast.unparse, target.elts), node.value.elts, strict=False)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield ast.unparse(node.target), node.value
    elif isinstance(node, ast.AugAssign):
        yield ast.unparse(node.target), ast.BinOp(node.target, node.op, node.value)


def _parts(written: Written) -> Iterator[ast.Call]:
    """The calls that are arguments of one, also under names and in lists."""

    def within(node: Any, depth: int) -> Iterator[ast.Call]:
        if depth > 20 or not isinstance(node, ast.AST):
            return
        if isinstance(node, ast.Call):
            yield node
        elif isinstance(node, ast.Name | ast.Attribute):
            yield from within(written.names.get(ast.unparse(node)), depth + 1)
        elif isinstance(node, ast.List | ast.Tuple):
            for item in node.elts:
                yield from within(item, depth + 1)

    for argument in (*written.node.args, *(keyword.value for keyword in written.node.keywords)):
        yield from within(argument, 0)


def _stepped_inside(tree: ast.AST, scope: ast.AST, call: ast.Call) -> bool | None:
    """Whether `step()` of the object that a call makes is called in a loop within a loop."""
    target = next(
        (name for n, _ in _own(scope) for name, value in _assignments(n) if value is call), None
    )
    if target is None:
        return None
    depths = []

    def look(node: ast.AST, depth: int) -> None:
        for child in ast.iter_child_nodes(node):
            deeper = depth + isinstance(child, ast.For | ast.While)
            if isinstance(child, ast.Call) and ast.unparse(child.func) == f"{target}.step":
                depths.append(depth)
            look(child, deeper)

    look(tree, 0)
    return max(depths) > 1 if depths else None

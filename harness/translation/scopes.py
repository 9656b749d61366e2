"""What the names of a script stand for, by its syntax tree alone, and which line makes one unknown.

A name stands for a value only if a single place binds it, in the scope that Python takes it from,
and if nothing else in the file can change that value.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Function = ast.FunctionDef | ast.AsyncFunctionDef
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_NEW_VALUES = ast.Compare | ast.BinOp | ast.FormattedValue | ast.Starred | ast.Expr
_CONDITIONS = ast.If | ast.While | ast.Assert
_COPIES = {"copy", "index", "count"}
_READERS = {
    *("len", "print", "max", "min", "sum", "sorted", "tuple", "list", "set", "str", "repr", "any"),
    *("all", "enumerate", "range", "float", "int", "zip", "bool", "isinstance", "type"),
}
_DYNAMIC = {"exec", "eval", "globals", "locals", "vars"}
_ATTRIBUTE_SETTERS = {"setattr", "delattr", "vars"}


class NotLiteral(ValueError):
    """What cannot be worked out from the syntax tree alone.

    `node` is the place; `unknown` the name, where nothing but its value is missing.
    """

    def __init__(self, node: ast.AST, what: str, unknown: str = "") -> None:
        self.node, self.what, self.unknown = node, what, unknown
        super().__init__(what)


@dataclass(frozen=True)
class Binding:
    """A place that binds a name.

    `value` is the expression, function or class that it is bound to, None where that is not known;
    `full` the full name of what is imported.
    """

    node: ast.AST
    value: ast.AST | None = None
    full: str = ""


@dataclass(eq=False)
class Scope:
    """A module, class, function, lambda or comprehension, with what it binds."""

    node: ast.AST
    outer: Scope | None
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    declared: dict[str, type[ast.AST]] = field(default_factory=dict)

    @property
    def is_class(self) -> bool:
        """Whether it is a class body, whose names are not seen by what is in it."""
        return isinstance(self.node, ast.ClassDef)


@dataclass(eq=False)
class Scopes:
    """The scopes of a script."""

    tree: ast.Module
    known_calls: frozenset[str] = frozenset()
    """Functions, by their last names, that leave a list as it is."""
    exported: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """What `from module import *` binds, of modules of which that is known."""

    def __post_init__(self) -> None:
        self.module = Scope(self.tree, None)
        self.parents: dict[ast.AST, ast.AST] = {}
        self.stars: list[ast.ImportFrom] = []
        self.dynamic: list[ast.AST] = []
        self.attribute_setters: list[ast.AST] = []
        self.attributes: dict[str, list[Binding]] = {}
        self._scopes: dict[ast.AST, Scope] = {}
        self._own: dict[ast.AST, Scope] = {self.tree: self.module}
        self._assigned: dict[ast.AST, ast.AST] = {}
        self._loads: dict[tuple[Scope, str], list[ast.Name]] = {}
        for child in ast.iter_child_nodes(self.tree):
            self._visit(child, self.tree, self.module)
        self._bring_home()
        for node in self._scopes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                owner = self.owner(node)
                if owner is not None:
                    self._loads.setdefault((owner, node.id), []).append(node)

    # What there is

    def scope(self, node: ast.AST) -> Scope:
        """The scope in which a node is evaluated."""
        return self._scopes[node]

    def own(self, node: ast.AST) -> Scope:
        """The scope that a function or a class makes."""
        return self._own[node]

    def owner(self, name: ast.Name) -> Scope | None:
        """The scope that a name is taken from; None for one that nothing in the file binds."""
        scope: Scope | None = self._scopes[name]
        first = True
        while scope is not None:
            declared = scope.declared.get(name.id)
            if declared is ast.Global:
                return self.module if name.id in self.module.bindings else None
            if name.id in scope.bindings and (first or not scope.is_class):
                return scope
            scope, first = scope.outer, False
        return None

    def loads(self, owner: Scope, name: str) -> list[ast.Name]:
        """The places where a name of a scope is read."""
        return self._loads.get((owner, name), [])

    def enclosing(self, node: ast.AST, kinds: Any) -> ast.AST | None:
        """The innermost node of some kinds around a node."""
        around = self.parents.get(node)
        while around is not None and not isinstance(around, kinds):
            around = self.parents.get(around)
        return around

    def binding(self, name: ast.Name, star: bool = True) -> Binding:
        """The one place that binds a name.

        `star` tells whether a later `import *` makes an import unknown too.

        Raises:
            NotLiteral: there is none, there are several, or something else may bind it.
        """
        owner = self.owner(name)
        if owner is None:
            raise NotLiteral(name, f"`{name.id}` is not known{self._star()}", name.id)
        bindings = owner.bindings[name.id]
        first = bindings[0]
        if len(bindings) > 1 and not (first.full and all(b.full == first.full for b in bindings)):
            lines = "; ".join(self._told(binding.node) for binding in bindings[:4])
            raise NotLiteral(name, f"`{name.id}` is not known: {lines}", name.id)
        if first.value is None and not first.full:
            told = self._told(first.node)
            raise NotLiteral(name, f"`{name.id}` is not known: {told}", name.id)
        if owner is self.module and (star or not first.full):
            self._check_module(name, first)
        return first

    def full(self, node: ast.AST, star: bool = True) -> str | None:
        """The full name of what was imported: `torch.optim.SGD` of `optim.SGD`.

        None for what was not; of what is not bound here, the name, as of Python's own functions.

        Raises:
            NotLiteral: several places bind it.
        """
        if isinstance(node, ast.Attribute):
            of = self.full(node.value, star)
            return None if of is None else f"{of}.{node.attr}"
        if not isinstance(node, ast.Name):
            return None
        if self.owner(node) is not None:
            return self.binding(node, star).full or None
        for every in reversed(self.stars):
            if (names := self.exported.get(every.module or "")) is None or every.level:
                told = self._told(every)
                raise NotLiteral(
                    node, f"`{node.id}` may be bound by another module: {told}", node.id
                )
            if node.id in names:
                return f"{every.module}.{node.id}"
        return node.id

    def of(self, node: ast.AST) -> ast.AST:
        """The expression, function or class that a name or an attribute stands for.

        Raises:
            NotLiteral: it has to be run to be known.
        """
        if isinstance(node, ast.Attribute):
            return self._of_attribute(node)
        assert isinstance(node, ast.Name)
        found = self.binding(node)
        if found.value is None:
            raise NotLiteral(node, f"`{node.id}` is not known: {self._told(found.node)}", node.id)
        owner = self.owner(node)
        if owner is not None and _is_mutable(found.value):
            for load in self.loads(owner, node.id):
                if not self._is_only_read(load):
                    told = self._told(load)
                    raise NotLiteral(node, f"`{node.id}` may be changed: {told}", node.id)
        return found.value

    def _of_attribute(self, node: ast.Attribute) -> ast.AST:
        text = ast.unparse(node)
        unknown = f"`{text}` is not known"
        bindings = self.attributes.get(node.attr, [])
        if not bindings or not isinstance(node.value, ast.Name):
            raise NotLiteral(node, f"{unknown}{self.why(node.value)}", text)
        found = bindings[0]
        others = [b for b in bindings if b is not found] + [
            Binding(setter) for setter in self.attribute_setters
        ]
        if others or found.value is None or _is_mutable(found.value):
            told = "; ".join(self._told(each.node) for each in (found, *others)[:4])
            raise NotLiteral(node, f"{unknown}: {told}", text)
        for load in self._loads_of_object(node.value, found):
            around = self.parents[load]
            if isinstance(around, ast.Attribute):
                continue
            if isinstance(around, ast.Call) and ast.unparse(around.func) == "super":
                continue
            if isinstance(around, ast.Call) and around.func is load and not around.args:
                continue
            told = self._told(load)
            raise NotLiteral(node, f"`{text}` may be changed: {told}", text)
        return found.value

    def why(self, base: ast.expr) -> str:
        """Which line makes an object unknown, as the rest of a sentence."""
        while isinstance(base, ast.Attribute):
            base = base.value
        try:
            found = self.binding(base) if isinstance(base, ast.Name) else None
        except NotLiteral as error:
            reason = error.what.partition(": ")[2]
            return f": {reason}" if reason else ""
        return f": {self._told(found.node)}" if found is not None else ""

    def _loads_of_object(self, base: ast.Name, found: Binding) -> Iterator[ast.Name]:
        """Where the object is read whose attribute a place binds: the same as that of a node."""
        made, here = found.node, self._class_of_self(base)
        if isinstance(made, ast.Attribute):
            there = self._class_of_self(made.value) if isinstance(made.value, ast.Name) else None
        else:
            around = self._scopes[made].node
            there = around if isinstance(around, ast.ClassDef) else None
        if here is not None and here is there:
            for node in self._scopes:
                if isinstance(node, ast.Name) and self._class_of_self(node) is here:
                    yield node
            return
        owner = self.owner(base)
        same = (
            isinstance(made, ast.Attribute)
            and isinstance(made.value, ast.Name)
            and self.owner(made.value) is owner
            and made.value.id == base.id
        )
        if here is None and owner is not None and (same or self.binding(base).value is there):
            self.binding(base)
            yield from self.loads(owner, base.id)
            return
        told = self._told(made)
        raise NotLiteral(base, f"`{base.id}` is not known to be the same object: {told}", base.id)

    def _class_of_self(self, name: ast.Name) -> ast.ClassDef | None:
        """The class of whose methods a name is the first parameter."""
        owner = self.owner(name)
        if owner is None or not isinstance(owner.node, Function):
            return None
        around = self.parents.get(owner.node)
        arguments = [*owner.node.args.posonlyargs, *owner.node.args.args]
        is_first = bool(arguments) and arguments[0].arg == name.id
        if not is_first or len(owner.bindings[name.id]) > 1:
            return None
        return around if isinstance(around, ast.ClassDef) else None

    def _check_module(self, name: ast.Name, found: Binding) -> None:
        for node in self.dynamic:
            if not found.full:
                raise NotLiteral(name, f"`{name.id}` may be changed: {self._told(node)}", name.id)
        line = getattr(found.node, "lineno", 0)
        at_top = self.parents.get(self._statement(found.node)) is self.tree
        for star in self.stars:
            names = self.exported.get("" if star.level else star.module or "")
            may_bind = names is None or name.id in names
            first = star.lineno < line and at_top and self.parents.get(star) is self.tree
            if may_bind and not first:
                told = self._told(star)
                raise NotLiteral(name, f"`{name.id}` may be bound anew: {told}", name.id)

    def _star(self) -> str:
        return f": {self._told(self.stars[-1])}" if self.stars else ""

    def _statement(self, node: ast.AST) -> ast.AST:
        around = node
        while not isinstance(around, ast.stmt) and around in self.parents:
            around = self.parents[around]
        return around

    def _told(self, node: ast.AST) -> str:
        """The line of the script with a node, and its number."""
        line = f"line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.arg):
            return f"{line} has `{node.arg}` as a parameter"
        return f"{line} has `{short(self._statement(node))}`"

    def _is_only_read(self, load: ast.AST) -> bool:
        """Whether a place where a list is named leaves it as it is, and keeps no second name."""
        node, around = load, self.parents[load]
        if isinstance(around, ast.keyword):
            node, around = around, self.parents[around]
        if isinstance(around, ast.Call) and node is not around.func:
            called = ast.unparse(around.func)
            last = called.rpartition(".")[2]
            if called in _READERS:
                return isinstance(around.func, ast.Name) and self.owner(around.func) is None
            return last in self.known_calls
        if isinstance(around, ast.Subscript):
            return isinstance(around.ctx, ast.Load) and around.value is node
        if isinstance(around, ast.For | ast.AsyncFor | ast.comprehension):
            return around.iter is node
        if isinstance(around, ast.Attribute):
            called_here = isinstance(self.parents[around], ast.Call)
            return around.attr in _COPIES and called_here
        if isinstance(around, _CONDITIONS | ast.IfExp):
            return around.test is node
        return isinstance(around, _NEW_VALUES)

    # How the tree is gone through

    def _visit(  # noqa: PLR0912 - a kind each
        self, node: ast.AST, around: ast.AST, scope: Scope
    ) -> None:
        self.parents[node] = around
        self._scopes[node] = scope
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() | ast.ClassDef():
                self._definition(node, scope)
                return
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._comprehension(node, scope)
                return
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                scope.declared |= dict.fromkeys(names, type(node))
            case ast.Import() | ast.ImportFrom():
                self._import(node, scope)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._assign(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, value)
            case ast.NamedExpr(target=target, value=value):
                self._assign(target, value)
            case ast.Name(ctx=ast.Store() | ast.Del()) as name:
                self._bind(name.id, self._home(node, scope), node, self._assigned.get(node))
            case ast.Attribute(ctx=ast.Store() | ast.Del()):
                found = Binding(node, self._assigned.get(node))
                self.attributes.setdefault(node.attr, []).append(found)
            case ast.ExceptHandler(name=str() as text):
                self._bind(text, scope, node)
            case ast.MatchAs(name=str() as text) | ast.MatchStar(name=str() as text):
                self._bind(text, scope, node)
            case ast.MatchMapping(rest=str() as text):
                self._bind(text, scope, node)
            case ast.Call(func=ast.Name(id=called), args=args):
                if called in _DYNAMIC and not (called == "vars" and args):
                    self.dynamic.append(node)
                if called in _ATTRIBUTE_SETTERS:
                    self.attribute_setters.append(node)
            case ast.Attribute(attr="__dict__" | "__setattr__"):
                self.attribute_setters.append(node)
            case ast.Attribute(attr="modules", value=ast.Name(id="sys")):
                self.dynamic.append(node)
        for child in ast.iter_child_nodes(node):
            self._visit(child, node, scope)

    def _home(self, node: ast.AST, scope: Scope) -> Scope:
        """A walrus in a comprehension binds a name of the scope around it."""
        while isinstance(self.parents[node], ast.NamedExpr) and isinstance(
            scope.node, _COMPREHENSIONS
        ):
            assert scope.outer is not None
            scope = scope.outer
        return scope

    def _definition(self, node: Function | ast.Lambda | ast.ClassDef, scope: Scope) -> None:
        own = self._own[node] = Scope(node, scope)
        if not isinstance(node, ast.Lambda):
            self._bind(node.name, scope, node, node)
        inside = node.body if isinstance(node.body, list) else [node.body]
        if isinstance(node, ast.ClassDef):
            outside: list[ast.AST] = [*node.decorator_list, *node.bases, *node.keywords]
        else:
            arguments = [each for each in ast.walk(node.args) if isinstance(each, ast.arg)]
            for argument in arguments:
                self._bind(argument.arg, own, argument)
            outside = [node.args]
            if not isinstance(node, ast.Lambda):
                outside += [*node.decorator_list, *([node.returns] if node.returns else [])]
        for child in outside:
            self._visit(child, node, scope)
        for child in inside:
            self._visit(child, node, own)

    def _comprehension(self, node: Any, scope: Scope) -> None:
        own = self._own[node] = Scope(node, scope)
        for number, generator in enumerate(node.generators):
            self.parents[generator], self._scopes[generator] = node, own
            for child in ast.iter_child_nodes(generator):
                first = number == 0 and child is generator.iter
                self._visit(child, generator, scope if first else own)
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.comprehension):
                self._visit(child, node, own)

    def _import(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        for name in node.names:
            if isinstance(node, ast.Import):
                full = name.name if name.asname else name.name.partition(".")[0]
                self._bind(name.asname or full, scope, node, full=full)
                if name.name == "__main__":
                    self.dynamic.append(node)
            elif name.name == "*":
                self.stars.append(node)
            else:
                module = "." * node.level + (node.module or "")
                self._bind(name.asname or name.name, scope, node, full=f"{module}.{name.name}")

    def _assign(self, target: ast.expr, value: ast.AST) -> None:
        self._assigned[target] = value
        if (
            isinstance(target, ast.Tuple | ast.List)
            and isinstance(value, ast.Tuple | ast.List)
            and len(target.elts) == len(value.elts)
            and not any(isinstance(e, ast.Starred) for e in (*target.elts, *value.elts))
        ):
            for one, other in zip(target.elts, value.elts, strict=True):
                self._assign(one, other)

    def _bind(
        self, name: str, scope: Scope, node: ast.AST, value: ast.AST | None = None, full: str = ""
    ) -> None:
        scope.bindings.setdefault(name, []).append(Binding(node, value, full))
        if scope.is_class and name not in scope.declared:
            self.attributes.setdefault(name, []).append(Binding(node, value))

    def _bring_home(self) -> None:
        """Give what `global` and `nonlocal` are said of to the scope that it is of."""
        for scope in list(self._own.values()):
            for name, kind in scope.declared.items():
                bindings = scope.bindings.pop(name, [])
                home: Scope | None = self.module if kind is ast.Global else scope.outer
                while home is not None and kind is ast.Nonlocal and name not in home.bindings:
                    home = home.outer
                (home or self.module).bindings.setdefault(name, []).extend(bindings)


def _is_mutable(value: ast.AST) -> bool:
    """Whether an expression makes something, such as a list, that can be changed later."""
    kinds = ast.List | ast.Dict | ast.Set | _COMPREHENSIONS
    return (
        isinstance(value, ast.expr)
        and not isinstance(value, ast.Lambda | ast.Call)
        and any(isinstance(node, kinds) for node in ast.walk(value))
    )


def short(node: ast.AST) -> str:
    """The first line of a piece of a script, cut where it is long."""
    text = ast.unparse(node).strip().splitlines()[0]
    return text if len(text) <= 60 else text[:57] + "..."

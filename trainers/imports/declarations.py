"""What registered classes say of themselves, read from the text of their modules.

To import a method's module brings torch, which takes a second. What people ask of a method (its
paper, its group, its options and their defaults) stands in its class as plain values, so that its
text is answer enough. Nothing is imported: a value is an expression of literals and of constants
of our own modules. A class that says more than that is left out, and must be imported to be asked.
"""

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from fdsweep.trainers.registry import coerce, sources

OURS = "fdsweep."
TYPES = {
    "MappingProxyType": MappingProxyType,
    **{kind.__name__: kind for kind in (bool, int, float, str)},
}
"""What an expression may name beside constants."""


class _UnsaidError(Exception):
    """Only the imported class can tell."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the text of a registered class says.

    `values` are the attributes of the class and of those that it is made from, `options` the
    keyword parameters of its constructor that have a default, as `resolve_options` gives it.
    """

    name: str
    version: int
    values: Mapping[str, Any]
    options: Mapping[str, Any]


@cache
def declarations(package: str) -> Mapping[str, Declaration]:
    """The classes that the modules of `package` register, by name.

    Example:
        >>> declarations("fdsweep.trainers.distillers")["kd"].options
        {'weight': 1.0, 'temperature': 4.0}
    """
    found = {}
    for module in sources(package):
        text = _read(module)
        for node in text.classes.values():
            for name, version in _registered(node):
                with suppress(_UnsaidError):
                    values, options = text.attributes(node), text.options(node)
                    found[name] = Declaration(name, version, values, options)
    return found


@cache
def _read(module: str) -> "_Text":
    return _Text(sources(module.rpartition(".")[0])[module].read_text(encoding="utf-8"))


class _Text(Mapping[str, object]):
    """A module's text; as a mapping, what its names stand for."""

    def __init__(self, text: str) -> None:
        self.classes: dict[str, ast.ClassDef] = {}
        self._expressions: dict[str, ast.expr] = {}
        self._imported: dict[str, tuple[str, str]] = {}
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef):
                self.classes[node.name] = node
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OURS):
                for alias in node.names:
                    self._imported[alias.asname or alias.name] = str(node.module), alias.name
            else:
                self._expressions |= _assigned(node)

    def __getitem__(self, name: str) -> object:
        if name in self._expressions:
            return self.value(self._expressions[name])
        if name in self._imported:
            module, own = self._imported[name]
            return _read(module)[own]
        return TYPES[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*self._expressions, *self._imported, *TYPES))

    def __len__(self) -> int:
        return len(tuple(iter(self)))

    def value(self, expression: ast.expr) -> object:
        """What `expression` gives in this module; _UnsaidError if its text does not tell."""
        code = compile(ast.Expression(expression), "<declaration>", "eval")
        try:
            return eval(code, {"__builtins__": {}}, self)
        except Exception:
            raise _UnsaidError from None

    def attributes(self, node: ast.ClassDef) -> dict[str, Any]:
        """The attributes of a class of this module, inherited ones included."""
        found: dict[str, Any] = {}
        for text, base in reversed(self._bases(node)):
            found |= text.attributes(base)
        for statement in node.body:
            found |= {name: self.value(x) for name, x in _assigned(statement).items()}
            if isinstance(statement, ast.FunctionDef):
                found.pop(statement.name, None)  # a property, where it was a value
        return found

    def options(self, node: ast.ClassDef) -> dict[str, Any]:
        """The keyword parameters that have a default, of the constructor that the class has."""
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
                arguments = statement.args
                pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
                return {
                    parameter.arg: coerce(
                        self.value(default), self.value(parameter.annotation), parameter.arg
                    )
                    for parameter, default in pairs
                    if default is not None and parameter.annotation is not None
                }
        return next((text.options(base) for text, base in self._bases(node)), {})

    def _bases(self, node: ast.ClassDef) -> "list[tuple[_Text, ast.ClassDef]]":
        """The classes of ours that `node` is made from."""
        names = [base.id for base in node.bases if isinstance(base, ast.Name)]
        return [found for name in names if (found := self._class(name))]

    def _class(self, name: str) -> "tuple[_Text, ast.ClassDef] | None":
        if name in self.classes:
            return self, self.classes[name]
        if name in self._imported:
            module, own = self._imported[name]
            return _read(module)._class(own)
        return None


def _registered(node: ast.ClassDef) -> Iterator[tuple[str, int]]:
    """The names and versions under which a class is registered."""
    for call in node.decorator_list:
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "register"
        ):
            given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
            yield ast.literal_eval(call.args[0]), given.get("version", 1)


def _assigned(node: ast.stmt) -> dict[str, ast.expr]:
    """The names that a statement sets, with the expression of their value."""
    if isinstance(node, ast.Assign):
        return {name.id: node.value for name in node.targets if isinstance(name, ast.Name)}
    if isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
        return {node.target.id: node.value}
    return {}

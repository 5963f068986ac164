"""YAML that people write, within bounds: size, nesting, whole numbers, and no key twice."""

import re
from pathlib import Path
from typing import Any

import yaml

from fdsweep.search_spaces.errors import ConfigError, clipped

MAX_BYTES = 1_000_000
MAX_DEPTH = 30
MAX_VALUES = 25_000
"""Values of a file, each counted as often as an alias repeats it."""

WHOLE_LIMIT = 2**63
"""Whole numbers are below it, and above its negative: tables hold 64 bits."""

FIX = "Give a YAML file"


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number; YAML 1.1 knows only 1.0e-3."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth, self._values = 0, 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401
        """The next node; an error where it makes the document too deep or too large."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        is_alias = self.check_event(yaml.AliasEvent)
        before = self._values
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _fault(f"nested more than {MAX_DEPTH} deep", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias and id(node) not in self._sizes:
            raise _fault("an alias stands inside what it repeats", event.start_mark)
        self._values += self._sizes[id(node)] if is_alias else 1
        if self._values > MAX_VALUES:
            raise _fault(f"more than {MAX_VALUES} values", event.start_mark)
        self._sizes.setdefault(id(node), self._values - before)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401
        """The next mapping; an error where one of its keys stands twice."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise _fault(f"{clipped(key.value)!r} stands twice", key.start_mark)
                seen.add((key.tag, key.value))
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401
        """What `node` spells; an error where that has no value or none that can be stored."""
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, str):
                value.encode()
            wrong = isinstance(value, int) and abs(value) >= WHOLE_LIMIT
        except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError):
            wrong = True
        if wrong:
            what = "cannot be used as a value"
            raise _fault(f"{clipped(str(node.value))!r} {what}", node.start_mark)
        return value


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _fault(what: str, mark: yaml.Mark) -> yaml.YAMLError:
    return yaml.YAMLError(f"{what}, in line {mark.line + 1}")


def read_yaml(path: Path) -> Any:  # noqa: ANN401
    """What the YAML file `path` holds.

    Raises:
        ConfigError: no such file, larger than MAX_BYTES, or not YAML within the bounds.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig") if len(content) <= MAX_BYTES else ""
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read ({error})", str(path), FIX) from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"is larger than {MAX_BYTES / 1e6:g} MB", str(path), FIX)
    try:
        return _loaded(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"is not YAML: {' '.join(str(error).split())}", str(path)) from None


def parse_value(text: str) -> Any:  # noqa: ANN401
    """What `text` spells in YAML, within the same bounds; yaml.YAMLError if it is none.

    Example:
        >>> parse_value("1e-3"), parse_value("true"), parse_value("mse")
        (0.001, True, 'mse')
    """
    return _loaded(text)


def _loaded(text: str) -> Any:  # noqa: ANN401
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def spell_yaml(value: object) -> str:
    """`value` as YAML in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")

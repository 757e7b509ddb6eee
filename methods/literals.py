"""Reads the literal attributes of classes from the text of their files, without importing them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from methods.errors import InputError


@dataclass(frozen=True)
class ClassText:
    """A class as it is written in a file."""

    path: Path
    name: str
    line: int
    values: Mapping[str, ast.expr]  # the expressions that the body assigns, by name
    classes: frozenset[str]  # the names of the classes in its body

    def literal(self, name: str, kinds: type | tuple[type, ...], like: str, default: object = ...) -> object:
        """The value of an attribute, or `default` if the class does not assign it.

        kinds: the allowed types. like: an example of a valid value, for the message. Raises InputError if the attribute
        is missing and has no default, is not a literal, or has another type.
        """
        try:
            value = ast.literal_eval(self.values[name]) if name in self.values or default is ... else default
        except (KeyError, ValueError, TypeError):
            value = ...
        if not isinstance(value, kinds):
            raise self.wrong(name, f"needs a literal {name}, as {name} = {like}")
        return value

    def wrong(self, name: str, what: str) -> InputError:
        """An error that names the line of an attribute, or that of the class."""
        line = getattr(self.values.get(name), "lineno", self.line)
        return InputError(f"{self.path}, line {line}: class {self.name} {what}")


def class_with_id(path: Path) -> ClassText | None:
    """The class of a file that assigns an `id`; None if the file has no such class.

    Raises InputError if the file cannot be read or has several such classes.
    """
    try:
        tree = ast.parse(path.read_bytes(), path.name)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from None
    classes = [
        ClassText(path, node.name, node.lineno, _assigned(node), _classes(node))
        for node in tree.body
        if isinstance(node, ast.ClassDef) and "id" in _assigned(node)
    ]
    if len(classes) > 1:
        raise InputError(f"{path} has {len(classes)} classes with an id; put each in a file of its own")
    return classes[0] if classes else None


def _assigned(node: ast.ClassDef) -> dict[str, ast.expr]:
    """The assignments NAME = VALUE in the body of a class."""
    values = {}
    for each in node.body:
        targets = each.targets if isinstance(each, ast.Assign) else [getattr(each, "target", None)]
        if isinstance(each, ast.Assign | ast.AnnAssign) and each.value is not None:
            values |= {target.id: each.value for target in targets if isinstance(target, ast.Name)}
    return values


def _classes(node: ast.ClassDef) -> frozenset[str]:
    return frozenset(each.name for each in node.body if isinstance(each, ast.ClassDef))

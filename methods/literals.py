"""What classes say about themselves as literals, read from the text of their files: nothing is imported."""

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
    values: Mapping[str, ast.expr]  # what its body assigns, by name
    classes: frozenset[str]  # the classes in its body, by name

    def literal(self, name: str, kinds: type | tuple[type, ...], like: str, default: object = ...) -> object:
        """The value of an attribute, `default` where there is none.

        like: a sound value as it is written. Raises InputError where the attribute is missing, is no literal, or is of
        none of these kinds.
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
    """The class of a file that gives itself an `id`, if there is one.

    Raises InputError where the file cannot be read or has several.
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
        raise InputError(f"{path} holds {len(classes)} classes with an id; give each a file of its own")
    return classes[0] if classes else None


def _assigned(node: ast.ClassDef) -> dict[str, ast.expr]:
    """What stands in the body of a class as NAME = VALUE."""
    values = {}
    for each in node.body:
        targets = each.targets if isinstance(each, ast.Assign) else [getattr(each, "target", None)]
        if isinstance(each, ast.Assign | ast.AnnAssign) and each.value is not None:
            values |= {target.id: each.value for target in targets if isinstance(target, ast.Name)}
    return values


def _classes(node: ast.ClassDef) -> frozenset[str]:
    return frozenset(each.name for each in node.body if isinstance(each, ast.ClassDef))

"""The built-in methods as their files describe them, for whoever lists them or shows results without loading any.

Each file of this folder that holds a method says all of it in its class: `id`, `title`, `memoryless`, `reference`, its
`order` in the table and `stream_settings`. They are read from the file's syntax tree, so they must be literals.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from methods.errors import InputError

StreamSettings = Mapping[str, Mapping[str, tuple[object, str]]]
"""By stream and setting: a value and its source."""

FOLDER = Path(__file__).parent


class MethodRow(NamedTuple):
    """How a method stands in the table."""

    title: str
    memoryless: bool | None  # None: the question does not apply
    reference: str


@dataclass(frozen=True)
class Description:
    """What the file of a built-in method says about it."""

    id: str
    module: str
    name: str  # of its class
    row: MethodRow
    order: float  # smaller numbers stand higher in the table
    stream_settings: StreamSettings


def described(folder: Path) -> dict[str, Description]:
    """The methods in the files of a folder by id: in their `order`, and those without one after them, by id.

    Raises InputError, one line that names the file, where a file cannot be read or its class lacks something.
    """
    found: dict[str, Description] = {}
    for path in sorted(folder.glob("*.py")):
        for each in _in_file(path):
            if each.id in found:
                raise InputError(f"{path}: its id '{each.id}' is also that of {found[each.id].module}; choose another")
            found[each.id] = each
    return {each.id: each for each in sorted(found.values(), key=lambda each: (each.order, each.id))}


def _in_file(path: Path) -> list[Description]:
    """The method of a file, or none: a class that gives itself an id is one."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from None
    classes = [(node, _assigned(node)) for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = [(node, values) for node, values in classes if "id" in values]
    if len(methods) > 1:
        raise InputError(f"{path} holds {len(methods)} classes with an id; give each method a file of its own")
    return [_description(path, node, values) for node, values in methods]


def _assigned(node: ast.ClassDef) -> dict[str, ast.expr]:
    """What stands in the body of a class as NAME = VALUE."""
    values = {}
    for each in node.body:
        targets = each.targets if isinstance(each, ast.Assign) else [getattr(each, "target", None)]
        if isinstance(each, ast.Assign | ast.AnnAssign) and each.value is not None:
            values |= {target.id: each.value for target in targets if isinstance(target, ast.Name)}
    return values


def _description(path: Path, node: ast.ClassDef, values: Mapping[str, ast.expr]) -> Description:
    def literal(name: str, kinds: type | tuple[type, ...], like: str, default: object = ...) -> object:
        """The value of an attribute of the class. Raises InputError where it is missing or of no such kind."""
        try:
            value = ast.literal_eval(values[name]) if name in values or default is ... else default
        except (KeyError, ValueError, TypeError):
            value = ...
        if not isinstance(value, kinds):
            line = getattr(values.get(name), "lineno", node.lineno)
            raise InputError(f"{path}, line {line}: class {node.name} needs a literal {name}, as {name} = {like}")
        return value

    memoryless = literal("memoryless", (bool, type(None)), "True, False or None")
    row = MethodRow(literal("title", str, '"EWC"'), memoryless, literal("reference", str, '"its paper"'))
    settings = literal("stream_settings", dict, '{"permuted-mnist": {"batch_size": (64, "its source")}}', {})
    wrong = misformed(settings)
    if wrong:
        raise InputError(f"{path}, line {values['stream_settings'].lineno}: class {node.name}: {wrong}")
    order = literal("order", int | float, "7", float("inf"))
    module = f"methods.{path.stem}"
    return Description(literal("id", str, '"ewc"'), module, node.name, row, order, settings)


def misformed(settings: object) -> str | None:
    """What is wrong with the form of a method's `stream_settings`, if anything."""
    if not isinstance(settings, Mapping) or not all(isinstance(each, Mapping) for each in settings.values()):
        return 'stream_settings must be as {"permuted-mnist": {"batch_size": (64, "its source")}}'
    for stream, chosen in settings.items():
        for name, pair in chosen.items():
            if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], str) and pair[1]):
                return (
                    f"stream_settings of '{stream}': '{name}' must be a value and its source, as (64, \"its source\")"
                )
    return None


DESCRIPTIONS = described(FOLDER)
METHOD_ROWS: dict[str, MethodRow] = {id: each.row for id, each in DESCRIPTIONS.items()}


def memoryless(method: str) -> str:
    """'yes' or 'no', 'n/a' where the question does not apply, a dash for an external method."""
    return {True: "yes", False: "no", None: "n/a"}[METHOD_ROWS[method].memoryless] if method in METHOD_ROWS else "–"

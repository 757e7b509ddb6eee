"""The built-in methods as their files describe them, for whoever lists them or shows results without loading any.

Each file of this folder that holds a method says all of it in its class: `id`, `title`, `memoryless`, `reference`, its
`order` in the table and `stream_settings`. They are read from the file's syntax tree, so they must be literals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import NamedTuple

from methods.errors import InputError
from methods.literals import ClassText, class_with_id

StreamSettings = Mapping[str, Mapping[str, tuple[object, str]]]
"""By stream and setting: a value and its source. OTHERS stands for every stream that is not named."""
OTHERS = "*"

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
        text = class_with_id(path)
        if text:
            each = _description(text)
            if each.id in found:
                raise InputError(f"{path}: its id '{each.id}' is also that of {found[each.id].module}; choose another")
            found[each.id] = each
    return {each.id: each for each in sorted(found.values(), key=lambda each: (each.order, each.id))}


def _description(text: ClassText) -> Description:
    memoryless = text.literal("memoryless", (bool, NoneType), "True, False or None")
    row = MethodRow(text.literal("title", str, '"EWC"'), memoryless, text.literal("reference", str, '"its paper"'))
    like = '{"permuted-mnist": {"batch_size": (64, "its source")}}'
    settings = text.literal("stream_settings", dict, like, {})
    wrong = misformed(settings)
    if wrong:
        raise text.wrong("stream_settings", f"is not sound: {wrong}")
    order = text.literal("order", (int, float), "7", float("inf"))
    return Description(text.literal("id", str, '"ewc"'), f"methods.{text.path.stem}", text.name, row, order, settings)


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

"""Descriptions of the built-in methods, for lists and tables that do not load the methods.

The class of each method describes it: `id`, `title`, `memoryless`, `reference`, its `order` in the table and
`stream_settings`. This module reads them from the syntax tree of the file, so they must be literals.
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
"""{stream: {setting: (value, source)}}. The key OTHERS stands for every stream that is not named."""
OTHERS = "*"

FOLDER = Path(__file__).parent


class MethodRow(NamedTuple):
    """What the table shows about a method."""

    title: str
    memoryless: bool | None  # None: not applicable
    reference: str


@dataclass(frozen=True)
class Description:
    """A built-in method as its file describes it."""

    id: str
    module: str
    name: str  # of the class
    row: MethodRow
    order: float  # the table lists smaller numbers first
    stream_settings: StreamSettings
    own_settings: bool  # whether the class defines its own Settings; they are known only after loading the file


def described(folder: Path) -> dict[str, Description]:
    """The methods in the files of a folder, by id, sorted by `order` and then by id; those without an order are last.

    Raises InputError, one line that names the file, if a file cannot be read or an attribute of its class is missing.
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
    wrong = malformed(settings)
    if wrong:
        raise text.wrong("stream_settings", f"has a wrong form: {wrong}")
    order = text.literal("order", (int, float), "7", float("inf"))
    id, own = text.literal("id", str, '"ewc"'), "Settings" in text.classes
    return Description(id, f"methods.{text.path.stem}", text.name, row, order, settings, own)


def malformed(settings: object) -> str | None:
    """What is wrong with the form of a method's `stream_settings`; None if it is right."""
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
    """'yes', 'no' or, where not applicable, 'n/a'; a dash for an external method."""
    return {True: "yes", False: "no", None: "n/a"}[METHOD_ROWS[method].memoryless] if method in METHOD_ROWS else "–"

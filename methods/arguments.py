"""Arguments of the parts of a run, such as `schedule.gamma`: how they are read and recorded.

The parts of a run are its stream, network, optimizer and schedule, each chosen by name. The arguments of a part are
recorded as settings named PART.NAME, together with the settings that every run has.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from functools import cache

from pydantic import ConfigDict

from methods.errors import InputError
from methods.settings import Settings

PARTS = ("stream", "network", "optimizer", "schedule")

LONGEST_TEXT = 500
"""Maximum number of characters of an argument that is text. A record does not hold more."""


def part_of(name: str) -> str | None:
    """The part to which an argument PART.NAME belongs; None for a setting that every run has."""
    part, dot, _ = name.partition(".")
    return part if dot and part in PARTS else None


def arguments_of(settings: Settings, part: str) -> dict[str, object]:
    """The arguments of one part, by their names without the prefix PART."""
    prefix = f"{part}."
    return {name.removeprefix(prefix): value for name, value in settings if name.startswith(prefix)}


def with_arguments(settings: Settings, arguments: Mapping[str, object]) -> Settings:
    """The settings with these arguments added, named PART.NAME."""
    if not arguments:
        return settings
    return _open(type(settings)).model_validate(settings.everything() | dict(arguments))


def literal(value: object) -> object:
    """The value of a text that is a Python literal (a number, True, None, a list); any other value unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def canonical(value: object, default: object = None) -> object:
    """The canonical form of an argument, the same for equal values such as 1, 1.0 and True, or 0.0 and -0.0.

    If the default is a number, the value is converted to its type, provided that the conversion is exact. Otherwise a
    whole float becomes an integer, and True stays True. The values inside lists, tuples and dictionaries are converted
    without a default.
    """
    if isinstance(value, list | tuple):
        return type(value)(canonical(each) for each in value)
    if isinstance(value, dict):
        return {name: canonical(each) for name, each in value.items()}
    if not isinstance(value, bool | int | float):
        return value
    if isinstance(default, bool) and value in (0, 1):
        return bool(value)
    if isinstance(default, float) and abs(value) <= 2**53:  # float64 holds all integers up to this bound exactly
        return float(value) + 0.0
    if isinstance(default, int) and not isinstance(default, bool) and isinstance(value, bool):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def recorded(name: str, value: object) -> object:
    """The value of an argument as a record holds it: a number, True, False, None, or the text that was typed.

    Raises InputError for a name or a value that no record can hold.
    """
    part = name.partition(".")[0]
    if not re.fullmatch(r"[\w.]{1,100}", name):
        raise InputError(f"{name!r} is not the name of an argument: write {part}.NAME=VALUE")
    read = literal(value)
    if isinstance(read, float) and not math.isfinite(read):
        raise InputError(f"{name} cannot be {value}: it should be finite")
    if read is None or isinstance(read, bool | int | float):
        return 0.0 if isinstance(read, float) and read == 0 else read  # -0.0 would give an equal run another record
    text = str(value)
    if not text.isprintable() or len(text) > LONGEST_TEXT:
        raise InputError(f"{name} should be at most {LONGEST_TEXT} printable characters")
    return text


@cache
def _open(model: type[Settings]) -> type[Settings]:
    return type(model.__name__, (model,), {"__module__": __name__, "model_config": ConfigDict(extra="allow")})

"""How streams from elsewhere are named, and told their arguments, without loading any."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

from benchmark.catalogue import STREAMS
from methods.errors import InputError

AVALANCHE = "avalanche:"
ARGUMENT = "stream."
"""What the names of a stream's arguments begin with among the settings."""


def from_elsewhere(name: str) -> bool:
    """Whether a name typed after --stream is no id of the suite's own: avalanche:NAME, or a Python file."""
    return name.startswith(AVALANCHE) or name.endswith(".py") or "/" in name


def stream_id(name: str) -> str:
    """What a stream is called in records: its own id, avalanche:NAME, or the stem of its file.

    Raises InputError where a file cannot give a name.
    """
    if not from_elsewhere(name) or name.startswith(AVALANCHE):
        return name
    stem = Path(name).stem
    if stem in STREAMS:
        raise InputError(f"--stream: {name} would be called {stem}, which is a stream of the suite; rename the file")
    if Path(name).suffix != ".py" or not re.fullmatch(r"\w[\w.+-]*", stem):
        raise InputError(f"--stream: {name} is no Python file named with letters, digits, '_' and '-'")
    return stem


def split(overrides: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """The arguments of a stream, as they are recorded, and the other settings."""
    arguments = {
        name.removeprefix(ARGUMENT): _recorded(value) for name, value in overrides.items() if name.startswith(ARGUMENT)
    }
    return arguments, {name: value for name, value in overrides.items() if not name.startswith(ARGUMENT)}


def literal(value: object) -> object:
    """Text as the Python literal that it is (a number, True, None, a list ...), else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def _recorded(value: object) -> object:
    """A number, truth value or None as such; lists and the like stay the text that was typed."""
    read = literal(value)
    return read if read is None or isinstance(read, bool | int | float | str) else value

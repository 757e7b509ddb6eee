"""How streams from elsewhere are named, and told their arguments, without loading any."""

import ast
import math
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import ConfigDict

from benchmark.streams.kinds import STREAMS
from methods.errors import InputError
from methods.settings import Settings

AVALANCHE = "avalanche:"
ARGUMENT = "stream."
"""What the names of a stream's arguments begin with among the settings."""


def from_elsewhere(name: str) -> bool:
    """Whether a name typed after --stream is no id of the suite's own: avalanche:NAME, or a Python file."""
    return name.startswith(AVALANCHE) or is_file(name)


def is_file(name: str) -> bool:
    """Whether a name typed after --stream or --method means a file."""
    return not name.startswith(AVALANCHE) and ("/" in name or os.sep in name or name.endswith(".py"))


def canonical(name: str) -> str:
    """The name as it holds in any process of this machine: a file by its absolute path, the others as they are."""
    return os.path.abspath(os.path.expanduser(name)) if is_file(name) else name


def stream_id(name: str) -> str:
    """What a stream is called in records: its own id, avalanche:NAME, or the stem of its file.

    Raises InputError where a file cannot give a name.
    """
    if not from_elsewhere(name) or name.startswith(AVALANCHE):
        return name
    from benchmark.records.schema import is_identifier  # with NumPy, which the command line's help needs not
    from benchmark.records.store import GPU_FOLDER, SEARCH_FOLDER

    stem = Path(name).stem
    if stem in STREAMS:
        raise InputError(f"--stream: {name} would be called {stem}, which is a stream of the suite; rename the file")
    if stem in (SEARCH_FOLDER, GPU_FOLDER):
        raise InputError(f"--stream: {name} would be recorded in the folder {stem}, which has a use; rename the file")
    if Path(name).suffix != ".py" or ":" in stem or not is_identifier(stem):
        raise InputError(f"--stream: {name} is no Python file named with letters, digits, '_' and '-', 200 at most")
    return stem


def split(stream: str, overrides: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """The arguments of a stream, stream.NAME as they are recorded, and the other settings.

    Streams of the suite take no arguments. Raises InputError for an argument that no record can hold.
    """
    if not from_elsewhere(stream):
        return {}, dict(overrides)
    arguments = {name: _recorded(name, value) for name, value in overrides.items() if name.startswith(ARGUMENT)}
    return arguments, {name: value for name, value in overrides.items() if name not in arguments}


def with_arguments(settings: Settings, arguments: Mapping[str, object]) -> Settings:
    """The settings with a stream's arguments among them, by the names that `split` gives."""
    return _open(type(settings)).model_validate(dict(settings) | dict(arguments)) if arguments else settings


def arguments_of(settings: Settings) -> tuple[tuple[str, object], ...]:
    """The arguments of the stream among the settings, by their own names."""
    return tuple((name.removeprefix(ARGUMENT), value) for name, value in settings if name.startswith(ARGUMENT))


@cache
def _open(model: type[Settings]) -> type[Settings]:
    return type(model.__name__, (model,), {"__module__": __name__, "model_config": ConfigDict(extra="allow")})


def literal(value: object) -> object:
    """Text as the Python literal that it is (a number, True, None, a list ...), else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def _recorded(name: str, value: object) -> object:
    """A number, truth value or None as such; lists and the like stay the text that was typed."""
    if not re.fullmatch(r"[\w.]{1,100}", name):
        raise InputError(f"{name!r} is no argument: write {ARGUMENT}NAME=VALUE")
    read = literal(value)
    if isinstance(read, float) and not math.isfinite(read):
        raise InputError(f"{name} cannot be {value}: it should be finite")
    if read is None or isinstance(read, bool | int | float):
        return read
    text = str(value)
    if not text.isprintable() or len(text) > 500:
        raise InputError(f"{name} should be at most 500 printable characters")
    return text

"""Names and arguments of external streams, without loading the streams."""

import os
from collections.abc import Mapping
from pathlib import Path

from benchmark.streams.kinds import STREAMS
from methods.arguments import PARTS, part_of, recorded
from methods.arguments import arguments_of as parts_arguments
from methods.errors import InputError
from methods.settings import Settings

AVALANCHE = "avalanche:"
ARGUMENT = "stream."
"""Prefix of a stream's arguments in the settings."""


def from_elsewhere(name: str) -> bool:
    """Whether a name typed after --stream is that of an external stream: avalanche:NAME or a Python file."""
    return name.startswith(AVALANCHE) or is_file(name)


def is_file(name: str) -> bool:
    """Whether a name typed after --stream or --method is that of a file."""
    return not name.startswith(AVALANCHE) and ("/" in name or os.sep in name or name.endswith(".py"))


def canonical(name: str) -> str:
    """The name in a form that is valid in every process of this machine: a file becomes its absolute path."""
    return os.path.abspath(os.path.expanduser(name)) if is_file(name) else name


def stream_id(name: str) -> str:
    """The id of a stream in records: an id of the suite, avalanche:NAME, or the stem of its file.

    Raises InputError if the stem of the file is not a valid id.
    """
    if not from_elsewhere(name) or name.startswith(AVALANCHE):
        return name
    from benchmark.records.schema import is_identifier  # imports NumPy, which the command line's help must not load
    from benchmark.records.store import GPU_FOLDER, SEARCH_FOLDER

    stem = Path(name).stem
    if stem in STREAMS:
        raise InputError(f"--stream: {name} has the name of the suite's stream '{stem}'; rename the file")
    if stem in (SEARCH_FOLDER, GPU_FOLDER):
        raise InputError(f"--stream: {name}: '{stem}' is a reserved folder name; rename the file")
    if Path(name).suffix != ".py" or ":" in stem or not is_identifier(stem):
        raise InputError(
            f"--stream: {name} is not a Python file with a name of letters, digits, '_' and '-', 200 at most; rename it"
        )
    return stem


def split(stream: str, overrides: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """The overrides in two groups: arguments PART.NAME of the run's parts, as they are recorded, and other settings.

    A stream of the suite takes no arguments. Raises InputError for an argument that no record can hold.
    """
    parts = PARTS if from_elsewhere(stream) else [part for part in PARTS if part != "stream"]
    arguments = {name: recorded(name, value) for name, value in overrides.items() if part_of(name) in parts}
    return arguments, {name: value for name, value in overrides.items() if name not in arguments}


def arguments_of(settings: Settings) -> tuple[tuple[str, object], ...]:
    """The arguments of the stream in the settings, by their names without the prefix."""
    return tuple(parts_arguments(settings, "stream").items())

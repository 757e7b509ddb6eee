"""How streams from elsewhere are named, and told their arguments, without loading any."""

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
    """The arguments of the run's parts, PART.NAME as they are recorded, and the other settings.

    Streams of the suite take no arguments. Raises InputError for an argument that no record can hold.
    """
    parts = PARTS if from_elsewhere(stream) else [part for part in PARTS if part != "stream"]
    arguments = {name: recorded(name, value) for name, value in overrides.items() if part_of(name) in parts}
    return arguments, {name: value for name, value in overrides.items() if name not in arguments}


def arguments_of(settings: Settings) -> tuple[tuple[str, object], ...]:
    """The arguments of the stream among the settings, by their own names."""
    return tuple(parts_arguments(settings, "stream").items())

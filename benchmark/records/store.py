"""Run records on disk: one JSON file a run, written whole or not at all."""

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ValidationError

from benchmark.common import files as atomic
from benchmark.records.schema import Divergence, Metrics, Provenance, Record, Value, compose, digest, sealed, text
from methods.errors import InputError

__all__ = [
    "Divergence",
    "Metrics",
    "Provenance",
    "Record",
    "Value",
    "compose",
    "digest",
    "files",
    "load",
    "load_all",
    "load_placed",
    "path_of",
    "read_placed",
    "recorded",
    "save",
    "text",
]

SEARCH_FOLDER, GPU_FOLDER = "search", "gpu"
"""Below a results directory: results directories of their own, of the runs from which settings were chosen, and of the
table's runs on a GPU."""


def path_of(results: Path, method: str, stream: str, seed: int, settings: Mapping[str, Value] | BaseModel) -> Path:
    """Where a run's record lies: <results>/<stream>/<method>/seed-<seed>-<digest of settings>.json."""
    canonical = json.dumps(dict(settings), sort_keys=True, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:8]
    return Path(results) / stream / method / f"seed-{seed}-{digest}.json"


def save(results: Path, record: Record) -> Path:
    """Write the record to its place, in whole or not at all, and return the place.

    Raises InputError where the folder cannot be written or the disk is full; what was there before stays.
    """
    path = path_of(results, record.method, record.stream, record.seed, record.settings)
    draft = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    atomic.write(path, text(record).encode(), draft)
    return path


def load(path: Path) -> Record:
    """Read one record. Raises InputError, one line naming the file, for whatever is not a sound record."""
    return sealed(_read(path), None)


def _read(path: Path) -> Record:
    """The record, with the digest that its file gives."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # reading a pipe or a device may never end
            raise InputError(f"{path} is no record: it is not a regular file; remove it")
        return Record.model_validate_json(Path(path).read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) + ": " if first["loc"] else ""
        reason = "".join(letter if letter.isprintable() else " " for letter in f"{where}{first['msg']}")
        raise InputError(f"{path} is not a sound record ({reason[:200]}); remove it and run it again") from None


def load_placed(path: Path, results: Path) -> Record:
    """Read the record at `path` below `results`; InputError also where it belongs to another place."""
    return sealed(read_placed(path, results), None)


def read_placed(path: Path, results: Path) -> Record:
    """As `load_placed`, with the digest that the file gives in the record's provenance; None where it gives none."""
    record = _read(path)
    home = path_of(results, record.method, record.stream, record.seed, record.settings)
    if home != path:
        raise InputError(
            f"{path} does not belong there: its method, stream, seed and settings belong to {home}; "
            "it was renamed, copied or edited, so remove it and run it again"
        )
    return record


def load_all(results: Path) -> list[Record]:
    """Every record below a results directory, in the order of the paths; none if there is no such directory.

    Raises InputError at the first file that is not a sound record or not in its place, and at a folder that
    cannot be read: no table is made of less, or of other numbers, than the directory seems to hold.
    """
    results = Path(results)
    if os.path.exists(results) and not os.path.isdir(results):
        raise InputError(f"{results} is not a directory; name a results directory with --results")

    def fail(error: InputError) -> None:
        raise error

    return [load_placed(path, results) for path in files(results, fail) if path.suffix == ".json"]


def files(results: Path, unreadable: Callable[[InputError], None]) -> Iterator[Path]:
    """What lies where records lie, <results>/<stream>/<method>/*, in the order of the paths.

    SEARCH_FOLDER, GPU_FOLDER and folders whose names begin with a dot are left out. `unreadable` is called for every
    folder that cannot be listed.
    """

    def inside(folder: Path) -> list[Path]:
        try:
            return sorted(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            unreadable(_unreadable(folder, error))
            return []

    for stream in inside(results):
        if not stream.name.startswith(".") and stream.name not in (SEARCH_FOLDER, GPU_FOLDER):
            for method in inside(stream):
                yield from inside(method)


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot read {path}: {error.strerror or error}; make it readable, or remove it")


def recorded(
    results: Path,
    method: str,
    stream: str,
    seed: int,
    settings: Mapping[str, Value] | BaseModel,
    code: str,
    data: Mapping[str, str],
    measure: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
) -> bool:
    """Whether the run is recorded, complete or diverged, under the same settings, code and data.

    measure: options and code of the probes whose measurements the record must hold, by name.

    Raises InputError where its record is damaged.
    """
    path = path_of(results, method, stream, seed, settings)
    if not os.path.exists(path):  # unlike Path.exists, also where the name is too long or a folder is closed
        return False
    record = load(path)
    return (
        (record.method, record.stream, record.seed, record.settings) == (method, stream, seed, dict(settings))
        and record.provenance.code == code
        and record.provenance.data == dict(data)
        and all(_holds(record, probe, options["options"], options["code"]) for probe, options in measure.items())
    )


def _holds(record: Record, probe: str, options: Mapping[str, object], code: object) -> bool:
    measured = (record.measurements or {}).get(probe)
    return measured is not None and (measured.options, measured.code) == (dict(options), code)

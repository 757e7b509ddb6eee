"""Checkpoints of runs that train together, written at the end of each task and deleted when the runs are recorded.

Seeds that train together are saved and resumed together. The last bits of a seed's numbers can depend on the other
seeds, because the position of its row in a tensor decides which kernel multiplies it.
Checkpoints of runs that are never resumed stay. `rm -r RESULTS/.state` deletes nothing that is recorded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from benchmark.common import files
from benchmark.records import store

FOLDER = ".state"


@dataclass
class Outcome:
    """The result of one seed.

    accuracy_matrix: a[t][i] for each trained task t; None for a task i that the seed has not seen by then.
    measurements: by probe, in the form of measurement.Measurement; None before the end of the run or without probes.
    """

    accuracy_matrix: list[list[float | None]] = field(default_factory=list)
    status: str = "complete"
    diverged: dict[str, int] | None = None
    seconds: float = 0.0
    measurements: dict[str, JsonValue] | None = None

    def add_rows(self, count: int, tasks: int, accuracy: Callable[[int], float]) -> None:
        """Append a row for each of the last `count` trained tasks. All these rows are equal.

        tasks: T, the number of tasks of the run. accuracy: the accuracy on a task, called for each task seen so far.
        """
        met = len(self.accuracy_matrix) + count
        row = [accuracy(task) for task in range(met)] + [None] * (tasks - met)
        self.accuracy_matrix.extend([row] * count)


class Damaged(ValueError):
    """A checkpoint file cannot be used. The message says why."""


class Point(BaseModel):
    """The progress of the runs, and what must be equal for them to continue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: dict[str, JsonValue]  # method, stream, settings, code, data, versions, device and processor
    seeds: list[int]  # in the order of the rows
    threads: int = Field(ge=1)  # of the process: the number decides the order of sums
    started: str
    phase: int = Field(ge=0)  # phases trained and evaluated
    outcomes: list[Outcome]


@dataclass(frozen=True)
class State:
    """A checkpoint: the progress, the tensors of all seeds (see engine.Cell.state), and the file."""

    path: Path
    point: Point
    tensors: dict[str, Tensor]


def identity(
    method: str,
    stream: str,
    settings: Mapping[str, object] | BaseModel,
    origin: Mapping[str, object],
    measure: Mapping[str, JsonValue] = MappingProxyType({}),
) -> dict[str, JsonValue]:
    """Everything that must be equal for a run to continue bit for bit.

    origin: see benchmark.records.provenance.gather. measure: options and code of the requested probes, by name. A
    checkpoint may have measured with other probes too.
    """
    same = {name: origin[name] for name in ("code", "data", "versions", "device", "processor")}
    measured = {f"probe {name}": value for name, value in measure.items()}
    return {"method": method, "stream": stream, "settings": dict(settings)} | same | measured


def path_of(
    results: Path, method: str, stream: str, seeds: Sequence[int], settings: Mapping[str, object] | BaseModel
) -> Path:
    """The path of the checkpoint of these seeds, below <results>/.state/<stream>/<method>/."""
    run = store.path_of(results, method, stream, seeds[0], settings).stem
    company = hashlib.sha256(json.dumps(list(seeds)).encode()).hexdigest()[:8]
    return Path(results) / FOLDER / stream / method / f"{run}-{company}.safetensors"


def save(path: Path, point: Point, tensors: Mapping[str, Tensor]) -> None:
    """Write a checkpoint atomically.

    Raises InputError if the folder cannot be written or the disk is full; the old checkpoint then stays.
    """
    text, tensors = point.model_dump_json(), {name: value.cpu() for name, value in tensors.items()}
    put(path, safetensors.torch.save(tensors, {"point": text, "digest": _digest(text, tensors)}))


def put(path: Path, content: bytes) -> None:
    """Write the bytes of a checkpoint, for example from another machine, atomically."""
    files.write(path, content, _draft(path))


def load(path: Path) -> State:
    """Read a checkpoint. Raises Damaged if it cannot be used, and FileNotFoundError if there is none."""
    try:
        if path.exists() and not path.is_file():  # opening a pipe may never end
            raise Damaged("it is not a regular file")
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
        text = metadata["point"]
        if metadata["digest"] != _digest(text, tensors):
            raise Damaged("its digest does not match")
        return State(path, Point.model_validate_json(text), tensors)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Damaged(error.strerror or "it cannot be read") from None
    except (SafetensorError, KeyError, ValidationError):
        raise Damaged("it is cut short or no state") from None


def remove(path: Path) -> None:
    """Remove a checkpoint and the draft of an interrupted save."""
    path.unlink(missing_ok=True)
    _draft(path).unlink(missing_ok=True)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")  # one fixed name: only the process that claimed the runs writes it


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()

"""What runs trained side by side have reached, kept in a file from the end of a task until they are recorded.

The last bits of a seed's numbers can depend on its place among the seeds beside it: where its row of a tensor
lies decides which kernel multiplies it. So runs that were begun together are kept, and go on, together.
Files of runs that nobody takes up again stay; `rm -r RESULTS/.state` loses nothing that is recorded.
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
    """What came of one seed, and where it diverged if it did.

    accuracy_matrix: a[t][i] for the tasks t trained; None for a task i not met by then, which is not measured.
    measurements: by probe, as schema.Measurement has them; None until the run is over, and where nothing is measured.
    """

    accuracy_matrix: list[list[float | None]] = field(default_factory=list)
    status: str = "complete"
    diverged: dict[str, int] | None = None
    seconds: float = 0.0
    measurements: dict[str, JsonValue] | None = None

    def add_rows(self, count: int, tasks: int, accuracy: Callable[[int], float]) -> None:
        """Measure the tasks met once `count` more are trained, of `tasks` in all; a row for each of the `count`."""
        met = len(self.accuracy_matrix) + count
        row = [accuracy(task) for task in range(met)] + [None] * (tasks - met)
        self.accuracy_matrix.extend([row] * count)


class Damaged(ValueError):
    """A file of state that cannot be used, and why."""


class Point(BaseModel):
    """How far the runs are, and what must be the same where they go on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: dict[str, JsonValue]  # method, stream, settings, code, data, versions, device and processor
    seeds: list[int]  # in their order side by side
    threads: int = Field(ge=1)  # of the process: they decide the order of sums
    started: str
    phase: int = Field(ge=0)  # phases trained and evaluated
    outcomes: list[Outcome]


@dataclass(frozen=True)
class State:
    """A point with the tensors of all its seeds (see engine.Cell.state), and the file that holds both."""

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
    """What must be the same for a run to go on bit for bit; origin: see benchmark.records.provenance.gather.

    measure: options and code of the probes asked for, by name; what else was measured is no matter.
    """
    same = {name: origin[name] for name in ("code", "data", "versions", "device", "processor")}
    measured = {f"probe {name}": value for name, value in measure.items()}
    return {"method": method, "stream": stream, "settings": dict(settings)} | same | measured


def path_of(
    results: Path, method: str, stream: str, seeds: Sequence[int], settings: Mapping[str, object] | BaseModel
) -> Path:
    """Where the state of these seeds side by side lies, below <results>/.state/<stream>/<method>/."""
    run = store.path_of(results, method, stream, seeds[0], settings).stem
    company = hashlib.sha256(json.dumps(list(seeds)).encode()).hexdigest()[:8]
    return Path(results) / FOLDER / stream / method / f"{run}-{company}.safetensors"


def save(path: Path, point: Point, tensors: Mapping[str, Tensor]) -> None:
    """Write a state to its place, in whole or not at all.

    Raises InputError where the folder cannot be written or the disk is full; what was there before stays.
    """
    text, tensors = point.model_dump_json(), {name: value.cpu() for name, value in tensors.items()}
    put(path, safetensors.torch.save(tensors, {"point": text, "digest": _digest(text, tensors)}))


def put(path: Path, content: bytes) -> None:
    """Write the bytes of a state, perhaps another machine's, as `save` does."""
    files.write(path, content, _draft(path))


def load(path: Path) -> State:
    """Read a state. Raises Damaged for whatever is no sound one, FileNotFoundError where there is none."""
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
    """Remove a state and what an interrupted save left beside it."""
    path.unlink(missing_ok=True)
    _draft(path).unlink(missing_ok=True)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")  # one name: whoever writes it has claimed the runs


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()

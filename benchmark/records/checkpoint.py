"""What runs trained side by side have reached, kept in a file from the end of a task until they are recorded.

The last bits of a seed's numbers can depend on its place among the seeds beside it: where its row of a tensor
lies decides which kernel multiplies it. So runs that were begun together are kept, and go on, together.
Files of runs that nobody takes up again stay; `rm -r RESULTS/.state` loses nothing that is recorded.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from benchmark import atomic, records
from benchmark.engine import Cell, Outcome

FOLDER = ".state"
SAVE_EVERY = 2.0
"""Seconds that lie between two saves at least: what was trained in less is as soon trained again."""
LARGEST_SHARE = 0.03
"""Of the time that saving may take: on a slow disk the saves lie further apart."""


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
    method: str, stream: str, settings: Mapping[str, object] | BaseModel, origin: Mapping[str, object]
) -> dict[str, JsonValue]:
    """What must be the same for a run to go on bit for bit; origin: see benchmark.provenance.gather."""
    same = {name: origin[name] for name in ("code", "data", "versions", "device", "processor")}
    return {"method": method, "stream": stream, "settings": dict(settings)} | same


def path_of(
    results: Path, method: str, stream: str, seeds: Sequence[int], settings: Mapping[str, object] | BaseModel
) -> Path:
    """Where the state of these seeds side by side lies, below <results>/.state/<stream>/<method>/."""
    run = records.path_of(results, method, stream, seeds[0], settings).stem
    company = hashlib.sha256(json.dumps(list(seeds)).encode()).hexdigest()[:8]
    return Path(results) / FOLDER / stream / method / f"{run}-{company}.safetensors"


def find(
    path: Path, seeds: Collection[int], run: Mapping[str, JsonValue], warn: Callable[[str], None]
) -> list[State]:
    """The states beside `path` that hold any of `seeds`, no seed twice.

    What is damaged, or comes from another `run`, is removed with a warning: its runs begin anew.
    """
    states, taken = [], set()
    for place in _beside(path):
        try:
            state = load(place)
        except FileNotFoundError:
            continue  # its runs are recorded by now
        except Damaged as error:
            remove(place)
            warn(f"{place} is damaged ({error}); removed, and its runs begin anew")
            continue
        own = set(state.point.seeds)
        if not own & set(seeds) or own & taken:
            continue
        other = [name for name, value in run.items() if state.point.run.get(name) != value]
        if other:
            remove(place)
            warn(f"{place} was saved with other {', '.join(other)}; removed, and its runs begin anew")
            continue
        taken |= own
        states.append(state)
    return states


def of_recorded(path: Path, seeds: Collection[int]) -> Iterator[State]:
    """The states beside `path` that hold none but these seeds."""
    for place in _beside(path):
        with suppress(Damaged, FileNotFoundError):
            found = load(place)
            if set(found.point.seeds) <= set(seeds):
                yield found


def save(path: Path, point: Point, tensors: Mapping[str, Tensor]) -> None:
    """Write a state to its place, in whole or not at all.

    Raises InputError where the folder cannot be written or the disk is full; what was there before stays.
    """
    text, tensors = point.model_dump_json(), {name: value.cpu() for name, value in tensors.items()}
    put(path, safetensors.torch.save(tensors, {"point": text, "digest": _digest(text, tensors)}))


def put(path: Path, content: bytes) -> None:
    """Write the bytes of a state, perhaps another machine's, as `save` does."""
    atomic.write(path, content, _draft(path))


def load(path: Path) -> State:
    """Read a state. Raises Damaged for whatever is no sound one, FileNotFoundError where there is none."""
    try:
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


class Keeper:
    """Saves the state of a cell as its tasks end."""

    def __init__(self, path: Path, run: dict[str, JsonValue], threads: int, started: str) -> None:
        self.path, self.run, self.threads, self.started = path, run, threads, started
        self._due = time.monotonic() + SAVE_EVERY

    def __call__(self, cell: Cell) -> None:
        """Called when a phase is trained and evaluated.

        Seeds that end together are saved whatever it costs, before the first of them is recorded: should the
        others not come to it, they must not train again without it.
        """
        together = len(cell.streams) > 1 and cell.finished
        began = time.monotonic()
        if not together and began < self._due:
            return
        point = Point(
            run=self.run, seeds=[stream.seed for stream in cell.streams], threads=self.threads,
            started=self.started, phase=cell.phase, outcomes=cell.outcomes,
        )
        save(self.path, point, cell.state())
        ended = time.monotonic()
        self._due = ended + max(SAVE_EVERY, (ended - began) / LARGEST_SHARE)


def _beside(path: Path) -> list[Path]:
    settings = path.stem.split("-")[2]
    return sorted(path.parent.glob(f"seed-*-{settings}-*.safetensors"))


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")  # one name: whoever writes it has claimed the runs


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()

"""Code that runs on the nodes of a Ray cluster: training of a unit in a temporary folder, and the driver's mailbox.

PyTorch is loaded when a unit starts, because the mailbox does not need it.
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.runs.progress import Advance, Evaluated, Event, Saved
from benchmark.runs.unit import Unit
from methods.errors import InputError

if TYPE_CHECKING:
    from benchmark.runs.executors.base import Where

TELL_EVERY = 0.5
"""The least time between two progress reports of a unit, in seconds: a thousand units share one mailbox."""


@dataclass(frozen=True)
class Kept:
    """A checkpoint file, sent to the driver so that another node can continue from it."""

    path: Path  # relative to the results directory
    content: bytes


Letter = tuple[int, Event | Kept]
"""The index of a unit in the list of units, and its message. Paths in it are relative to the results directory."""


class Mailbox:
    """An actor that holds letters until the driver takes them."""

    def __init__(self) -> None:
        self._letters: list[Letter] = []

    def put(self, letters: list[Letter]) -> None:
        """Add letters."""
        self._letters += letters

    def take(self) -> list[Letter]:
        """All letters since the last call. The letters of a unit keep their order."""
        letters, self._letters = self._letters, []
        return letters


def needs(where: Where) -> dict[str, int]:
    """The resources of a task, by Ray's names."""
    return {"CPU": 1, "GPU": 1} if where.device == "cuda" else {"CPU": where.threads}


def train(
    index: int, unit: Unit, where: Where, begun: Mapping[Path, bytes], send: Callable[[list[Letter]], None]
) -> str | None:
    """Train a unit on this machine and send its records. begun: checkpoint files to continue from, by path.

    Returns None, or for wrong input one line that names this machine and the mistake.
    """
    import torch

    from benchmark.records import checkpoint
    from benchmark.runs import work

    try:
        _check(unit, where)
        torch.set_num_threads(where.threads)
        with tempfile.TemporaryDirectory(prefix="clbench-") as folder:
            for path, content in begun.items():
                checkpoint.put(Path(folder, path), content)
            sender = _Sender(index, Path(folder), send)
            work.work(index, unit, Path(folder), where.data, where.device, sender)
    except InputError as error:
        return f"node {socket.gethostname()}: {error}"
    return None


def _check(unit: Unit, where: Where) -> None:
    """Raises InputError if this machine lacks the data or the GPU. Nodes do not download data."""
    from benchmark.runs.work import device_named
    from benchmark.streams.archives import ARCHIVES, VARIABLE, find, places
    from benchmark.streams.kinds import STREAMS

    device_named(where.device)
    archive = ARCHIVES.get(STREAMS[unit.stream].dataset) if unit.stream in STREAMS else None
    if archive is not None and find(archive, where.data) is None:
        looked = ", ".join(str(os.path.abspath(place)) for place in places(archive, where.data))
        raise InputError(
            f"{archive.title} is not in {looked}; put it on every node and name its directory with --data, or set "
            f"{VARIABLE} when starting the node"
        )


class _Sender:
    """Sends a unit's events, and before each the checkpoints that were written since the last one."""

    def __init__(self, index: int, folder: Path, send: Callable[[list[Letter]], None]) -> None:
        self.index, self.folder, self.send = index, folder, send
        self._told, self._seen = 0.0, {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Evaluated | Saved):
            event = replace(event, place=event.place.relative_to(self.folder))
        letters = [(self.index, kept) for kept in self._states()]
        now = time.monotonic()
        if not isinstance(event, Advance) or now - self._told >= TELL_EVERY:
            letters.append((self.index, event))
            self._told = now
        if letters:
            self.send(letters)

    def _states(self) -> Iterator[Kept]:
        from benchmark.records.checkpoint import FOLDER

        for path in sorted(self.folder.glob(f"{FOLDER}/*/*/*.safetensors")):
            file = path.stat()
            version = file.st_ino, file.st_mtime_ns
            if self._seen.get(path) != version:
                self._seen[path] = version
                yield Kept(path.relative_to(self.folder), path.read_bytes())

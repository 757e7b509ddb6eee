"""Checks of an external stream before training, and before its records are replaced."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.common.text import printable
from benchmark.records import store
from benchmark.streams.outline import check_tasks, warnings_of
from methods.errors import InputError
from methods.settings import Settings


class Guard:
    """Checks each external stream of a command once."""

    def __init__(self, overrides: Mapping[str, object], data: Path | None) -> None:
        self.overrides, self.data = overrides, data
        self._seen: set[str] = set()

    def look(self, source: str, seeds: Sequence[int], settings: Settings) -> None:
        """Print warnings about the stream of the first seed on standard error.

        Raises InputError if the seeds have different numbers of tasks.
        """
        if source in self._seen:
            return
        self._seen.add(source)
        lines = warnings_of(source, seeds[0], settings, self.data)
        check_tasks(source, seeds, self.overrides, self.data)
        for line in lines:
            print("warning:", printable(line), file=sys.stderr, flush=True)


def refuse_to_replace(
    results: Path, method: str, stream: str, seeds: Sequence[int], settings: Settings, data: Mapping[str, str]
) -> None:
    """Raises InputError if runs with these names are recorded that were trained on other data.

    This happens when the stream's file was edited, or when another file has the same name.
    """
    replaced = []
    for seed in seeds:
        path = store.path_of(results, method, stream, seed, settings)
        if os.path.exists(path) and store.load(path).provenance.data != dict(data):
            replaced.append(seed)
    if replaced:
        raise InputError(
            f"--stream: {results} holds runs of {method} on a stream {stream} with other data (seed"
            f"{'s' if len(replaced) > 1 else ''} {', '.join(map(str, replaced))}): its file was edited, or another "
            "file has the same name; replace these runs with --force, or rename the file or name other --results"
        )

"""What is checked before an external stream is trained on, and before its records are replaced."""

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
    """Looks once at each external stream of a command."""

    def __init__(self, overrides: Mapping[str, object], data: Path | None) -> None:
        self.overrides, self.data = overrides, data
        self._seen: set[str] = set()

    def look(self, source: str, seeds: Sequence[int], settings: Settings) -> None:
        """Say the warnings about the stream of the first seed on standard error.

        Raises InputError where the seeds have unequal numbers of tasks.
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
    """Raises InputError where runs are recorded that were trained on other data under the same names.

    That is so after the stream's file was edited, and where another file has the same name.
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
            "file has its name; --force replaces these runs, and another name or another --results keeps them"
        )

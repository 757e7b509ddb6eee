"""Properties of a stream that are needed before training: its kind, arguments, number of tasks and warnings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.common.loading import shown
from benchmark.streams.avalanche.convert import Source, kind_of, warnings
from benchmark.streams.external import named_arguments
from benchmark.streams.kinds import STREAMS, StreamKind
from benchmark.streams.names import ARGUMENT, arguments_of, from_elsewhere, split
from methods.errors import InputError
from methods.settings import Settings


def kind_named(stream: str, seed: int, overrides: Mapping[str, object], data_dir: Path | None = None) -> StreamKind:
    """The kind of a stream, without reading its examples. Raises InputError like `build`."""
    if not from_elsewhere(stream):
        return STREAMS[stream]
    return kind_of(source_of(stream, seed, overrides, data_dir))


def whole(
    stream: str, seed: int, overrides: Mapping[str, object], data_dir: Path | None = None
) -> Mapping[str, object]:
    """The overrides, for an external stream with all arguments of its function and its number of tasks.

    A number of tasks in the overrides stays.
    """
    if not from_elsewhere(stream):
        return overrides
    given, others = split(stream, overrides)
    own = {name: value for name, value in given.items() if name.startswith(ARGUMENT)}
    written = named_arguments(stream, {name.removeprefix(ARGUMENT): value for name, value in own.items()})
    parts = {name: value for name, value in given.items() if name not in own}
    added = others | parts | {f"{ARGUMENT}{name}": value for name, value in written.items()}
    return added if "tasks" in added else {**added, "tasks": kind_named(stream, seed, added, data_dir).tasks}


def check_tasks(stream: str, seeds: Sequence[int], overrides: Mapping[str, object], data_dir: Path | None) -> None:
    """Raises InputError if an external stream has different numbers of tasks for the seeds and no override sets one."""
    if "tasks" in overrides or not from_elsewhere(stream):
        return
    counts = {
        seed: kind_named(stream, seed, whole(stream, seed, overrides, data_dir), data_dir).tasks for seed in seeds
    }
    first, *others = counts.items()
    for seed, count in others:
        if count != first[1]:
            raise InputError(
                f"--stream: {shown(stream)} has {first[1]} tasks with seed {first[0]} and {count} with seed {seed}: "
                f"let its function make the same number for every seed, or give --set tasks={min(counts.values())}"
            )


def warnings_of(source: str, seed: int, settings: Settings, data_dir: Path | None) -> list[str]:
    """Warnings about an external stream, one line each."""
    if not from_elsewhere(source):
        return []
    size = settings.tasks, settings.train_examples
    return warnings(Source(source, seed, arguments_of(settings), *size, data_dir))


def source_of(stream: str, seed: int, overrides: Mapping[str, object], data_dir: Path | None = None) -> Source:
    """An external stream with all its tasks. Its arguments are read from the overrides."""
    given, _ = split(stream, overrides)
    own = {name.removeprefix(ARGUMENT): value for name, value in given.items() if name.startswith(ARGUMENT)}
    return Source(stream, seed, tuple(own.items()), directory=data_dir)

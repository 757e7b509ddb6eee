"""Records that must not be averaged together, and those of which a reader should know that they were."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TypeVar

from benchmark.records.schema import Record
from benchmark.records.store import path_of

Key = TypeVar("Key", bound=Hashable)
Row = tuple[str, str, Hashable]
OF_STREAM = ("tasks", "train_examples")
"""Besides a stream's arguments (stream.NAME), the settings that decide what a stream holds."""
_TENSORS = "tensors of seed 0"
"""What an external stream's data says about the stream itself; the other entries are digests of files."""


def row_of(record: Record) -> Row:
    """The row of the table that a run belongs to: method, stream and settings.

    Equal numbers are one setting, as 1, 1.0 and True, or 0.0 and -0.0. None and an absent setting are two.
    """
    return record.method, record.stream, tuple(sorted(record.settings.items()))


def place_of(record: Record) -> Path:
    """Where the record lies below its results directory."""
    return path_of(Path(), record.method, record.stream, record.seed, record.settings)


def refused(records: Sequence[Record]) -> Iterator[str]:
    """Why these records make no table, a line each: a seed counted twice, or a stream made from different data."""
    yield from _duplicates(records)
    yield from _streams_of_different_data(records)


def _duplicates(records: Sequence[Record]) -> Iterator[str]:
    first: dict[tuple[Row, int], Record] = {}
    for record in records:
        other = first.setdefault((row_of(record), record.seed), record)
        if other is not record:
            yield (
                f"{place_of(other)} and {place_of(record)} are two records of one run ({record.method} on "
                f"{record.stream}, seed {record.seed}, equal settings): remove one of them"
            )


def _streams_of_different_data(records: Sequence[Record]) -> Iterator[str]:
    first: dict[Hashable, tuple[Record, str]] = {}
    told = set()
    for record in records:
        for name, digest in record.provenance.data.items():
            arguments = _arguments(record) if name == _TENSORS else ()
            other, theirs = first.setdefault((record.stream, name, arguments), (record, digest))
            if theirs != digest and (record.stream, name, digest) not in told:
                told.add((record.stream, name, digest))
                yield (
                    f"{place_of(other)} and {place_of(record)} come from different data of {record.stream} "
                    f"({name}: {theirs[:12]} and {digest[:12]}): run one of them again with --force, or give each "
                    "stream a name or a results directory of its own"
                )


def _arguments(record: Record) -> Hashable:
    return tuple(
        (name, value)
        for name, value in sorted(record.settings.items())
        if name in OF_STREAM or name.startswith("stream.")
    )


def noted(records: Sequence[Record]) -> list[str]:
    """Rows that average over unlike runs, and rows that are equal in every accuracy."""
    rows = defaultdict(list)
    for record in records:
        rows[row_of(record)].append(record)
    lines = [
        f"{method} on {stream} mixes {name}: {' and '.join(kinds)}"
        for (method, stream, _), runs in rows.items()
        for name, kinds in _kinds(runs).items()
        if len(kinds) > 1
    ]
    return lines + _equal_rows(rows)


def _kinds(runs: Sequence[Record]) -> dict[str, list[str]]:
    """What each part of the provenance is in a row, without repetition."""
    origins = [run.provenance for run in runs]
    libraries = dict.fromkeys(name for origin in origins for name in origin.versions)
    return {
        "code": sorted({origin.code for origin in origins}),
        "data": sorted({json.dumps(origin.data, sort_keys=True) for origin in origins}),
        **{
            f"versions of {name}": sorted({str(origin.versions.get(name) or "unknown") for origin in origins})
            for name in libraries
        },
        "devices": sorted({origin.device for origin in origins}),
        "processors": sorted({origin.processor for origin in origins}),
    }


def _equal_rows(rows: Mapping[Row, Sequence[Record]]) -> list[str]:
    streams: dict[str, dict[Row, dict[int, str]]] = defaultdict(dict)
    for row, runs in rows.items():
        streams[row[1]][row] = accuracies(runs)
    return [
        f"{_named(one, other)} and {_named(other, one)} on {stream} are equal in every accuracy at all common seeds"
        for stream, part in streams.items()
        for one, other in equal(part)
    ]


def _named(row: Row, beside: Row) -> str:
    """The method, with the settings that differ from those of the other row of the same method."""
    if row[0] != beside[0]:
        return row[0]
    own = " ".join(f"{name}={value}" for name, value in sorted(set(row[2]) - set(beside[2])))
    return f"{row[0]} [{own}]" if own else row[0]


def accuracies(runs: Sequence[Record]) -> dict[int, str]:
    """Every accuracy measured on a trained task in the complete runs of a row, by seed, as text."""
    return {
        run.seed: json.dumps([row[: task + 1] for task, row in enumerate(run.accuracy_matrix)])
        for run in runs
        if run.status == "complete"
    }


def equal(rows: Mapping[Key, Mapping[int, str]]) -> list[tuple[Key, Key]]:
    """Pairs of rows whose `accuracies` are the same at all seeds that both have, and there is one."""
    alike: dict[tuple[int, str], list[Key]] = defaultdict(list)
    for row, runs in rows.items():
        for seed, said in runs.items():
            alike[seed, said].append(row)
    candidates = dict.fromkeys(pair for several in alike.values() for pair in combinations(several, 2))
    return [
        (one, other)
        for one, other in candidates
        if all(rows[one][seed] == rows[other][seed] for seed in rows[one].keys() & rows[other].keys())
    ]

"""The provenance of every run. Machines and data that runs share are named once and referred to by name."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.common.text import printable
from benchmark.records.schema import Record
from benchmark.records.store import path_of
from benchmark.tables.labels import row_label, stream_label
from benchmark.tables.table import titles, variants

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Run:
    """The provenance of a run, as text."""

    stream: str
    label: str
    seed: int
    status: str
    seconds: float
    started: str
    commit: str
    clean: str
    code: str
    together: str  # the seeds trained together
    machine: str  # key of Origins.machines
    data: str  # key of Origins.data; empty if the record names no data
    path: str  # relative to the results directory


@dataclass(frozen=True)
class Origins:
    """All runs, and the machines (with library versions) and data that they refer to by name."""

    runs: list[Run]
    machines: dict[str, dict[str, str]]
    data: dict[str, dict[str, str]]


def origins(records: Sequence[Record]) -> Origins:
    """The provenance of the records, in their order."""
    machine_of, machines = _named("M", [_machine(record) for record in records])
    data_of, data = _named("D", [_shown(record.provenance.data) for record in records])
    named = titles(records)
    labels = [
        row_label(record.method, variant, named.get(record.method))
        for record, variant in zip(records, variants(records), strict=True)
    ]
    runs = [_run(*said) for said in zip(records, labels, machine_of, data_of, strict=True)]
    return Origins(runs, machines, data)


def _run(record: Record, label: str, machine: str, data: str) -> Run:
    origin, where = record.provenance, record.diverged
    return Run(
        stream=stream_label(record.stream),
        label=label,
        seed=record.seed,
        status=f"diverged in task {where.task + 1}, step {where.step + 1}" if where else record.status,
        seconds=record.seconds,
        started=printable(origin.started).replace("T", " ").removesuffix("+00:00"),
        commit=printable(origin.commit or UNKNOWN),
        code=printable(origin.code),
        clean={True: "yes", False: "no", None: UNKNOWN}[origin.clean],
        together=", ".join(map(str, origin.seeds_together)),
        machine=machine,
        data=data,
        path=path_of(Path(), record.method, record.stream, record.seed, record.settings).as_posix(),
    )


def _machine(record: Record) -> dict[str, str]:
    origin = record.provenance
    place = {"processor": origin.processor, "device": origin.device, "threads": str(origin.threads)}
    return _shown(place | {name: version or UNKNOWN for name, version in origin.versions.items()})


def _named(letter: str, things: Sequence[dict[str, str]]) -> tuple[list[str], dict[str, dict[str, str]]]:
    """The name of each thing, and the things by name. Equal things share a name; an empty thing has the name ""."""
    texts = [json.dumps(thing, sort_keys=True) for thing in things]
    kinds = {text: thing for text, thing in zip(texts, things, strict=True) if thing}
    names = {text: f"{letter}{n}" for n, text in enumerate(kinds, 1)}
    return [names.get(text, "") for text in texts], {names[text]: thing for text, thing in kinds.items()}


def _shown(said: Mapping[str, str]) -> dict[str, str]:
    return {printable(name): printable(value) for name, value in said.items()}

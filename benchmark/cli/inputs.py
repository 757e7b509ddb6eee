"""What a person types on the command line, read into names, seeds and settings."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.networks import external as networks
from benchmark.networks.registry import NETWORKS
from benchmark.runs import executors
from benchmark.streams import names as stream_names
from benchmark.streams.kinds import STREAMS
from benchmark.training import external
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError

if TYPE_CHECKING:
    from benchmark.records.schema import Record

MOST_SEEDS = 1000
LAST_SEED = 2**32 - 1
"""The largest seed that numpy's RandomState, with which the streams are drawn, takes."""


def nearest(name: str, known: Collection[str]) -> str:
    """What to say after an unknown name: the nearest known one, or all of them."""
    near = difflib.get_close_matches(name.lower(), known, 1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(known)}"


def one_of(option: str, name: str, known: Collection[str]) -> str:
    """The name as it is. Raises InputError, with the nearest known name, for one that is not known."""
    if name not in known:
        raise InputError(f"{option}: there is no '{name}', {nearest(name, known)}")
    return name


def names(option: str, given: Sequence[str] | None, known: Collection[str], default: Collection[str]) -> list[str]:
    """The names given, each once and in the order of `known`; `default` if none is given.

    Raises InputError, with the nearest known name, for one that is not known.
    """
    chosen = {one_of(option, name, known) for name in given or default}
    return [name for name in known if name in chosen]


def methods(given: Sequence[str] | None) -> list[str]:
    """The methods given, as benchmark.training.external names them, each once; all built-in ones if none is given.

    Built-in ones come first, in the paper's order. Raises InputError, with the nearest known name, for one that
    is not known; whether a file or a module holds a method shows when it is loaded.
    """
    chosen = dict.fromkeys(stream_names.canonical(spec) for spec in given or METHOD_ROWS)
    for spec in chosen:
        if spec not in METHOD_ROWS and not external.is_code(spec):
            one_of("--method", spec, [*METHOD_ROWS, *external.installed()])
    return sorted(chosen, key=lambda spec: list(METHOD_ROWS).index(spec) if spec in METHOD_ROWS else len(METHOD_ROWS))


def streams(given: Sequence[str] | None, default: Collection[str]) -> list[str]:
    """The streams given, as benchmark.streams.names names them, each once, the suite's own first; or the default.

    Raises InputError, with the nearest known name, for one that is not known, and for two that would be recorded
    as one.
    """
    chosen, ids = dict.fromkeys(stream_names.canonical(name) for name in given or default), {}
    for name in chosen:
        if not stream_names.from_elsewhere(name):
            one_of("--stream", name, STREAMS)
        same = ids.setdefault(stream_names.stream_id(name), name)
        if same != name:
            raise InputError(f"--stream: {same} and {name} would be recorded as one stream; rename a file")
    return sorted(chosen, key=lambda name: list(STREAMS).index(name) if name in STREAMS else len(STREAMS))


def records(results: Path, methods: Sequence[str] | None, streams: Sequence[str] | None) -> list[Record]:
    """The records below a results directory; only those of the methods and streams given, if any are.

    Raises InputError, with the nearest known name, for one that is neither the suite's nor recorded, for a record
    that is not sound, and where no record is left.
    """
    from benchmark.records.store import load_all

    everything = load_all(results)
    known = dict.fromkeys([*METHOD_ROWS, *sorted({record.method for record in everything})])
    ids = [external.id_of(name) if name not in known and external.is_code(name) else name for name in methods or ()]
    names("--method", ids, known, ())
    labels = [stream_names.stream_id(name) for name in streams or ()]
    names("--stream", labels, dict.fromkeys([*STREAMS, *sorted({record.stream for record in everything})]), ())
    chosen = [r for r in everything if (not ids or r.method in ids) and (not labels or r.stream in labels)]
    if not chosen:
        raise InputError(f"--results: {results} holds no such records; make some: python -m benchmark run")
    return chosen


def seeds(count: int | None, singles: Sequence[int] | None) -> list[int]:
    """Seeds 0 to count - 1, or the single seeds, each once and in rising order; 0 to 4 if neither is given.

    Raises InputError where both are given.
    """
    if singles and count is not None:
        raise InputError("--seeds N and --seed K exclude each other: N seeds from 0, or single ones")
    return sorted(set(singles)) if singles else list(range(5 if count is None else count))


def changes(given: Sequence[str] | None, network: str | None = None) -> dict[str, object]:
    """The settings given as KEY=VALUE, with the network. Raises InputError as `pairs` and `with_network` do."""
    return with_network(pairs("--set", given, "tasks=3"), network)


def with_network(settings: Mapping[str, object], network: str | None = None) -> dict[str, object]:
    """The settings with the network among them, as benchmark.networks.external names it.

    Raises InputError where two networks are given, or an id is not known.
    """
    values = dict(settings)
    if network is not None and values.setdefault("network", network) != network:
        raise InputError(f"--network {network} and --set network={values['network']} exclude each other")
    if values.get("network"):
        values["network"] = networks.canonical(str(values["network"]))
        if not networks.is_code(values["network"]):
            one_of("--network", values["network"], NETWORKS)
    return values


def pairs(option: str, given: Sequence[str] | None, example: str) -> dict[str, str]:
    """What is given as KEY=VALUE, values still as text; example: a pair that the message shows.

    Raises InputError for a pair without '=', without a key or a value, and for a key given twice.
    """
    values: dict[str, str] = {}
    for pair in given or ():
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not (key and equals and value):
            raise InputError(f"{option}: '{pair}' is not KEY=VALUE, for example {option} {example}")
        if key in values:
            raise InputError(f"{option}: '{key}' is given twice")
        values[key] = value
    return values


def executor_options(
    name: str, given: Sequence[str] | None, address: str | None, slurm: Sequence[str] | None
) -> dict[str, str]:
    """The options of the executor of that name: KEY=VALUE pairs, and the older ways to give Ray's and Slurm's.

    Raises InputError where there is no such executor, or an option is another's.
    """
    if not executors.is_code(name):
        one_of("--executor", name, dict.fromkeys([*executors.EXECUTORS, *executors.installed()]))
    options = pairs("--executor-option", given, "partition=cpu")
    parameters = pairs("--slurm", slurm, "partition=cpu")
    if address is not None and name != "ray":
        raise InputError("--address is the address of a Ray cluster; add --executor ray")
    if parameters and name != "slurm":
        raise InputError("--slurm is for Slurm jobs; add --executor slurm")
    return options | parameters | ({} if address is None else {"address": address})

"""Read names, seeds and settings from the words of the command line."""

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
"""The largest seed of numpy's RandomState, which draws the streams."""


def nearest(name: str, known: Collection[str]) -> str:
    """Advice after an unknown name: the nearest known name or, if none is near, all of them."""
    near = difflib.get_close_matches(name.lower(), known, 1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(known)}"


def one_of(option: str, name: str, known: Collection[str]) -> str:
    """Return the name. Raises InputError for an unknown name and suggests the nearest known one."""
    if name not in known:
        raise InputError(f"{option}: there is no '{name}', {nearest(name, known)}")
    return name


def names(option: str, given: Sequence[str] | None, known: Collection[str], default: Collection[str]) -> list[str]:
    """The distinct names in the order of `known`; `default` if no name is given.

    Raises InputError for an unknown name and suggests the nearest known one.
    """
    chosen = {one_of(option, name, known) for name in given or default}
    return [name for name in known if name in chosen]


def methods(given: Sequence[str] | None) -> list[str]:
    """The distinct methods as benchmark.training.external names them; all built-in methods if none is given.

    Built-in methods come first, in the paper's order. Raises InputError for an unknown name and suggests the nearest
    known one. Files and modules are not loaded here, so their content is not checked.
    """
    chosen = dict.fromkeys(stream_names.canonical(spec) for spec in given or METHOD_ROWS)
    for spec in chosen:
        if spec not in METHOD_ROWS and not external.is_code(spec):
            one_of("--method", spec, [*METHOD_ROWS, *external.installed()])
    return sorted(chosen, key=lambda spec: list(METHOD_ROWS).index(spec) if spec in METHOD_ROWS else len(METHOD_ROWS))


def streams(given: Sequence[str] | None, default: Collection[str]) -> list[str]:
    """The distinct streams as benchmark.streams.names names them, built-in ones first; `default` if none is given.

    Raises InputError for an unknown name, and for two streams that would be recorded under the same id.
    """
    chosen, ids = dict.fromkeys(stream_names.canonical(name) for name in given or default), {}
    for name in chosen:
        if not stream_names.from_elsewhere(name):
            one_of("--stream", name, STREAMS)
        same = ids.setdefault(stream_names.stream_id(name), name)
        if same != name:
            raise InputError(f"--stream: {same} and {name} would be recorded as the same stream; rename one file")
    return sorted(chosen, key=lambda name: list(STREAMS).index(name) if name in STREAMS else len(STREAMS))


def records(results: Path, methods: Sequence[str] | None, streams: Sequence[str] | None) -> list[Record]:
    """The records below a results directory, filtered by methods and by streams if any are given.

    Raises InputError for a name that is neither built in nor recorded, for an unsound record, and if no record
    remains.
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
    """Seeds 0 to count - 1, or the distinct single seeds in rising order; 0 to 4 if neither is given.

    Raises InputError if both are given.
    """
    if singles and count is not None:
        raise InputError("--seeds N and --seed K exclude each other; give the number of seeds, or single seeds")
    return sorted(set(singles)) if singles else list(range(5 if count is None else count))


def changes(given: Sequence[str] | None, network: str | None = None) -> dict[str, object]:
    """The settings given as KEY=VALUE, plus the network. Raises InputError like `pairs` and `with_network`."""
    return with_network(pairs("--set", given, "tasks=3"), network)


def with_network(settings: Mapping[str, object], network: str | None = None) -> dict[str, object]:
    """The settings plus the setting `network`, named as in benchmark.networks.external.

    Raises InputError if two different networks are given, or if an id is unknown.
    """
    values = dict(settings)
    if network is not None and values.setdefault("network", network) != network:
        raise InputError(f"--network {network} and --set network={values['network']} exclude each other; give one")
    if values.get("network"):
        values["network"] = name = networks.canonical(str(values["network"]))
        if not networks.is_code(name):
            one_of("--network", name, NETWORKS)
    return values


def pairs(option: str, given: Sequence[str] | None, example: str) -> dict[str, str]:
    """Pairs KEY=VALUE as a dict; values remain text. example: a pair to show in the message.

    Raises InputError for a pair without '=', key or value, and for a key that is given twice.
    """
    values: dict[str, str] = {}
    for pair in given or ():
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not (key and equals and value):
            raise InputError(f"{option}: '{pair}' is not KEY=VALUE, for example {option} {example}")
        if key in values:
            raise InputError(f"{option}: '{key}' is given twice; give it once")
        values[key] = value
    return values


def executor_options(
    name: str, given: Sequence[str] | None, address: str | None, slurm: Sequence[str] | None
) -> dict[str, str]:
    """The options of an executor, from --executor-option and from the shorthands --address and --slurm.

    Raises InputError for an unknown executor, and for a shorthand that belongs to another executor.
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

"""What a person types on the command line, read into names, seeds and settings."""

import difflib
from collections.abc import Collection, Sequence

from benchmark.networks import external as networks
from benchmark.networks.registry import NETWORKS
from benchmark.streams import names as stream_names
from benchmark.streams.kinds import STREAMS
from benchmark.training import external
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError

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


def seeds(count: int | None, singles: Sequence[int] | None) -> list[int]:
    """Seeds 0 to count - 1, or the single seeds, each once and in rising order; 0 to 4 if neither is given.

    Raises InputError where both are given.
    """
    if singles and count is not None:
        raise InputError("--seeds N and --seed K exclude each other: N seeds from 0, or single ones")
    return sorted(set(singles)) if singles else list(range(5 if count is None else count))


def changes(given: Sequence[str] | None, network: str | None = None) -> dict[str, str]:
    """The settings given as KEY=VALUE, the network among them as benchmark.networks.external names it.

    Raises InputError as `pairs` does, where the network is given twice, or an id is not known.
    """
    values = pairs("--set", given, "tasks=3")
    if network is not None and values.setdefault("network", network) != network:
        raise InputError(f"--network {network} and --set network={values['network']} exclude each other")
    if "network" in values:
        values["network"] = networks.canonical(values["network"])
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

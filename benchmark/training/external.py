"""Methods by name: the built-in ones and external ones. External methods are code and run with the caller's rights.

The name of a method is a built-in id (`ewc`), a file (`./my_method.py`), `package.module:Class`, a strategy of
Avalanche (`avalanche:NAME`), or the name of an entry point in the group `clbench.methods` of an installed package.
Slow imports are inside the functions that need them, so that the command line's help is fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from benchmark.common.loading import attribute, classes_of, module_of_file, shown
from benchmark.networks.external import check_arguments, network_named
from benchmark.streams.kinds import STREAMS
from benchmark.streams.names import AVALANCHE, canonical, is_file, split, stream_id
from methods.arguments import part_of, with_arguments
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from methods.method import Method
    from methods.settings import Settings

GROUP = "clbench.methods"


def installed() -> dict[str, EntryPoint]:
    """The entry points of methods in installed packages, by name."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


def is_code(spec: str) -> bool:
    """Whether a name refers to code: a file, package.module:Class or avalanche:NAME."""
    return is_file(spec) or ":" in spec


def method_named(spec: str) -> type[Method]:
    """The class of a method. A process loads each method once.

    Raises InputError, one line that names file, line and error, if it cannot be loaded or is not a method.
    """
    if spec in METHOD_ROWS:
        from methods.registry import METHODS

        return METHODS[spec]
    if spec.startswith(AVALANCHE):
        from benchmark.training.avalanche.strategies import strategy_named

        return strategy_named(spec)
    return _external(canonical(spec))


def distinct(specs: Sequence[str]) -> dict[str, type[Method]]:
    """The classes by name. Raises InputError if two of them have the same id, because records are named by the id."""
    methods, ids = {spec: method_named(spec) for spec in specs}, {}
    for spec, method in methods.items():
        if method.id in ids:
            both = f"{shown(ids[method.id])} and {shown(spec)}"
            raise InputError(f"--method: {both} share the id '{method.id}'; give one of them another")
        ids[method.id] = spec
    return methods


def settings_of(spec: str, stream: str, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings of a method on a stream, see methods.settings.settings_for. A built-in method is not loaded.

    stream: a name as in benchmark.streams.names. overrides: may include arguments of an external stream, and `network`,
    a name as in benchmark.networks.external. The settings then have the network's id.
    """
    from benchmark.training import optimizer_names, schedules
    from methods.settings import settings_for

    (arguments, others), method = split(stream, overrides or {}), None
    network = str(others.get("network", ""))
    others |= _network(stream, arguments, others)
    if spec in METHOD_ROWS:
        settings = settings_for(spec, stream_id(stream), others)
    else:
        from benchmark.records.schema import unrecordable

        method = method_named(spec)
        settings = settings_for(method.id, stream_id(stream), others, method.Settings, method.stream_settings)
        name = unrecordable(settings)  # checked here, because the record is made only after training
        if name is not None:
            raise InputError(f"--set: '{name}' cannot be recorded: give at most 500 printable characters")
    if settings.dropout and network and network_named(network).source:
        raise InputError(
            f"setting 'dropout' has no effect on the external network {settings.network}; if its function takes a "
            "parameter dropout, give --set network.dropout=VALUE"
        )
    settings = with_arguments(settings, arguments)
    optimizer_names.check(settings)
    if optimizer_names.is_torchs(settings):
        from benchmark.training.optimizers import check_arguments  # loads torch

        check_arguments(settings)
    schedules.schedule_of(settings, method)
    return settings


def _network(stream: str, arguments: Mapping[str, object], overrides: Mapping[str, object]) -> dict[str, object]:
    """The settings that follow from the override `network`. For an external network, the setting dropout is 0."""
    spec = str(overrides.get("network", ""))
    own = {name.removeprefix("network."): value for name, value in arguments.items() if part_of(name) == "network"}
    check_arguments(spec, own)
    if not spec:
        return {}
    kind = network_named(spec)
    by_default = stream in STREAMS and STREAMS[stream].network == kind.id
    dropout = {"dropout": 0.0} if kind.source and "dropout" not in overrides else {}
    return {"network": "" if by_default else kind.id} | dropout


def sources_of(spec: str, stream: str) -> dict[str, str]:
    """The source of each setting, see methods.settings.sources_for."""
    from methods.settings import sources_for

    if spec in METHOD_ROWS:
        return sources_for(spec, stream_id(stream))
    method = method_named(spec)
    return sources_for(method.id, stream_id(stream), method.Settings, method.stream_settings)


def id_of(spec: str) -> str:
    """The id of a method in records."""
    return spec if spec in METHOD_ROWS else method_named(spec).id


def forget() -> None:
    """Clear the cache, so that an edited file is loaded again when it is next named."""
    _external.cache_clear()


@cache
def _external(spec: str) -> type[Method]:
    from benchmark.training.checks import check

    if is_file(spec):
        method = _only_method(module_of_file(spec), spec)
    elif ":" in spec:
        method = _attribute(*spec.split(":", 1))
    elif spec in (points := installed()):
        method = _attribute(points[spec].module, points[spec].attr)
    else:
        raise InputError(f"there is no method '{spec}'; python -m benchmark list shows them")
    check(method)
    return method


def _only_method(module: ModuleType, file: str) -> type[Method]:
    from methods.method import Method

    classes = classes_of(module)
    methods = [cls for cls in classes if issubclass(cls, Method)]
    if len(methods) == 1:
        return methods[0]
    held = ", ".join(cls.__name__ for cls in methods or classes) or "none"
    what = "subclasses of Method" if methods else "no subclass of methods.method.Method, but classes"
    raise InputError(f"--method: {shown(file)} must have one subclass of Method; it has {what}: {held}")


def _attribute(module: str, path: str) -> type[Method]:
    from methods.method import Method

    value = attribute(module, path, "--method")
    if not (isinstance(value, type) and issubclass(value, Method)):
        raise InputError(f"--method: {module}:{path} is not a subclass of methods.method.Method; name one")
    return value

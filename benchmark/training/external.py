"""Methods by name: the suite's own, and those from elsewhere, which are code and run with all rights of the caller.

A method is named by a built-in id (`ewc`); by a file that holds it (`./my_method.py`); as `package.module:Class`;
`avalanche:NAME`, a strategy of Avalanche; or by an entry point of the group `clbench.methods` of an installed
package. What takes time to import is imported where it is needed, for the command line's help needs none of it.
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
    """The methods of installed packages: entry points by name."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


def is_code(spec: str) -> bool:
    """Whether a name means code: a file, package.module:Class or avalanche:NAME."""
    return is_file(spec) or ":" in spec


def method_named(spec: str) -> type[Method]:
    """The class of a method; the same one, as it was loaded first, for the life of the process.

    Raises InputError, one line that names file, line and error, where it cannot be loaded or is no method.
    """
    if spec in METHOD_ROWS:
        from methods.registry import METHODS

        return METHODS[spec]
    if spec.startswith(AVALANCHE):
        from benchmark.training.avalanche.strategies import strategy_named

        return strategy_named(spec)
    return _external(canonical(spec))


def distinct(specs: Sequence[str]) -> dict[str, type[Method]]:
    """The classes by name. Raises InputError where two of them share an id, under which runs are recorded."""
    methods, ids = {spec: method_named(spec) for spec in specs}, {}
    for spec, method in methods.items():
        if method.id in ids:
            both = f"{shown(ids[method.id])} and {shown(spec)}"
            raise InputError(f"--method: {both} share the id '{method.id}'; give one of them another")
        ids[method.id] = spec
    return methods


def settings_of(spec: str, stream: str, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings of a method on a stream, as methods.settings.settings_for; a built-in one is not loaded.

    stream: of the suite, or from elsewhere as benchmark.streams.names names it; then its arguments are among them.
    The override `network` is what benchmark.networks.external names it by; the settings hold its id.
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
        name = unrecordable(settings)  # told now, for a record is made when all is trained
        if name is not None:
            raise InputError(f"--set: '{name}' cannot be recorded: it should be at most 500 printable characters")
    if settings.dropout and network and network_named(network).source:
        raise InputError(
            f"setting 'dropout' has no effect on {settings.network}, an external network; where its function takes a "
            "dropout, give --set network.dropout=VALUE"
        )
    settings = with_arguments(settings, arguments)
    optimizer_names.check(settings)
    if optimizer_names.is_torchs(settings):
        from benchmark.training.optimizers import check_arguments  # loads torch

        check_arguments(settings)
    schedules.schedule_of(settings, method)
    return settings


def _network(stream: str, arguments: Mapping[str, object], overrides: Mapping[str, object]) -> dict[str, object]:
    """The settings that a network among the overrides decides; the built-in ones' dropout is 0 for an external one."""
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
    """Where the value of each setting comes from, as methods.settings.sources_for."""
    from methods.settings import sources_for

    if spec in METHOD_ROWS:
        return sources_for(spec, stream_id(stream))
    method = method_named(spec)
    return sources_for(method.id, stream_id(stream), method.Settings, method.stream_settings)


def id_of(spec: str) -> str:
    """The id under which a method's runs are recorded."""
    return spec if spec in METHOD_ROWS else method_named(spec).id


def forget() -> None:
    """Load external methods anew when they are next named, as a file that was edited meanwhile."""
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
    raise InputError(f"--method: {shown(file)} must hold one subclass of Method; it holds {what}: {held}")


def _attribute(module: str, path: str) -> type[Method]:
    from methods.method import Method

    value = attribute(module, path, "--method")
    if not (isinstance(value, type) and issubclass(value, Method)):
        raise InputError(f"--method: {module}:{path} is no subclass of methods.method.Method")
    return value

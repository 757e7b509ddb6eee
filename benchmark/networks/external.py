"""Networks by name: the suite's own, and functions of Python files and modules that return a torch.nn.Module.

A network is named by a built-in id (`mlp`); by a file that holds a function `network(shape, outputs)` (`./net.py`); by
a file and another function (`./net.py:wide`); or as `package.module:function`.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from benchmark.common.arguments import fitted, parameters_of
from benchmark.common.loading import module_of_file, place_of, sheltered, shown
from benchmark.networks.registry import NETWORKS, NetworkKind, Shape
from methods.arguments import arguments_of
from methods.errors import InputError

if TYPE_CHECKING:
    from benchmark.common.randomness import Randomness
    from benchmark.networks.module import ModuleNetwork
    from methods.settings import Settings

FUNCTION = "network"
"""The name of the function that a file is asked for."""


def is_code(spec: str) -> bool:
    """Whether a name typed after --network means code: a file, or package.module:function."""
    return ":" in spec or "/" in spec or os.sep in spec or spec.endswith(".py")


def file_of(spec: str) -> str | None:
    """The file in a name typed after --network; None where it names no file."""
    place, _ = _parts(spec)
    return place if is_code(place) else None


def canonical(spec: str) -> str:
    """The name as it holds in any process of this machine: a file by its absolute path, the others as they are."""
    file = file_of(spec)
    return spec if file is None else at(spec, os.path.abspath(os.path.expanduser(file)))


def at(spec: str, file: str) -> str:
    """The name with its file at another place."""
    _, function = _parts(spec)
    return f"{file}:{function}" if function else file


def network_named(spec: str) -> NetworkKind:
    """The network of a canonical name; the same one, as it was loaded first, for the life of the process.

    Raises InputError, one line that names file, line and error, where there is none.
    """
    if spec in NETWORKS:
        return NETWORKS[spec]
    if not is_code(spec):
        near = difflib.get_close_matches(spec.lower(), NETWORKS, 1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(NETWORKS)}, or name a file: ./net.py"
        raise InputError(f"--network: there is no '{spec}', {hint}")
    return _external(spec)


@cache
def _external(spec: str) -> NetworkKind:
    module, function = _loaded(spec)
    _check_signature(spec, function)
    return NetworkKind(
        id=_id(spec),
        title=f"external: {_id(spec)}",
        takes="what its function takes",
        fits=lambda shape: True,
        build=partial(_build, spec, function),
        evaluation_batch=250,
        step_cost=10,
        stacked_on_cpu=False,
        recordable=False,
        exact_on_gpu=False,
        source=module,
    )


def check_arguments(spec: str, arguments: Mapping[str, object]) -> None:
    """Raises InputError where a network does not take one of the arguments network.NAME, or lacks one."""
    kind = network_named(spec) if spec else None
    if kind is not None and kind.source is not None:
        _, function = _loaded(spec)
        fitted(function, arguments, "network", _given_by_the_suite(function), shown(spec))
    elif arguments:
        name = next(iter(arguments))
        raise InputError(
            f"--set: 'network.{name}' is an argument of an external network (--network ./net.py); "
            "the sizes of the suite's own are the settings hidden and dropout"
        )


def _build(
    spec: str,
    function: Callable[..., object],
    shape: Shape,
    heads: int,
    classes: int,
    settings: Settings,
    random: Randomness,
) -> ModuleNetwork:
    from benchmark.networks.module import ModuleNetwork

    arguments = fitted(
        function, arguments_of(settings, "network"), "network", _given_by_the_suite(function), shown(spec)
    )
    make = partial(function, shape, heads * classes, **arguments)
    return ModuleNetwork(make, heads, classes, random, file_of(spec) or _loaded(spec)[0].__file__)


def _parts(spec: str) -> tuple[str, str]:
    """File or module, and function ('' where none is named)."""
    place, colon, function = spec.rpartition(":")
    return (place, function) if colon else (spec, "")


def _id(spec: str) -> str:
    """What a network is called in records: the stem of its file, and the function where it is another."""
    place, function = _parts(spec)
    file = file_of(spec)
    if file is None:
        return spec
    stem = Path(place).stem
    if Path(place).suffix != ".py" or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}", stem):
        raise InputError(f"--network: {shown(file)} is no Python file named with letters, digits, '_' and '-'")
    if stem in NETWORKS:
        raise InputError(f"--network: {shown(file)} would be called {stem}, a network of the suite; rename the file")
    return f"{stem}:{function}" if function and function != FUNCTION else stem


@cache
def _loaded(spec: str) -> tuple[ModuleType, Callable[..., object]]:
    place, name = _parts(spec)
    file = file_of(spec)
    if file is not None:
        _id(spec)
        module, name = _file(file), name or FUNCTION
    else:
        module = _module(spec, place)
    function = module
    for part in name.split("."):
        function = getattr(function, part, None)
    if not callable(function):
        what = "is no function" if function is not None else "is not there"
        raise InputError(
            f"--network: {shown(place)}: {name or 'its function'} {what}; write def {name or FUNCTION}(shape, outputs) "
            "that returns a torch.nn.Module"
        )
    return module, function


@cache
def _file(file: str) -> ModuleType:
    return module_of_file(file, "--network")  # once, though two of its functions may be asked for


def _module(spec: str, name: str) -> ModuleType:
    origin = None
    try:
        found = find_spec(name)
        if found is None:
            raise ModuleNotFoundError(f"No module named '{name}'")
        origin = found.origin
        if not str(origin).endswith(".py"):
            raise ImportError(f"{name} is not a Python file, so its code cannot be recorded")
        with sheltered():
            return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise InputError(f"--network: {spec}: {place_of(error, origin) if origin else error}") from error


def _check_signature(spec: str, function: Callable[..., object]) -> None:
    parameters = parameters_of(function).values()
    takes_any = not parameters or any(each.kind is each.VAR_POSITIONAL for each in parameters)
    if len(_given_by_the_suite(function)) < 2 and not takes_any:
        takes = ", ".join(str(each) for each in parameters)
        raise InputError(
            f"--network: {shown(spec)}: it takes ({takes}) and must take (shape, outputs): the shape of one example "
            "and the number of outputs"
        )


def _given_by_the_suite(function: Callable[..., object]) -> list[str]:
    """The names of the first two parameters, shape and outputs."""
    parameters = parameters_of(function).items()
    return [name for name, each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)][:2]

"""Probes by name: the suite's own, one file of this package each, and external ones.

The name of a probe is a built-in name (`continual`), a file (`./my_probe.py`), or the name of an entry point in the
group `clbench.probes` of an installed package. Options follow a colon: `continual:every=10,examples=100`. This package
does not import PyTorch, so that `list` is instant.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from pydantic import ValidationError

from benchmark.common.loading import module_of_file, place_of
from benchmark.streams.names import canonical, is_file
from benchmark.training.probe import Probe
from methods.errors import InputError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "clbench.probes"

Options = tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class Asked:
    """A requested probe with all its options. It can be sent to other processes."""

    spec: str  # a name, or the absolute path of a file
    options: Options

    def load(self) -> type[Probe]:
        """The probe's class. Raises InputError if it cannot be loaded."""
        return probe_named(self.spec)

    @property
    def external(self) -> bool:
        """Whether the probe is not one of the suite's own."""
        return self.spec not in probes()

    def description(self) -> dict[str, object]:
        """Options and code version, as a record holds them with the measurements."""
        return {"options": dict(self.options), "code": _code(self.load())}


@cache
def _code(probe: type[Probe]) -> str:
    from benchmark.records.code_version import code_version

    return code_version(probe, Probe)


def descriptions(asked: Iterable[Asked]) -> dict[str, dict[str, object]]:
    """Options and code version of each probe, by the probe's name."""
    return {each.load().name: each.description() for each in asked}


def asked(texts: Sequence[str]) -> tuple[Asked, ...]:
    """The probes in the texts typed after --measure. Raises InputError for unknown or repeated probes and options."""
    probes: dict[str, Asked] = {}
    for text in texts:
        spec, colon, tail = text.strip().rpartition(":")
        spec, tail = (spec, tail) if colon and ("=" in tail or not tail) else (text.strip(), "")
        each = _with_options(canonical(spec), tail)
        name = each.load().name
        if name in probes:
            raise InputError(f"--measure: the probe '{name}' is given twice")
        probes[name] = each
    return tuple(probes.values())


def _with_options(spec: str, text: str) -> Asked:
    probe, given = probe_named(spec), {}
    for pair in filter(None, text.split(",")):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not (key and equals and value) or key in given:
            raise InputError(f"--measure: '{pair}' is not KEY=VALUE, or given twice; for example {probe.name}:every=10")
        given[key] = value
    known = probe.Options.model_fields
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"
            raise InputError(f"--measure: {probe.name} has no option '{key}', {hint}")
    try:
        options = probe.Options.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Input ").removeprefix("Value ")
        raise InputError(
            f"--measure: option '{first['loc'][0]}' of {probe.name} cannot be {first['input']!r}: it {message}"
        ) from None
    return Asked(spec, tuple(dict(options).items()))


def probes() -> dict[str, type[Probe]]:
    """The suite's own probes by name."""
    modules = [importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    return {probe.name: probe for module in modules for probe in _held(module)}


def _installed() -> Mapping[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


def probe_named(spec: str) -> type[Probe]:
    """The class of a probe. A process loads each probe once.

    Raises InputError, one line with the nearest known name or with what is wrong with the file.
    """
    return _loaded(canonical(spec))


@cache
def _loaded(spec: str) -> type[Probe]:
    own = probes()
    if spec in own:
        return own[spec]
    if is_file(spec):
        held = _held(module_of_file(spec, "--measure"))
        if len(held) != 1:
            names = ", ".join(probe.__name__ for probe in held) or "none"
            raise InputError(f"--measure: {spec} must have one subclass of benchmark.training.probe.Probe, not {names}")
        return _checked(held[0], spec)
    points = _installed()
    if spec not in points:
        near = difflib.get_close_matches(spec.lower(), [*own, *points], 1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"choose from {', '.join([*own, *points])}, or name a file"
        raise InputError(f"--measure: there is no probe '{spec}', {hint}")
    try:
        probe = points[spec].load()
    except Exception as error:
        raise InputError(f"--measure: {spec}: {place_of(error, None)}") from error
    return _checked(probe, spec)


def _held(module: ModuleType) -> list[type[Probe]]:
    """The probes that a module defines itself."""
    classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Probe)]
    return [cls for cls in classes if cls.__module__ == module.__name__]


def _checked(probe: object, spec: str) -> type[Probe]:
    from benchmark.records.schema import is_identifier, unrecordable

    def refuse(what: str) -> NoReturn:
        raise InputError(f"--measure: {spec}: {what}")

    if not (isinstance(probe, type) and issubclass(probe, Probe)):
        refuse("it is not a subclass of benchmark.training.probe.Probe")
    name = getattr(probe, "name", None)
    if not is_identifier(name) or name in probes():
        refuse(f'it needs a new name of letters, digits and any of _ . : + -, as name = "norm", not {name!r}')
    if probe.measure is Probe.measure:
        refuse("it needs a function measure(self, view)")
    if not issubclass(probe.Options, Probe.Options):
        refuse("its Options must be a class Options(Probe.Options)")
    try:
        lacking = unrecordable(probe.Options())
    except ValidationError as error:
        lacking = error.errors()[0]["loc"][0]
    if lacking:
        refuse(f"its option '{lacking}' needs a default that is a number, a truth value or text")
    return probe

"""The parameters of a stream's function: which ones a person may give, and how their values are recorded."""

import inspect
from collections.abc import Callable, Iterable, Mapping

from benchmark.common.arguments import fitted, parameters_of
from benchmark.common.loading import shown
from methods.arguments import LONGEST_TEXT, canonical, literal

Maker = Callable[..., object]
_GIVEN_BY_THE_SUITE = ("seed", "dataset_root")


def _free(maker: Maker) -> dict[str, inspect.Parameter]:
    return {
        name: parameter
        for name, parameter in parameters_of(maker).items()
        if name not in _GIVEN_BY_THE_SUITE and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def defaults(maker: Maker) -> dict[str, object]:
    """The defaults of a stream's function as a record holds them. Defaults that no record can hold are left out."""
    found = {name: parameter.default for name, parameter in _free(maker).items()}
    return {name: _written(canonical(value, value)) for name, value in found.items() if _recordable(value)}


def written_out(maker: Maker, given: Mapping[str, object]) -> dict[str, object]:
    """The arguments of a stream's function as a record holds them: its defaults, replaced by the given values.

    Equal values have one form: 1, 1.0 and True for a parameter with a number as default, or "[0,1]" and "[0, 1]".
    """
    free = _free(maker)
    theirs = {}
    for name, value in given.items():
        default = free[name].default if name in free else None
        read = canonical(literal(value), default)
        theirs[name] = _written(read) if _recordable(read) else value
    return dict(sorted((defaults(maker) | theirs).items()))


def checked(spec: str, maker: Maker, arguments: Iterable[tuple[str, object]]) -> dict[str, object]:
    """The arguments as Python values. Arguments that equal their defaults are left out.

    Raises InputError if the function does not take an argument, or if a required argument is missing.
    """
    asked = dict(arguments)
    read = fitted(maker, asked, "stream", _GIVEN_BY_THE_SUITE, shown(spec))
    usual = {name: (type(value), value) for name, value in defaults(maker).items()}
    return {name: value for name, value in read.items() if (type(asked[name]), asked[name]) != usual.get(name)}


def _written(value: object) -> object:
    """The recorded form of a value: numbers, truth values and None unchanged, others as text for `literal`."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return value if isinstance(value, str) and literal(value) == value else repr(value)


def _recordable(value: object) -> bool:
    if isinstance(value, float):
        return value - value == 0  # finite
    if isinstance(value, list | tuple | dict):
        parts = [*value.values(), *value] if isinstance(value, dict) else value
        return all(map(_recordable, parts)) and len(repr(value)) <= LONGEST_TEXT
    if isinstance(value, str):
        return value.isprintable() and len(repr(value)) <= LONGEST_TEXT
    return value is None or type(value) in (bool, int)

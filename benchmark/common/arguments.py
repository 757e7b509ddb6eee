"""Arguments that a person gives to a function of their own, PART.NAME=VALUE, checked against its signature."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Mapping

from methods.arguments import literal
from methods.errors import InputError


def parameters_of(function: Callable[..., object]) -> Mapping[str, inspect.Parameter]:
    """The parameters by name; none where Python cannot tell them, as of a class written in C."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def fitted(
    function: Callable[..., object], arguments: Mapping[str, object], part: str, given: Collection[str], title: str
) -> dict[str, object]:
    """The arguments as Python values.

    part: what the arguments belong to, as 'network'; given: parameters that the suite fills in itself; title: what the
    function is called in messages. Raises InputError for an argument that the function does not take, or lacks.
    """
    known = parameters_of(function)
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    free = [
        name
        for name, parameter in known.items()
        if name not in given and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    for name in arguments:
        if name not in free and (name in known or not takes_any):
            near = difflib.get_close_matches(name, free, 1)
            hint = f"did you mean '{part}.{near[0]}'?" if near else f"it takes {', '.join(free) or 'none'}"
            raise InputError(f"--set: {title} takes no '{part}.{name}', {hint}")
    lacking = [name for name in free if known[name].default is inspect.Parameter.empty and name not in arguments]
    if lacking:
        raise InputError(f"{title} needs {', '.join(lacking)}: give --set {part}.{lacking[0]}=VALUE")
    return {name: literal(value) for name, value in arguments.items()}

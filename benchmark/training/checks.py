"""Checks the interface of an external method, as far as that is possible without training."""

from __future__ import annotations

import inspect
from itertools import chain

from pydantic import ValidationError

from benchmark.common.loading import file_of, place_of, shown
from benchmark.records.schema import is_identifier, unrecordable
from benchmark.training.about import about
from methods.catalogue import METHOD_ROWS, malformed
from methods.errors import InputError
from methods.method import Method
from methods.settings import Settings, settings_for

CALLS = {
    "phases": "tasks",
    "learning_rate": "self, phase",
    "direction": "self, net, batch",
    "step_kind": "self",
    "penalty": "self",
    "after_phase": "self, net, recent",
    "state": "self",
    "restore": "self, state",
    "schedule": "self, clock",
}
"""The functions that the engine calls, with their parameters. `phases` is a class method; `schedule` is optional."""


def check(method: type[Method]) -> None:
    """Raises InputError if something is wrong: one line that names the file, the line and what to do."""
    _check_id(method)
    if not _takes(method, 2):
        _refuse(method, method.__init__, "__init__ must take (self, settings, problem)")
    for name, parameters in CALLS.items():
        function = getattr(method, name)
        if function is not None and not _takes(function, len(parameters.split(", "))):
            kind = "be a class method that takes (cls, tasks)" if name == "phases" else f"take ({parameters})"
            _refuse(method, function, f"{name} must {kind}")
    if hasattr(method, "train"):
        _refuse(method, method.train, "the engine trains it, so it has no train(); give yours another name")
    check_phases(method, 3)
    _check_settings(method)
    _check_stream_settings(method)
    try:
        about(method)
    except ValidationError as error:
        first = error.errors()[0]
        _refuse(method, method, f"its {first['loc'][0]} cannot be {str(first['input'])[:40]!r}: {first['msg']}")


def _check_id(method: type[Method]) -> None:
    given = getattr(method, "id", None)
    if not is_identifier(given):
        _refuse(
            method,
            method,
            f'it needs an id of letters, digits and any of _ . : + -, as id = "my-method", not {str(given)[:40]!r}',
        )
    if given in METHOD_ROWS:
        _refuse(method, method, f"its id '{given}' is a built-in method's; give it an id of its own")


def check_phases(method: type[Method], tasks: int) -> None:
    """Raises InputError if the method does not train every task once, in the order of the stream."""
    try:
        phases = method.phases(tasks)
        sound = all(phases) and list(chain(*map(sorted, phases))) == list(range(tasks))
    except Exception as error:
        raise InputError(f"--method: {place_of(error, file_of(method))}") from error
    if not sound:
        _refuse(
            method, method.phases, f"phases({tasks}) must name each task once, in ascending order, not {phases}"[:200]
        )


def _check_settings(method: type[Method]) -> None:
    own = method.Settings
    if not (isinstance(own, type) and issubclass(own, Settings)):
        _refuse(method, own, "its Settings must be a class Settings(Method.Settings)")
    for name, field in own.model_fields.items():
        if field.is_required() and name not in Settings.model_fields:
            _refuse(method, own, f"its setting '{name}' needs a default, as {name}: float = Field(0.1, ge=0)")
    try:
        name = unrecordable(settings_for(method.id, "permuted-digits", None, own))
    except InputError as error:
        _refuse(method, own, str(error))
    if name is not None:
        _refuse(method, own, f"its setting '{name}' cannot be recorded: it must be a number, a truth value or text")


def _check_stream_settings(method: type[Method]) -> None:
    chosen = method.stream_settings
    wrong = malformed(chosen)
    if wrong:
        _refuse(method, method, wrong)
    for stream, own in chosen.items():
        try:
            unknown = [name for name in own if name not in method.Settings.model_fields]
            if unknown:
                raise InputError(f"there is no setting '{unknown[0]}'")
            name = unrecordable(settings_for(method.id, stream, None, method.Settings, chosen))
        except InputError as error:
            _refuse(method, method, f"stream_settings of '{stream}': {error}")
        if name is not None:
            _refuse(method, method, f"stream_settings of '{stream}': '{name}' cannot be recorded")


def _takes(function: object, count: int) -> bool:
    try:
        inspect.signature(function).bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return True


def _refuse(method: type[Method], part: object, what: str) -> None:
    try:
        line = f", line {inspect.getsourcelines(part)[1]}"
    except (OSError, TypeError):
        line = ""
    raise InputError(f"--method: {shown(file_of(method))}{line}: {method.__name__}: {what}")

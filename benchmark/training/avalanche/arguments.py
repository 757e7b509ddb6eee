"""The arguments of Avalanche's strategies as settings: their types, ranges and defaults."""

from __future__ import annotations

import inspect
import types
import typing

from annotated_types import Gt
from avalanche.training.templates import SupervisedTemplate
from pydantic import Field, create_model

from benchmark.training.avalanche.requirements import REQUIREMENTS, Requirement
from methods.settings import Count, Settings

# what the suite gives to a strategy, so nobody else does
GIVEN = {
    "self",
    "model",
    "optimizer",
    "criterion",
    "train_mb_size",
    "train_epochs",
    "eval_mb_size",
    "device",
    "plugins",
    "evaluator",
    "eval_every",
    "peval_mode",
    "feature_extractor",
    "classifier",
    "input_size",
    "cwr_layer_name",
    "last_layer_name",
    "buffer_transform",
}

_Strength = typing.Annotated[float, Field(ge=0, le=1e38)]
_Positive = typing.Annotated[float, Gt(0), Field(le=1e38)]
_Share = typing.Annotated[float, Field(ge=0, le=1)]
_OrMinusOne = typing.Annotated[float, Field(ge=-1, le=1e38)]
_POSITIVE = {"temperature", "temp", "base_temp", "T", "eps"}
_SHARES = {"decay_factor", "val_percentage"}


def parameters(strategy: type[SupervisedTemplate]) -> dict[str, inspect.Parameter]:
    """The parameters of a strategy's constructor, by name."""
    return dict(inspect.signature(strategy.__init__).parameters)


def settings_model(strategy: type[SupervisedTemplate]) -> type[Settings]:
    """The suite's settings and the strategy's own arguments, each with its type, its range and a default."""
    needs, fields = REQUIREMENTS[strategy.__name__], {}
    for name, parameter in parameters(strategy).items():
        if name in GIVEN or name in Settings.model_fields or parameter.kind is parameter.VAR_KEYWORD:
            continue
        default, source = _default(strategy, parameter, needs)
        kind = _kind(parameter, default, needs.choices.get(name, ()))
        if kind is not None:
            fields[name] = kind, Field(default, description=source)
    return create_model(f"{strategy.__name__}Settings", __base__=Settings, **fields)


def _default(
    strategy: type[SupervisedTemplate], parameter: inspect.Parameter, needs: Requirement
) -> tuple[object, str]:
    if parameter.name in needs.defaults:
        return needs.defaults[parameter.name]
    default = ... if parameter.default is parameter.empty else parameter.default
    return default, f"default of Avalanche's {strategy.__name__}"


def _kind(parameter: inspect.Parameter, default: object, choices: tuple[str, ...]) -> object:
    """What a parameter may be, numbers and text only, in its range; None where a command line cannot give it."""
    annotation = parameter.annotation
    if annotation is parameter.empty:
        annotation = type(default)
    several = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    parts = list(typing.get_args(annotation)) if several else [annotation]
    if isinstance(default, float) and int in parts:  # as temperature: int = 0.1
        parts[parts.index(int)] = float
    if float in parts and int in parts:
        parts.remove(int)
    plain = [part for part in parts if part in (int, float, bool, str, type(None))]
    ranged = tuple(_ranged(part, parameter.name, choices) for part in plain)
    return typing.Union[ranged] if ranged and plain != [type(None)] else None  # noqa: UP007  (of a list)


def _ranged(part: type, name: str, choices: tuple[str, ...]) -> object:
    if part is int:
        return Count
    if part is float:
        if name == "lamb":  # BiC's: -1 leaves it to the strategy
            return _OrMinusOne
        return _Positive if name in _POSITIVE else _Share if name in _SHARES else _Strength
    return typing.Literal[choices] if part is str and choices else part

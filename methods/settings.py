"""The settings that all methods share, each with its source: the common protocol of the paper's table.

The attribute `stream_settings` of a method has the values that differ for that method on a stream, or on every stream
that it does not name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from methods.catalogue import DESCRIPTIONS, OTHERS, StreamSettings
from methods.errors import InputError

Count = Annotated[int, Field(ge=1, le=10**9)]
CountOrZero = Annotated[int, Field(ge=0, le=10**9)]
# Above these bounds, a run would not fit in memory, or a number in float32.
Units = Annotated[int, Field(ge=1, le=20_000)]
Slots = Annotated[int, Field(ge=0, le=100_000)]
Window = Annotated[int, Field(ge=1, le=10**6)]
Rate = Annotated[float, Field(gt=0, le=1e38)]
Strength = Annotated[float, Field(ge=0, le=1e38)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Settings(BaseModel):
    """The settings that, with the method, stream, seed, data and code, determine the result of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tasks: Count  # number of tasks of the stream
    epochs: Count  # passes over the data of each task
    batch_size: Count  # examples per step
    learning_rate: Rate
    momentum: Share  # of SGD (heavy ball): v <- momentum * v + g; optimizer_lifetime says when v is reset to 0
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)]  # factor per task
    dropout: Share  # probability of dropping a hidden unit
    hidden: Units  # units of each of the two hidden layers (MLP only)
    train_examples: CountOrZero  # per task; 0: the whole training set
    memory_per_class: Slots  # memory slots per class and task (A-GEM, ER)
    memory_batch: Count  # memory examples per step (A-GEM, ER)
    ewc_lambda: Strength  # strength of EWC's penalty
    fisher_window: Window  # steps over which squared gradients are averaged (EWC)

    # The fields below have a default. A record holds them only if the run has another value.
    network: str = Field("", max_length=200, description="the stream's own")  # "": the default network of the stream
    shuffle: bool = Field(True, description="Avalanche's loader: a new order every epoch")  # False: order of the data
    optimizer: str = Field("sgd", description="paper: plain SGD")
    optimizer_lifetime: Literal["epoch", "task", "run"] = Field(  # the optimizer's state is reset that often
        "epoch", description="published code, stable_sgd/main.py: a new one every epoch"
    )
    schedule: str = Field("constant", description="paper: the rate only decays from task to task")

    @field_validator("*")
    @classmethod
    def _zero_has_no_sign(cls, value: object) -> object:
        return 0.0 if isinstance(value, float) and value == 0 else value  # -0.0 would give an equal run another record

    def __iter__(self) -> Iterator[tuple[str, object]]:
        """The settings as a record holds them: a setting that equals its default in the class is left out."""
        for name, value in super().__iter__():
            field = Settings.model_fields.get(name)
            if field is None or field.is_required() or value != field.default:
                yield name, value

    def everything(self) -> dict[str, object]:
        """All settings by name, including those that equal their defaults."""
        return dict(super().__iter__())


PAPER = "paper, section 5"
CODE = "published code"

PROTOCOL: dict[str, tuple[object, str]] = {
    "tasks": (20, PAPER),
    "epochs": (1, PAPER),
    "batch_size": (10, PAPER),
    "learning_rate": (0.1, CODE),
    "momentum": (0.0, "paper: plain SGD"),
    "learning_rate_decay": (1.0, "none unless the method decays"),
    "dropout": (0.0, "none unless the method drops"),
    "hidden": (256, PAPER),
    "train_examples": (0, "paper: the whole training set"),
    "memory_per_class": (1, "published code: one example a class and task"),
    "memory_batch": (10, "published code, replicate_mnist.sh and replicate_cifar.sh"),
    "ewc_lambda": (10.0, "published code, default of --synap-stgth"),
    "fisher_window": (10, "published code, fc_mnist.py"),
}

STREAM_PROTOCOL: dict[str, dict[str, tuple[object, str]]] = {
    "split-cifar100": {
        "learning_rate": (0.03, "published code, replicate_cifar.sh"),
        "fisher_window": (50, "published code, conv_split_cifar.py"),
    },
    "split-digits": {"tasks": (5, "ten digits make five tasks of two classes")},
}


def _with_sources(
    method_id: str, stream_id: str, model: type[Settings], chosen: StreamSettings | None
) -> dict[str, tuple[object, str]]:
    own = {
        name: (field.get_default(call_default_factory=True), field.description or "the method's own file")
        for name, field in model.model_fields.items()
        if not field.is_required()
    }
    if chosen is None:
        chosen = DESCRIPTIONS[method_id].stream_settings if method_id in DESCRIPTIONS else {}
    return PROTOCOL | STREAM_PROTOCOL.get(stream_id, {}) | own | dict(chosen.get(stream_id, chosen.get(OTHERS, {})))


def sources_for(
    method_id: str, stream_id: str, model: type[Settings] = Settings, chosen: StreamSettings | None = None
) -> dict[str, str]:
    """The source of each setting of a method on a stream. model, chosen: see `settings_for`."""
    model = _own_model(method_id, model)
    return {name: source for name, (_, source) in _with_sources(method_id, stream_id, model, chosen).items()}


def settings_for(
    method_id: str,
    stream_id: str,
    overrides: Mapping[str, object] | None = None,
    model: type[Settings] = Settings,
    chosen: StreamSettings | None = None,
) -> Settings:
    """The settings of a method on a stream, changed by `overrides` (numbers, or texts of numbers).

    model: the method's Settings class. The default of a field is the method's own value, and its description is the
    source. chosen: the method's `stream_settings`; by default those of the built-in method with this id.
    Raises InputError for an unknown setting or a value out of range.
    """
    overrides, model = overrides or {}, _own_model(method_id, model)
    for name in overrides:
        if name not in model.model_fields:
            near = difflib.get_close_matches(name, model.model_fields, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(model.model_fields)}"
            raise InputError(f"unknown setting {_shown(name)} of {method_id}: {hint}")
    values = {name: value for name, (value, _) in _with_sources(method_id, stream_id, model, chosen).items()}
    try:
        settings = model.model_validate(values | dict(overrides))
        if model is not Settings:  # a method may change the values of shared settings, but not their ranges
            Settings.model_validate({name: getattr(settings, name) for name in Settings.model_fields}, strict=True)
        return settings
    except ValidationError as error:
        lacking = [f"{each['loc'][0]}" for each in error.errors() if each["type"] == "missing"]
        if lacking:
            raise InputError(f"{method_id} needs {', '.join(lacking)}: give --set {lacking[0]}=VALUE") from None
        first = error.errors()[0]
        message = first["msg"].removeprefix("Input ").removeprefix("Value ")
        raise InputError(f"setting '{first['loc'][0]}' cannot be {_shown(first['input'])}: it {message}") from None


def _own_model(method_id: str, model: type[Settings]) -> type[Settings]:
    """The Settings class of a method. A built-in method is loaded only if it has settings of its own."""
    each = DESCRIPTIONS.get(method_id)
    if model is not Settings or each is None or not each.own_settings:
        return model
    return getattr(import_module(each.module), each.name).Settings


def _shown(value: object) -> str:
    """The repr of a value, which has no line breaks, cut to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

"""The settings that all methods share, each with its source: the protocol common to the paper's table.

What a method sets otherwise on a stream, or on every stream that it does not name, stands in its own file, as
`stream_settings`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from methods.catalogue import DESCRIPTIONS, OTHERS, StreamSettings
from methods.errors import InputError

Count = Annotated[int, Field(ge=1, le=10**9)]
CountOrZero = Annotated[int, Field(ge=0, le=10**9)]
# Above these bounds no memory holds the run, or float32 the number.
Units = Annotated[int, Field(ge=1, le=20_000)]
Slots = Annotated[int, Field(ge=0, le=100_000)]
Window = Annotated[int, Field(ge=1, le=10**6)]
Rate = Annotated[float, Field(gt=0, le=1e38)]
Strength = Annotated[float, Field(ge=0, le=1e38)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Settings(BaseModel):
    """Everything that decides the result of a run besides its method, stream, seed, data and code."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tasks: Count  # experiences of the stream
    epochs: Count  # passes over the data of each task
    batch_size: Count  # examples a step
    learning_rate: Rate
    momentum: Share  # of SGD: heavy ball, v <- momentum * v + g; v begins at 0 as often as optimizer_lifetime says
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)]  # factor from task to task
    dropout: Share  # probability that a hidden unit is dropped
    hidden: Units  # units of each of the two hidden layers (MLP only)
    train_examples: CountOrZero  # per task; 0 = the whole training set
    memory_per_class: Slots  # memory slots per class and task (A-GEM, ER)
    memory_batch: Count  # memory examples a step (A-GEM, ER)
    ewc_lambda: Strength  # strength of EWC's penalty
    fisher_window: Window  # steps whose squared gradients are averaged (EWC)

    # Fields below have a default here, and a record names them only where the run has another value.
    network: str = Field("", max_length=200, description="the stream's own")  # "": the stream's own
    shuffle: bool = Field(True, description="Avalanche's loader: a new order every epoch")  # False: the data's order
    optimizer: str = Field("sgd", description="paper: plain SGD")
    optimizer_lifetime: Literal["epoch", "task", "run"] = Field(  # its state begins anew that often
        "epoch", description="published code, stable_sgd/main.py: made anew every epoch"
    )
    schedule: str = Field("constant", description="paper: the rate decays from task to task alone")

    @field_validator("*")
    @classmethod
    def _zero_has_no_sign(cls, value: object) -> object:
        return 0.0 if isinstance(value, float) and value == 0 else value  # -0.0 would be another record of the same run

    def __iter__(self) -> Iterator[tuple[str, object]]:
        """The settings as a record holds them: those that have a default are left out while they have it."""
        for name, value in super().__iter__():
            field = Settings.model_fields.get(name)
            if field is None or field.is_required() or value != field.default:
                yield name, value

    def everything(self) -> dict[str, object]:
        """All settings by name, those with their defaults too."""
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
    """Where the value of each setting of a method on a stream comes from; model and chosen: as for `settings_for`."""
    return {name: source for name, (_, source) in _with_sources(method_id, stream_id, model, chosen).items()}


def settings_for(
    method_id: str,
    stream_id: str,
    overrides: Mapping[str, object] | None = None,
    model: type[Settings] = Settings,
    chosen: StreamSettings | None = None,
) -> Settings:
    """The settings of a method on a stream, with `overrides` (numbers, or text that reads as numbers) put over.

    model: the method's Settings; the defaults of its fields are the method's own values, their descriptions the
    sources. chosen: the method's `stream_settings`; by default those of the built-in method of that id.
    Raises InputError for an unknown setting or a value out of its range.
    """
    overrides = overrides or {}
    for name in overrides:
        if name not in model.model_fields:
            near = difflib.get_close_matches(name, model.model_fields, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(model.model_fields)}"
            raise InputError(f"unknown setting {_shown(name)} of {method_id}: {hint}")
    values = {name: value for name, (value, _) in _with_sources(method_id, stream_id, model, chosen).items()}
    try:
        settings = model.model_validate(values | dict(overrides))
        if model is not Settings:  # it may have put its own values, not its own ranges, on what all methods share
            Settings.model_validate({name: getattr(settings, name) for name in Settings.model_fields}, strict=True)
        return settings
    except ValidationError as error:
        lacking = [f"{each['loc'][0]}" for each in error.errors() if each["type"] == "missing"]
        if lacking:
            raise InputError(f"{method_id} needs {', '.join(lacking)}: give --set {lacking[0]}=VALUE") from None
        first = error.errors()[0]
        message = first["msg"].removeprefix("Input ").removeprefix("Value ")
        raise InputError(f"setting '{first['loc'][0]}' cannot be {_shown(first['input'])}: it {message}") from None


def _shown(value: object) -> str:
    """As Python writes it, so without line breaks, and cut where it is endless."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

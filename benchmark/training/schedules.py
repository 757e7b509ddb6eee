"""Learning-rate schedules by name.

The learning rate of a step is the method's rate for the phase times the factor of the schedule. `Method.learning_rate`
gives the rate for the phase: the paper's decay from task to task, with its floor. A decorated function adds a schedule.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from benchmark.common.text import hint
from methods.arguments import arguments_of
from methods.clock import Clock
from methods.errors import InputError
from methods.settings import Count, CountOrZero, Settings

if TYPE_CHECKING:
    from methods.method import Method

Schedule = Callable[[Clock], float]
"""The factor of a step's learning rate: finite, 0 or more."""

Curve = Callable[..., float]
"""`curve(t, total, **arguments)`: the factor at time t of total, 0 <= t < total, in units of Timing.unit."""

Factor = Annotated[float, Field(ge=0, le=1)]
Divisor = Annotated[float, Field(ge=1, le=1e38)]

SCHEDULES: dict[str, Curve] = {}


class Timing(BaseModel):
    """The arguments that every schedule takes.

    unit: the unit of time. The factor changes every step, epoch or task. warmup and the arguments of curves are in this
    unit. span: the schedule restarts with each task, or spans the whole run; with unit "task", it spans the whole run.
    warmup: number of units in which the factor rises linearly from warmup_start to 1, before the curve.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    unit: Literal["step", "epoch", "task"] = "step"
    span: Literal["task", "run"] | None = None
    warmup: CountOrZero = 0
    warmup_start: Factor = 0.0

    def position(self, clock: Clock) -> tuple[int, int]:
        """The time since the schedule started, and its total time, both in units."""
        if self.unit == "task":
            return clock.phase, clock.phases
        over_run = self.span == "run"
        if self.unit == "step":
            return (clock.run_step, clock.run_steps) if over_run else (clock.step, clock.steps)
        before = clock.phase * clock.epochs if over_run else 0
        return before + clock.epoch, clock.epochs * (clock.phases if over_run else 1)


def schedule(name: str) -> Callable[[Curve], Curve]:
    """Decorator that adds a curve to SCHEDULES. Only the method of the same file can use a curve in a method's file.

    The parameters of the curve after `t` and `total` become arguments `schedule.NAME`, checked by their annotations.
    The first line of its docstring is the formula that `list` shows. Raises InputError if another file uses the name.
    """

    def add(curve: Curve) -> Curve:
        held = SCHEDULES.setdefault(name, curve)
        if held.__module__ != curve.__module__:
            raise InputError(f"there is a schedule '{name}' already: give yours another name")
        SCHEDULES[name] = curve
        return curve

    return add


@schedule("constant")
def constant(t: int, total: int) -> float:
    """1"""
    return 1.0


@schedule("step")
def step(t: int, total: int, step_size: Count, gamma: Factor = 0.1) -> float:
    """gamma^floor(t / step_size)

    As torch.optim.lr_scheduler.StepLR.
    """
    return gamma ** (t // step_size)


@schedule("linear")
def linear(t: int, total: int, start_factor: Factor = 1.0, end_factor: Factor = 0.0) -> float:
    """start_factor + (end_factor - start_factor) t / total

    As torch.optim.lr_scheduler.LinearLR with total_iters = total.
    """
    return start_factor + (end_factor - start_factor) * t / total


@schedule("cosine")
def cosine(t: int, total: int, min_factor: Factor = 0.0) -> float:
    """min_factor + (1 - min_factor) (1 + cos(pi t / total)) / 2

    Loshchilov and Hutter, SGDR, ICLR 2017, equation 5, without restarts; as torch.optim.lr_scheduler.CosineAnnealingLR.
    """
    return _eased(1.0, min_factor, t / total)


@schedule("cosine-restarts")
def cosine_restarts(t: int, total: int, T_0: Count, T_mult: Count = 1, min_factor: Factor = 0.0) -> float:
    """cosine over T_0 units, then again over T_mult times as many, and so on

    Loshchilov and Hutter, SGDR, ICLR 2017; as torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.
    """
    period = T_0
    if T_mult == 1:
        t %= period
    while t >= period:
        t, period = t - period, period * T_mult
    return _eased(1.0, min_factor, t / period)


@schedule("exponential")
def exponential(t: int, total: int, gamma: Factor) -> float:
    """gamma^t

    As torch.optim.lr_scheduler.ExponentialLR.
    """
    return gamma**t


@schedule("one-cycle")
def one_cycle(
    t: int, total: int, pct_start: Factor = 0.3, div_factor: Divisor = 25.0, final_div_factor: Divisor = 1e4
) -> float:
    """cosine from 1 / div_factor up to 1 in pct_start of the time, then down to 1 / (div_factor final_div_factor)

    Smith and Topin, Super-Convergence, 2019; as torch.optim.lr_scheduler.OneCycleLR, whose max_lr is the rate here,
    without its cycle of momentum.
    """
    low, peak, last = 1 / div_factor, pct_start * total - 1, total - 1
    if t < peak:
        return _eased(low, 1.0, t / peak)
    return _eased(1.0, low / final_div_factor, (t - peak) / (last - peak)) if last > peak else 1.0


def _eased(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def schedule_of(settings: Settings, method: Method | type[Method] | None = None) -> Schedule | None:
    """The schedule of the settings, or the method's own; None if the factor is always 1.

    method: None for a built-in method, which has no schedule of its own. Raises InputError for an unknown name, a wrong
    argument, or settings that would replace the method's own schedule.
    """
    name, given = settings.schedule, arguments_of(settings, "schedule")
    if method is not None and method.schedule is not None:
        if given or name != Settings.model_fields["schedule"].default:
            raise InputError("the method has a schedule of its own: leave 'schedule' and its arguments as they are")
        return method.schedule
    known = _known(method)
    if name not in known:
        raise InputError(f"unknown schedule {name[:80]!r}: {hint(name, known)}")
    values = _checked(name, given)
    if name == "constant" and not values.warmup:
        return None
    own_arguments = {key: getattr(values, key) for key in arguments_taken(name)}
    return partial(_factor, SCHEDULES[name], values, own_arguments)


def _known(method: Method | type[Method] | None) -> list[str]:
    """The suite's schedules and those in the method's files, which the version of its code covers."""
    classes = inspect.getmro(method if isinstance(method, type) else type(method))
    modules = {__name__, *(cls.__module__ for cls in classes)}
    return [name for name, curve in SCHEDULES.items() if curve.__module__ in modules]


def _factor(curve: Curve, timing: Timing, arguments: Mapping[str, object], clock: Clock) -> float:
    t, total = timing.position(clock)
    if t < timing.warmup:
        return timing.warmup_start + (1 - timing.warmup_start) * t / timing.warmup
    return curve(t - timing.warmup, total - timing.warmup, **arguments)


def rates(schedule: Schedule | None, rate: float, start: Clock, count: int) -> list[float]:
    """The learning rates of `count` steps from `start` on: rate times the schedule's factor.

    Raises InputError if a factor is not a finite number of 0 or more.
    """
    if schedule is None:
        return [rate] * count
    clocks = [replace(start, step=start.step + i, run_step=start.run_step + i) for i in range(count)]
    return [rate * _sound(schedule(clock), clock) for clock in clocks]


def _sound(factor: float, clock: Clock) -> float:
    if not isinstance(factor, int | float) or not 0 <= factor < math.inf:
        raise InputError(f"the schedule returns {str(factor)[:80]} at {clock}; return a finite number of 0 or more")
    return factor


def formula(name: str) -> str:
    """The formula of a schedule's factor: the first line of its docstring."""
    return inspect.getdoc(SCHEDULES[name]).partition("\n")[0]


def arguments_taken(name: str | None = None) -> dict[str, object]:
    """The arguments of a schedule with their defaults, None for a required one. name=None: those of all schedules."""
    if name is None:
        defaults = {key: field.default for key, field in Timing.model_fields.items()}
        return defaults | {"span": "task"}
    fields = _model(SCHEDULES[name]).model_fields
    own = {key: field for key, field in fields.items() if key not in Timing.model_fields}
    return {key: None if field.is_required() else field.default for key, field in own.items()}


def _checked(name: str, given: Mapping[str, object]) -> Timing:
    model = _model(SCHEDULES[name])
    try:
        values = model.model_validate(dict(given))
    except ValidationError as error:
        raise InputError(_message(name, error.errors()[0], list(model.model_fields))) from None
    if values.unit == "task" and values.span == "task":
        raise InputError("schedule.unit=task gives each task one rate, so it spans the run: leave schedule.span out")
    return values


def _message(name: str, error: Mapping[str, Any], known: list[str]) -> str:
    argument, message = error["loc"][0], error["msg"].removeprefix("Input ").removeprefix("Value ")
    if error["type"] == "missing":
        return f"schedule '{name}' needs {argument}: give --set schedule.{argument}=VALUE"
    if error["type"] == "extra_forbidden":
        return f"schedule '{name}' takes no 'schedule.{argument}': {hint(argument, known, 'schedule.')}"
    return f"schedule.{argument} cannot be {str(error['input'])[:80]!r}: it {message}"


@cache
def _model(curve: Curve) -> type[Timing]:
    own = list(inspect.signature(curve, eval_str=True).parameters.values())[2:]
    fields = {each.name: (each.annotation, ... if each.default is each.empty else each.default) for each in own}
    return create_model(curve.__name__, __base__=Timing, **fields)

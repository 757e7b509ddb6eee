"""The training step that all methods share: an in-place update of S networks by SGD or a rule of torch.optim."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from benchmark.common.text import hint
from benchmark.networks.gradients import Dense
from benchmark.training.optimizer_names import OPTIMIZERS
from methods.arguments import arguments_of, literal
from methods.errors import InputError
from methods.method import Gradient, Penalty
from methods.settings import Settings

# In fused and foreach kernels, rounding may depend on the position of a row among the others.
_GIVEN = {"foreach": False, "fused": False}
_RESERVED = ("params", "foreach", "fused", "capturable", "differentiable", "maximize")


class Step:
    """theta <- theta - lr * direction, in place, with momentum and the gradient of a quadratic penalty.

    Without momentum, the penalty's part theta - lr * 2 strength (theta - anchor) equals keep * theta + pull with
    constant keep and pull [S, P], which takes one pass over the parameters.
    """

    def __init__(self, theta: Tensor, rate: float, momentum: float, penalty: Penalty | None) -> None:
        self.theta, self.rate, self.momentum = theta, rate, momentum
        self.velocity = torch.zeros_like(theta) if momentum else None
        self.slope = self.keep = None
        if penalty is not None:
            self.slope = 2 * penalty.strength
            self.offset = self.slope * penalty.anchor
            if not momentum:
                self.keep, self.pull = 1 - rate * self.slope, rate * self.offset

    def at(self, rate: float) -> None:
        """Take the following steps at this rate."""
        if rate != self.rate:
            self.rate = rate
            if self.keep is not None:
                self.keep, self.pull = 1 - rate * self.slope, rate * self.offset

    def __call__(self, direction: Gradient | Tensor) -> None:
        """Take one step along a gradient or a dense [S, P] direction."""
        if isinstance(direction, Tensor):
            direction = Dense(direction)
        if self.velocity is None:
            if self.keep is not None:
                torch.addcmul(self.pull, self.keep, self.theta, out=self.theta)
            direction.add_to(self.theta, -self.rate)
            return
        direction.add_to(self.velocity, 1.0, keep=self.momentum)
        if self.slope is not None:
            self.velocity.addcmul_(self.slope, self.theta).sub_(self.offset)
        self.theta.sub_(self.velocity, alpha=self.rate)


class TorchStep:
    """A step by a rule of torch.optim, with theta [S, P] as a single parameter.

    The parameter's gradient is the direction plus the gradient of the quadratic penalty.
    """

    def __init__(self, theta: Tensor, settings: Settings) -> None:
        self.parameter = torch.nn.Parameter(theta, requires_grad=False)
        self.parameter.grad = torch.zeros_like(theta)
        self.optimizer = made(settings, [self.parameter])
        self.slope = self.offset = None

    def begin(self, rate: float, penalty: Penalty | None) -> None:
        """Use this learning rate and this penalty in the following steps."""
        self.at(rate)
        self.slope = None if penalty is None else 2 * penalty.strength
        self.offset = None if penalty is None else self.slope * penalty.anchor

    def at(self, rate: float) -> None:
        """Take the following steps at this rate."""
        self.optimizer.param_groups[0]["lr"] = rate

    def __call__(self, direction: Gradient | Tensor) -> None:
        """Take one step along a gradient or a dense [S, P] direction."""
        if isinstance(direction, Tensor):
            direction = Dense(direction)
        gradient = self.parameter.grad
        direction.add_to(gradient, 1.0, keep=0.0)
        if self.slope is not None:
            gradient.addcmul_(self.slope, self.parameter).sub_(self.offset)
        self.optimizer.step()


class Optimizer:
    """The optimizer of a cell. The setting `optimizer_lifetime` says when its state, such as momentum, is reset."""

    def __init__(self, theta: Tensor, settings: Settings) -> None:
        self.theta, self.settings, self.lifetime = theta, settings, settings.optimizer_lifetime
        stateless = self.lifetime == "epoch" or not settings.momentum
        self.plain = settings.optimizer == "sgd" and not arguments_of(settings, "optimizer") and stateless
        self._step: TorchStep | None = None

    def begin_phase(self) -> None:
        """Reset the state, unless its lifetime is the run."""
        if self.lifetime != "run":
            self._step = None

    def begin_epoch(self, rate: float, penalty: Penalty | None) -> Step | TorchStep:
        """The step for the coming epoch. Its method `at` changes the learning rate."""
        if self.plain:
            return Step(self.theta, rate, self.settings.momentum, penalty)
        if self._step is None or self.lifetime == "epoch":
            self._step = TorchStep(self.theta, self.settings)
        self._step.begin(rate, penalty)
        return self._step

    def state(self) -> dict[str, Tensor]:
        """The tensors of torch.optim's state, [S, P] or []; {} if no state outlives a phase."""
        if self._step is None or self.lifetime != "run":
            return {}
        state = self._step.optimizer.state[self._step.parameter]
        return {name: value for name, value in state.items() if value is not None}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state that `state` returned. Raises ValueError if it belongs to other networks."""
        self._step = None
        if not state:
            return
        if self.plain or any(value.shape not in ((), self.theta.shape) for value in state.values()):
            raise ValueError("the state belongs to another optimizer or to other networks")
        self._step = TorchStep(self.theta, self.settings)
        # torch.optim reads single numbers, such as a count of steps, at every step: on a GPU it would have to wait
        placed = {name: value.to(self.theta.device) if value.ndim else value.cpu() for name, value in state.items()}
        self._step.optimizer.state[self._step.parameter] = placed


def check_arguments(settings: Settings) -> None:
    """Raises InputError if the optimizer of the settings does not take its arguments."""
    made(settings, [torch.zeros(1)])


def made(settings: Settings, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """The optimizer of the settings for these parameters. Raises InputError if it does not take an argument."""
    name = settings.optimizer
    rule = getattr(torch.optim, OPTIMIZERS[name].torch_class)
    taken = inspect.signature(rule).parameters
    arguments = {key: _read(name, key, value, taken) for key, value in arguments_of(settings, "optimizer").items()}
    if name == "sgd":
        arguments["momentum"] = settings.momentum
    given = {key: value for key, value in _GIVEN.items() if key in taken}
    try:
        return rule(parameters, lr=settings.learning_rate, **arguments, **given)
    except (ValueError, TypeError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"optimizer '{name}' cannot be created: {said[:200]}") from None


def _read(name: str, key: str, value: object, taken: Mapping[str, inspect.Parameter]) -> object:
    """The value of one argument, of the same kind as its default."""
    if key == "lr":
        raise InputError("optimizer.lr is not available: give the setting 'learning_rate', its decay or a schedule")
    if name == "sgd" and key == "momentum":
        raise InputError("SGD's momentum is the setting 'momentum', not optimizer.momentum: give --set momentum=VALUE")
    if key in _RESERVED:
        raise InputError(f"optimizer.{key} is chosen by the suite; leave it out")
    free = [each for each in taken if each not in (*_RESERVED, "lr") and (name, each) != ("sgd", "momentum")]
    if key not in free:
        raise InputError(f"optimizer '{name}' takes no 'optimizer.{key}': {hint(key, free, 'optimizer.')}")
    read, default = literal(value), taken[key].default
    if isinstance(default, bool):
        fits, wanted = isinstance(read, bool), "True or False"
    elif isinstance(default, tuple):
        fits, wanted = _numbers(read, len(default)), f"{len(default)} numbers, as '{default}'"
    else:
        fits, wanted = _number(read), "a number"
    if not fits:
        raise InputError(f"optimizer.{key} cannot be {str(value)[:80]!r}: it should be {wanted}")
    if key == "eps" and read == 0:
        raise InputError("optimizer.eps cannot be 0: a parameter without a gradient would become 0 / 0")
    return tuple(read) if isinstance(default, tuple) else read


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(value: object, count: int) -> bool:
    return isinstance(value, tuple | list) and len(value) == count and all(map(_number, value))

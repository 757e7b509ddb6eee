"""The step that all methods share: gradient descent on S networks, in place, by SGD or a rule of torch.optim."""

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

# Written-out loops: fused and foreach kernels may round otherwise, depending on where a row lies among the others.
_GIVEN = {"foreach": False, "fused": False}
_RESERVED = ("params", "foreach", "fused", "capturable", "differentiable", "maximize")


class Step:
    """theta <- theta - lr * direction, with momentum and the gradient of a quadratic penalty, in place.

    The penalty's part of a plain step, theta - lr * 2 strength (theta - anchor), is keep * theta + pull with
    fixed keep and pull [S, P]: one pass over the parameters.
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
    """A step by a rule of torch.optim, on theta [S, P] as one parameter.

    Its gradient is the direction, and the gradient of the quadratic penalty is added to that.
    """

    def __init__(self, theta: Tensor, settings: Settings) -> None:
        self.parameter = torch.nn.Parameter(theta, requires_grad=False)
        self.parameter.grad = torch.zeros_like(theta)
        self.optimizer = made(settings, [self.parameter])
        self.slope = self.offset = None

    def begin(self, rate: float, penalty: Penalty | None) -> None:
        """Take the following steps at this rate and with this penalty."""
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
    """The optimizer of a cell. Its state (momentum and the like) begins anew as often as `optimizer_lifetime` says."""

    def __init__(self, theta: Tensor, settings: Settings) -> None:
        self.theta, self.settings, self.lifetime = theta, settings, settings.optimizer_lifetime
        stateless = self.lifetime == "epoch" or not settings.momentum
        self.plain = settings.optimizer == "sgd" and not arguments_of(settings, "optimizer") and stateless
        self._step: TorchStep | None = None

    def begin_phase(self) -> None:
        """Forget the state of the phase before, unless it lives for the run."""
        if self.lifetime != "run":
            self._step = None

    def begin_epoch(self, rate: float, penalty: Penalty | None) -> Step | TorchStep:
        """The step of the coming epoch; `at` changes its rate."""
        if self.plain:
            return Step(self.theta, rate, self.settings.momentum, penalty)
        if self._step is None or self.lifetime == "epoch":
            self._step = TorchStep(self.theta, self.settings)
        self._step.begin(rate, penalty)
        return self._step

    def state(self) -> dict[str, Tensor]:
        """What outlives a phase: the tensors of torch.optim's state, [S, P] or a single number; {} if nothing does."""
        if self._step is None or self.lifetime != "run":
            return {}
        state = self._step.optimizer.state[self._step.parameter]
        return {name: value for name, value in state.items() if value is not None}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave. Raises ValueError where it is of other networks."""
        self._step = None
        if not state:
            return
        if self.plain or any(value.shape not in ((), self.theta.shape) for value in state.values()):
            raise ValueError("the state is of another optimizer or of other networks")
        self._step = TorchStep(self.theta, self.settings)
        # a single number, as a count of steps, stays on the CPU: torch.optim reads it at every step
        placed = {name: value.to(self.theta.device) if value.ndim else value.cpu() for name, value in state.items()}
        self._step.optimizer.state[self._step.parameter] = placed


def made(settings: Settings, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """The optimizer of the settings on these parameters. Raises InputError for an argument that it does not take."""
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
        raise InputError(f"optimizer '{name}' cannot be made: {said[:200]}") from None


def _read(name: str, key: str, value: object, taken: Mapping[str, inspect.Parameter]) -> object:
    """The value of one argument, of the kind that its default has."""
    if key == "lr":
        raise InputError(
            "the optimizer's rate is the setting 'learning_rate' with its decay and schedule, not optimizer.lr"
        )
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

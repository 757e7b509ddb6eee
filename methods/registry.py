"""The methods of the table by id, in the paper's order, and those whose steps are alike."""

from collections.abc import Hashable

from methods.agem import AGEM
from methods.er_reservoir import ERReservoir
from methods.ewc import EWC
from methods.method import Method
from methods.multitask import MultiTask
from methods.naive import NaiveSGD
from methods.stable_sgd import StableSGD

METHODS: dict[str, type[Method]] = {
    method.id: method for method in (NaiveSGD, EWC, AGEM, ERReservoir, StableSGD, MultiTask)
}

_TIMELESS = (NaiveSGD, AGEM, ERReservoir, StableSGD, MultiTask)


def moment(method: Method) -> Hashable:
    """What decides what a step of the method does, besides the numbers in tensors that stay where they are and those
    of the batch and its generators; None where it can be anything, as in a method from elsewhere.

    EWC asks how many steps follow. A memory decides by how many examples it holds.
    """
    if type(method) not in _TIMELESS:
        return None
    return method.memory.filled if isinstance(method, (AGEM, ERReservoir)) else ()

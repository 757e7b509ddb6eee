"""The methods of the table by id, in the paper's order."""

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

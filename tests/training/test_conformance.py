"""The contract: all built-in methods keep it, and each clause fails for a method that breaks it."""

import pytest
import torch
from pydantic import Field

from benchmark.cli.commands.new_method import TEMPLATE
from benchmark.training import conformance
from benchmark.training.conformance import Broken, findings
from benchmark.training.external import method_named
from methods.errors import UnitError
from methods.method import Method, Penalty
from methods.registry import METHODS


@pytest.mark.parametrize("method", METHODS)
def test_built_in_methods_keep_the_contract(method):
    assert [(finding.clause, finding.why) for finding in findings(METHODS[method])] == [
        (clause, None) for clause in conformance.CLAUSES
    ]


def test_the_starting_file_keeps_the_contract(tmp_path):
    path = tmp_path / "fresh.py"
    path.write_text(TEMPLATE.format(title="Fresh", id="fresh"))
    assert [finding.why for finding in findings(method_named(str(path)))] == [None] * len(conformance.CLAUSES)


class OneRowForAll(Method):
    id = "one-row"

    def direction(self, net, batch):
        return net.gradient(batch).dense().mean(0)


class NotNumbers(Method):
    id = "not-numbers"

    def direction(self, net, batch):
        return net.gradient(batch).dense() / 0


class NoDirection(Method):
    id = "no-direction"

    def direction(self, net, batch):
        return [0.0]


class Averages(Method):
    id = "averages"

    def direction(self, net, batch):
        gradient = net.gradient(batch).dense()
        return gradient.mean(0, keepdim=True).expand_as(gradient)


class Noisy(Method):
    id = "noisy"

    def direction(self, net, batch):
        gradient = net.gradient(batch).dense()
        return gradient + 1e-6 * torch.rand(gradient.shape)


class Forgetful(Method):
    """Holds on to the last task's end, but its state does not say so."""

    id = "forgetful"
    anchor = None

    def penalty(self):
        return None if self.anchor is None else Penalty(torch.ones_like(self.anchor), self.anchor)

    def after_phase(self, net, recent):
        self.anchor = net.theta.clone()


class KeepsNumbers(Method):
    id = "keeps-numbers"

    def state(self):
        return {"seen": 3}


class LooksAtTests(Method):
    id = "looks-at-tests"

    def after_phase(self, net, recent):
        theirs = recent.data.streams[0].test[0].take(torch.arange(50)).float()
        net.theta.mul_(1 + 1e-4 * theirs.mean())


class LooksAhead(Method):
    id = "looks-ahead"

    def after_phase(self, net, recent):
        theirs = recent.data.streams[0].train[-1].take(torch.arange(50)).float()
        net.theta.mul_(1 + 1e-4 * theirs[:, 5].mean())


class Uphill(Method):
    id = "uphill"

    def direction(self, net, batch):
        return -net.gradient(batch).dense()


class Standing(Method):
    id = "standing"

    def direction(self, net, batch):
        return torch.zeros_like(net.theta)


class Frozen(Method):
    """Learns the first task and no other."""

    id = "frozen"

    def direction(self, net, batch):
        return net.gradient(batch).dense() * (batch.task == 0)


class AnyNumber(Method):
    id = "any-number"

    class Settings(Method.Settings):
        strength: float = 0.5


class AtLeastNothing(Method):
    id = "at-least-nothing"

    class Settings(Method.Settings):
        strength: float = Field(0.5, ge=0)
        mode: str = "mean"
        bold: bool = True


BROKEN = [
    (conformance.gives_directions, OneRowForAll, "one row per seed"),
    (conformance.gives_directions, NotNumbers, "divided by 0"),
    (conformance.gives_directions, NoDirection, "returns a list"),
    (conformance.keeps_seeds_apart, Averages, "trained alone"),
    (conformance.repeats_itself, Noisy, "self.problem.random"),
    (conformance.goes_on, Forgetful, "resumed after task 1"),
    (conformance.goes_on, KeepsNumbers, "returns int as 'seen'"),
    (conformance.sees_no_future, LooksAtTests, "test data"),
    (conformance.sees_no_future, LooksAhead, "or on later tasks"),
    (conformance.learns, Uphill, "task"),
    (conformance.learns, Standing, "chance is 10 %"),
    (conformance.learns, Frozen, "chance is 10 %"),
    (conformance.checks_settings, AnyNumber, "'strength' has no range"),
]


@pytest.mark.parametrize(("clause", "method", "said"), BROKEN, ids=[method.id for _, method, _ in BROKEN])
def test_a_method_that_breaks_a_clause_is_told(clause, method, said):
    assert clause in conformance.CLAUSES.values()
    with pytest.raises((Broken, UnitError), match=said), torch.no_grad():
        clause(method)


def test_every_clause_has_a_method_that_breaks_it():
    assert {clause for clause, _, _ in BROKEN} == set(conformance.CLAUSES.values())


def test_settings_in_a_range_are_fine():
    conformance.checks_settings(AtLeastNothing)


class Raises(Method):
    id = "raises"

    def direction(self, net, batch):
        raise KeyError("lost")


def test_an_error_is_told_with_its_line():
    why = {finding.clause: finding.why for finding in findings(Raises)}
    line = Raises.direction.__code__.co_firstlineno + 1
    told = why["it learns: better than chance on each new task"]
    assert told.endswith(f"test_conformance.py, line {line}: KeyError: 'lost'")
    assert why["its settings refuse values out of range"] is None

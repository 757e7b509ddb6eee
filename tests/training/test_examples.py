"""The worked example of docs/extending.md: SI keeps the contract and equals its equations under autograd."""

import pytest
import torch

from benchmark.streams.build import build
from benchmark.training.conformance import CLAUSES, findings
from benchmark.training.engine import Cell
from benchmark.training.external import method_named
from methods.settings import settings_for
from tests.oracles.plain import PlainRun, in_a_row
from tests.support.process import ROOT

FILE = ROOT / "docs" / "examples" / "si.py"
TOLERANCE = 2e-4
"""Largest difference of any parameter after some 60 steps in float32: sums are taken in another order."""


class PlainSI(PlainRun):
    """One seed of SI: the path integral step by step, the penalty's gradient by autograd."""

    def __init__(self, stream, settings) -> None:
        super().__init__("si", stream, settings)
        self.omega = torch.zeros_like(self.theta())
        self.start, self.path = self.theta().detach().clone(), torch.zeros_like(self.omega)

    def direction(self, batch, steps_left):
        """Cross-entropy plus c * sum Omega (theta - theta*)^2, all differentiated at once."""
        g = self.gradient(self.loss(batch))
        self.task_gradient = g
        flat = self.theta().detach().requires_grad_()
        penalty = self.settings.si_c * (self.omega * (flat - self.start) ** 2).sum()
        return g + torch.autograd.grad(penalty, flat)[0]

    def move(self, direction, rate):
        before = self.theta().detach().clone()
        super().move(direction, rate)
        self.path -= self.task_gradient * (self.theta().detach() - before)

    def evaluate(self):
        """A task has ended."""
        end = self.theta().detach().clone()
        self.omega += self.path.clamp(min=0) / ((end - self.start) ** 2 + self.settings.si_xi)
        self.start, self.path = end, torch.zeros_like(end)
        return super().evaluate()


@pytest.mark.parametrize(
    ("stream_id", "changes"),
    [("permuted-digits", {"si_c": 1.0}), ("split-digits", {"si_c": 0.5, "momentum": 0.5, "epochs": 2})],
)
def test_si_equals_a_plain_loop_with_autograd(stream_id, changes):
    si = method_named(str(FILE))
    small = {"tasks": 3, "train_examples": 200, "hidden": 32}
    settings = settings_for("si", stream_id, small | changes, si.Settings)
    streams = [build(stream_id, seed, settings.tasks, settings.train_examples) for seed in (0, 1)]
    cell = Cell(si, streams, settings, "cpu")
    with torch.no_grad():
        cell.train(lambda *progress: None)
    plain = PlainSI(streams[1], settings)
    plain.train()
    assert (cell.net.theta[1] - in_a_row(plain.theta())).abs().max() < TOLERANCE
    assert torch.allclose(cell.method.omega[1], in_a_row(plain.omega), rtol=1e-2, atol=1e-4) and plain.omega.max() > 0.1


def test_si_is_not_plain_sgd():
    """The comparison above would hold for a penalty of 0 as well."""
    ends = []
    for strength in (0.0, 1.0):
        si = method_named(str(FILE))
        small = {"tasks": 2, "train_examples": 200, "si_c": strength}
        settings = settings_for("si", "permuted-digits", small, si.Settings)
        cell = Cell(si, [build("permuted-digits", 0, 2, 200)], settings, "cpu")
        with torch.no_grad():
            cell.train(lambda *progress: None)
        ends.append(cell.net.theta)
    assert (ends[0] - ends[1]).abs().max() > 10 * TOLERANCE


def test_si_keeps_the_contract():
    assert [finding.why for finding in findings(method_named(str(FILE)))] == [None] * len(CLAUSES)


def test_the_page_shows_the_file_as_it_is():
    """Every Python block of the page stands in the file, line for line, whatever its indentation."""
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in page.split("```python\n")[1:]]
    source = _lines(FILE.read_text(encoding="utf-8"))
    assert len(blocks) >= 3 and all(_lines(block) in source for block in blocks)


def _lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())

"""What the episodic memory keeps with its examples besides images, labels and heads."""

import pytest
import torch

from methods.memory import EpisodicMemory
from tests.training.test_methods import SEEDS, Order, numbered, problem


def extras_of(batch):
    """Logits [S, B, 4] and an age [S, B] that tell of which example they are."""
    numbers = batch.images[:, :, 0]
    return {"logits": numbers[:, :, None] * torch.tensor([1.0, 2.0, 3.0, 4.0]), "age": -numbers}


def filled(seeds=SEEDS):
    """Ten examples held of 40 offered, and the same offered to a memory without extras."""
    kept, plain = EpisodicMemory(10, problem(seeds), {"logits": (4,), "age": ()}), EpisodicMemory(10, problem(seeds))
    for start, count in ((0, 3), (3, 12), (15, 25)):
        batch = numbered(start, count, seeds)
        kept.offer(batch, **extras_of(batch))
        plain.offer(batch)
    return kept, plain


def test_extras_stay_with_their_examples():
    memory, _ = filled()
    for _ in range(5):
        batch, extras = memory.sample_with_extras(4)
        assert extras.keys() == {"logits", "age"} and batch.images.shape[:2] == (SEEDS, 4)
        for name, values in extras_of(batch).items():
            assert torch.equal(extras[name], values)


def test_extras_change_no_draw_and_no_example():
    kept, plain = filled()
    for count in (3, 10):
        batch, expected = kept.sample_with_extras(count)[0], plain.sample(count)
        assert torch.equal(batch.images, expected.images)
    assert plain.state().keys() == {"images", "labels", "heads", "counts"}
    assert all(torch.equal(kept.state()[name], value) for name, value in plain.state().items())


def test_a_restored_memory_has_the_extras():
    memory, _ = filled()
    later = EpisodicMemory(10, problem(), {"logits": (4,), "age": ()})
    later.restore(memory.state())
    assert all(torch.equal(later.extras[name], values) for name, values in memory.extras.items())
    assert later.extras["logits"].any() and later.filled == 10


def test_gradients_are_not_kept_with_extras():
    memory = EpisodicMemory(10, problem(), {"age": ()})
    with torch.enable_grad():
        memory.offer(numbered(0, 3, SEEDS), age=torch.ones(SEEDS, 3, requires_grad=True) * 2)
    assert not memory.extras["age"].requires_grad


@pytest.mark.parametrize("given", [{}, {"logits": torch.zeros(SEEDS, 3, 4), "ages": torch.zeros(SEEDS, 3)}])
def test_missing_and_unknown_extras_are_refused(given):
    memory = EpisodicMemory(10, problem(), {"logits": (4,)})
    with pytest.raises(ValueError, match=r"the memory stores \['logits'\] with each example, but got \[.*\]"):
        memory.offer(numbered(0, 3, SEEDS), **given)
    with pytest.raises(ValueError, match="the memory stores"):
        memory.keep_last(Order(torch.tensor([[0, 1], [1, 1], [0, 0]])), per_class=1)

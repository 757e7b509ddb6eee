"""Pixel maps: angles inside their steps, and rotations that are rotations."""

import pytest
import torch
from hypothesis import given, settings, strategies

from benchmark.streams.pixel_maps import angles, permutations, rotation


@pytest.mark.parametrize("seed", [0, 7])
def test_permutations_show_every_pixel_once_and_differ(seed):
    maps = permutations(seed, 5, 64)
    assert all(torch.equal(one.sort().values, torch.arange(64)) for one in maps)
    assert len({tuple(one.tolist()) for one in maps}) == 5


@given(seed=strategies.integers(0, 2**32 - 1), tasks=strategies.integers(1, 36))
@settings(max_examples=50, deadline=None)
def test_each_angle_lies_inside_its_step_of_ten_degrees(seed, tasks):
    for task, angle in enumerate(angles(seed, tasks)):
        assert -180 <= angle <= 180
        turned = (angle - 10 * task + 180) % 360 - 180  # what is left after the task's own turn
        assert -10 - 1e-4 <= turned <= 1e-4


def test_quarter_turns_are_exact():
    image = torch.arange(64)
    for angle, turns in ((0.0, 0), (90.0, 1), (180.0, 2), (-90.0, 3)):
        assert torch.equal(image[rotation(angle, 8)].reshape(8, 8), torch.rot90(image.reshape(8, 8), turns))
    assert (rotation(45.0, 8) == -1).sum() > 0

"""Reads the images of an external stream as tensors. Checks that they have one shape and type, are finite and scaled.

Shape letter: N examples.
"""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from benchmark.common.loading import shown
from benchmark.streams import checks
from benchmark.streams.avalanche.parts import Part
from benchmark.streams.avalanche.scenario import Scenario
from methods.errors import InputError


def refuse(spec: str, errors: Sequence[str]) -> None:
    """Raises InputError with the first of the errors about a stream, if there are any."""
    if errors:
        raise InputError(f"{shown(spec)}: {errors[0]}")


def taken(part: Part, rows: Sequence[int], scenario: Scenario, tick: Callable[[], None] = lambda: None) -> Tensor:
    """The images `rows` of a part, [N, *scenario.shape], uint8 if all images are, else float32.

    tick: called after each image. Raises InputError if an image cannot be read, differs from the others in shape or
    type, or is not finite.
    """
    images = torch.empty(0)
    for place, row in enumerate(rows):
        image, _ = part.example(row)
        if tuple(image.shape) != scenario.shape:
            shapes = f"{tuple(image.shape)}, but {scenario.train[0].name}, row 0, has {scenario.shape}"
            raise part.error(f", row {row},", f"has an image of the shape {shapes}: give all examples one shape")
        if place == 0:
            images = torch.empty(len(rows), *scenario.shape, dtype=_kept_type(image))
        if (image.dtype == torch.uint8) != (images.dtype == torch.uint8):
            raise part.error(
                f", row {row},", f"has an image of {image.dtype}, but row {rows[0]} has not: give all examples one type"
            )
        images[place] = image
        tick()
    lost = (~images.flatten(1).isfinite().all(1)).nonzero()[:, 0]
    if len(lost):
        raise part.error(
            f", row {rows[int(lost[0])]},",
            f"has a pixel that is NaN or infinite ({len(lost)} of {len(rows)} images): repair these images, or leave "
            "them out",
        )
    return images


def _kept_type(image: Tensor) -> torch.dtype:
    return torch.uint8 if image.dtype == torch.uint8 else torch.float32


def scaled(spec: str, read: Sequence[tuple[str, Tensor]]) -> tuple[list[Tensor], float]:
    """The images and their scale: bytes and 255 if the images are bytes or bytes divided by 255, else unchanged and 1.

    Raises InputError if the images have several types or are unscaled.
    """
    parts, kinds = [images for _, images in read], {images.dtype: name for name, images in read}
    if set(kinds) == {torch.uint8}:
        return parts, 255.0
    if torch.uint8 in kinds:
        places = " and ".join(f"{kind} ({name})".removeprefix("torch.") for kind, name in kinds.items())
        refuse(spec, [f"its images are of several types, {places}: give all of them one type"])
    refuse(spec, checks.unscaled_pixels(read))
    whole = [part.mul(255).round_().clamp_(0, 255).byte() for part in parts]
    if all(torch.equal(byte.float() / 255, part) for byte, part in zip(whole, parts, strict=True)):
        return whole, 255.0
    return parts, 1.0

"""The task streams by name: what each one is, without building any (benchmark/streams/build.py builds them)."""

from dataclasses import dataclass

_PERMUTED = (
    "Each task shows the same images under its own permutation of the pixels, drawn from the run's seed as "
    "Avalanche's PermutedMNIST draws it (numpy RandomState(seed).permutation, task after task); one head."
)
_ROTATED = (
    "Each task is turned by about 10 degrees more than the one before, with jitter inside the 10 degree step "
    "drawn from the run's seed; Avalanche's RotatedMNIST with an explicit list of rotations; one head."
)
_SPLIT = (
    "The classes are dealt to the tasks without replacement, in an order drawn from the run's seed as "
    "Avalanche's {} draws it; one head a task, and the task is known at test time. {} classes a task."
)
_MNIST = "Data: MNIST, LeCun, Cortes and Burges, CC BY-SA 3.0."
_CIFAR = (
    "Data: CIFAR-100, Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; "
    "no licence stated by its author."
)
_DIGITS = (
    "Data: Optical Recognition of Handwritten Digits, Alpaydin and Kaynak, UCI, CC BY 4.0, "
    "as scikit-learn's load_digits."
)


@dataclass(frozen=True)
class StreamKind:
    """A kind of task stream; a seed and a number of tasks make a stream of it."""

    id: str
    title: str
    dataset: str  # "mnist" | "cifar100" | "digits"
    network: str  # by default, an id of benchmark.networks.registry; "": none of the suite's takes its examples
    tasks: int  # the number of tasks unless a setting says otherwise
    heads: str  # "one" | "per task"
    in_paper: bool
    source: str  # how it is drawn, which Avalanche benchmark it is, where its data come from


_KINDS = (
    StreamKind("permuted-mnist", "Permuted MNIST", "mnist", "mlp", 20, "one", True, f"{_PERMUTED} {_MNIST}"),
    StreamKind("rotated-mnist", "Rotated MNIST", "mnist", "mlp", 20, "one", True, f"{_ROTATED} {_MNIST}"),
    StreamKind(
        "split-cifar100",
        "Split CIFAR-100",
        "cifar100",
        "resnet18",
        20,
        "per task",
        True,
        f"{_SPLIT.format('SplitCIFAR100', 5)} {_CIFAR}",
    ),
    StreamKind("permuted-digits", "Permuted digits", "digits", "mlp", 20, "one", False, f"{_PERMUTED} {_DIGITS}"),
    StreamKind("rotated-digits", "Rotated digits", "digits", "mlp", 20, "one", False, f"{_ROTATED} {_DIGITS}"),
    StreamKind(
        "split-digits",
        "Split digits",
        "digits",
        "mlp",
        5,
        "per task",
        False,
        f"{_SPLIT.format('SplitMNIST', 2)} {_DIGITS}",
    ),
)

STREAMS: dict[str, StreamKind] = {kind.id: kind for kind in _KINDS}
PAPER_STREAMS: tuple[str, ...] = tuple(kind.id for kind in _KINDS if kind.in_paper)

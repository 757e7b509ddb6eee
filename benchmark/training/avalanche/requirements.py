"""What each strategy of avalanche-lib 0.6.0 works on, what it needs, and which of them the suite refuses, and why.

Nothing but data: benchmark.training.avalanche.arguments reads the defaults, fit.py the rest, table.py writes it down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DOMAIN, TASK, CLASS = "domain", "task", "class"
"""Kinds of streams: the same classes in every task; a head a task; other classes in every task under one head."""

EVERY = (DOMAIN, TASK, CLASS)
ONE_HEAD = (DOMAIN, CLASS)

Default = tuple[object, str]
"""A value, and where it comes from."""


@dataclass(frozen=True)
class Requirement:
    """What one strategy needs."""

    works_on: tuple[str, ...] = EVERY
    limit: str = ""  # why it works on no other kind of stream
    defaults: Mapping[str, Default] = field(default_factory=dict)  # where the library has none, or none that fits
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the texts that an argument may be
    solver: str = ""  # a package that it imports, and the extra that installs it: "quadprog gem"
    network: str = ""  # what the suite gives in place of its own network
    patch: str = ""  # what the suite repairs (benchmark.training.avalanche.patches)
    note: str = ""  # what a reader of its row should know
    refused: str = ""  # why it never runs


_BASELINES = "continual-learning-baselines of Avalanche's authors, {}.py"
_NO_TASK_LABELS = "it calls the network without task labels"
_BY_LABEL = "it tells classes apart by their labels, and every head counts its labels from 0"
_NEW_CLASSES = "it takes the classes of a task as new ones"


def _from(script: str, **values: object) -> dict[str, Default]:
    return {name: (value, _BASELINES.format(script)) for name, value in values.items()}


REQUIREMENTS: dict[str, Requirement] = {
    "AETraining": Requirement(refused="it trains an autoencoder, not a classifier"),
    "AGEM": Requirement(defaults=_from("permuted_mnist/agem", patterns_per_exp=250, sample_size=256)),
    "AR1": Requirement(refused="it trains a pretrained MobileNet of its own, not the suite's network"),
    "BiC": Requirement(
        (CLASS,),
        _NEW_CLASSES,
        patch="the library assigns to `experience.dataset`, which is read-only, and passes an argument that PyTorch no "
        "longer has; here it assigns to a copy",
        note="the library does not use `T`; `lamb=-1` is the share of old classes",
    ),
    "CWRStar": Requirement(ONE_HEAD, _BY_LABEL),
    "CoPE": Requirement(
        refused="it is made for streams whose experiences are batches: it stops every task after the first batch"
    ),
    "Cumulative": Requirement(),
    "DER": Requirement(ONE_HEAD, _NO_TASK_LABELS, note="DER++ unless beta is 0"),
    "ER_ACE": Requirement(),
    "ER_AML": Requirement(
        ONE_HEAD, _BY_LABEL, note="each class needs as many remembered examples as the batch has, or it is refused"
    ),
    "EWC": Requirement(choices={"mode": ("separate", "online")}, note="`mode=online` needs `decay_factor`"),
    "ExpertGateStrategy": Requirement(refused="it trains a pretrained AlexNet a task, not the suite's network"),
    "FeatureReplay": Requirement(ONE_HEAD, _NO_TASK_LABELS),
    "FromScratchTraining": Requirement(),
    "GDumb": Requirement(
        note="it trains a new network on its memory alone: with one epoch, `mem_size / batch_size` steps a task"
    ),
    "GEM": Requirement(defaults=_from("permuted_mnist/gem", patterns_per_exp=1000), solver="quadprog gem"),
    "GSS_greedy": Requirement(
        ONE_HEAD, _NO_TASK_LABELS, note="`mem_size` may not exceed the examples of the first task"
    ),
    "GenerativeReplay": Requirement(refused="it needs a generator that fits the images, and a strategy to train it"),
    "ICaRL": Requirement(
        (CLASS,),
        _NEW_CLASSES,
        defaults=_from("split_cifar100/icarl", memory_size=2000, fixed_memory=True),
        network="the suite's features and head to train, a nearest-mean classifier to evaluate",
    ),
    "JointTraining": Requirement(note="all tasks at once"),
    "LFL": Requirement(
        (DOMAIN,),
        "it freezes the last layer after the first task, so it cannot learn other classes or heads",
        defaults=_from("permuted_mnist/lfl", lambda_e=0.0001),
    ),
    "LearningToPrompt": Requirement(refused="it trains prompts of a pretrained vision transformer"),
    "LwF": Requirement(defaults=_from("permuted_mnist/lwf", alpha=1.0, temperature=1.0)),
    "MAS": Requirement(),
    "MER": Requirement(refused="its meta-learning loop takes none of the callbacks that the suite needs"),
    "MIR": Requirement(
        defaults=_from("split_mnist/mir", mem_size=500, subsample=50, batch_size_mem=10),
        patch="the library never replays the labels of a task's last batch; here all that it remembers is replayed",
    ),
    "Naive": Requirement(),
    "OnlineNaive": Requirement(refused="avalanche-lib calls it deprecated; use avalanche:Naive"),
    "PNNStrategy": Requirement(refused="it needs a progressive network (PNN), which grows a column a task"),
    "PackNet": Requirement(refused="it needs a network wrapped in PackNetModel"),
    "Replay": Requirement(),
    "SCR": Requirement(
        ONE_HEAD,
        _BY_LABEL,
        network="an SCRModel: the suite's features and a projection of two layers to 128 (Mai et al., 2021)",
        note="without augmentations",
    ),
    "StreamingLDA": Requirement(refused="it fits classes on the features of a pretrained network, and trains none"),
    "SynapticIntelligence": Requirement(
        defaults=_from("permuted_mnist/synaptic_intelligence", si_lambda=0.1),
        patch="the library keeps views of the parameters, so all importances are 0; here it keeps copies",
        note="the library clips importances at 0.001, so a small `si_lambda` hardly acts",
    ),
    "VAETraining": Requirement(refused="it trains a variational autoencoder, not a classifier"),
}

ALIASES = {"SI": "SynapticIntelligence"}


def accepted() -> list[str]:
    """The names of the strategies that can run."""
    return [name for name, needs in REQUIREMENTS.items() if not needs.refused]

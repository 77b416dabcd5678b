"""Puts the parts of one run together, on its device and from its seed."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dlexp.contract import Dataset, Split
from dlexp.data.batches import (
    Batch,
    InputScaling,
    Loader,
    TrainingBatches,
    make_evaluation_batches,
    make_resident_loader,
    make_training_batches,
)
from dlexp.data.random_streams import derive_seed
from dlexp.data.worker_loader import make_worker_loader
from dlexp.machine import device as hardware
from dlexp.run.setup.factories import make_loss, make_probes, part
from dlexp.run.setup.facts import Facts
from dlexp.training.compile import compile_blocks
from dlexp.training.learner import Learner
from dlexp.training.probing import Probes, fixed_batch, spread


class Built(NamedTuple):
    """What one run trains, and on what.

    Args:
        learner: The model and all that changes it.
        batches: The training batches of an epoch, from a given one on.
        evaluations: Split (`val`, `test`) → its batches.
        probes: What looks at the model while it is trained.
        init_hash: Of the weights before training: equal in arms that start from the same ones.
    """

    learner: Learner
    batches: TrainingBatches
    evaluations: dict[str, Callable[[], Iterator[Batch]]]
    probes: Probes
    init_hash: str


def build(config: Mapping[str, Any], facts: Facts) -> Built:
    """Bring torch to the state that the config asks for, and make everything anew from the run's seed."""
    precision = part(config, "precision")(facts.device)
    settings = config["hardware"]
    hardware.set_up(
        facts.device, num_threads=settings["num_threads"], determinism=settings["determinism"], tf32=precision.format == "tf32"
    )
    memory_format = torch.channels_last if settings["channels_last"] else torch.contiguous_format
    torch.manual_seed(derive_seed(config["seed"], "init"))
    model = part(config, "model")(facts.dataset.input_shape, facts.dataset.num_outputs)
    part(config, "init")(model, partial(_examples, facts.dataset))
    init_hash = hash_weights(model)
    model.to(device=facts.device, memory_format=memory_format)
    if settings["compile"]:
        compile_blocks(model)
    torch.manual_seed(derive_seed(config["seed"], "dropout"))
    optimizer = part(config, "optimizer")(model.named_parameters())
    learner = Learner(
        model,
        make_loss(config, facts.dataset.task),
        optimizer,
        part(config, "scheduler")(optimizer, facts.horizon),
        precision,
        task=facts.dataset.task,
        grad_clip=config["grad_clip"],
        l1=config["l1"],
        l2=config["l2"],
        cuda_graph=settings["cuda_graph"],
        on_oom=config["on_oom"],
    )
    scale = InputScaling(facts.dataset, facts.device, memory_format)
    batch = partial(fixed_batch, facts.dataset, scale, facts.device)
    probes = Probes(make_probes(config, model, facts.dataset), model, learner.loss, batch)
    return Built(learner, *_build_batches(config, facts, scale), probes, init_hash)


def _examples(dataset: Dataset, count: int) -> Tensor:
    """What an init may look at: see `contract.Examples`."""
    scale = InputScaling(dataset, torch.device("cpu"), torch.contiguous_format)
    return scale(dataset.train.inputs[spread(count, len(dataset.train.targets))])


def _build_batches(
    config: Mapping[str, Any], facts: Facts, scale: InputScaling
) -> tuple[TrainingBatches, dict[str, Callable[[], Iterator[Batch]]]]:
    dataset = facts.dataset
    batches = make_training_batches(
        _loader(config["hardware"], dataset.train, facts.device),
        scale,
        part(config, "augment")(),
        num_examples=len(dataset.train.targets),
        batch_size=facts.batch_size,
        drop_last=config["drop_last"],
        seed=config["seed"],
        device=facts.device,
    )
    evaluations = {
        name: make_evaluation_batches(_loader(config["hardware"], split, facts.device), scale, len(split.targets), facts.device)
        for name, split in (("val", dataset.val), ("test", dataset.test))
        if split is not None
    }
    return batches, evaluations


def _loader(settings: Mapping[str, Any], split: Split, device: torch.device) -> Loader:
    if settings["loader"] == "resident":
        return make_resident_loader(split, device)
    names = ("num_workers", "persistent_workers", "pin_memory", "non_blocking")
    return make_worker_loader(split, device, **{name: settings[name] for name in names})


def hash_weights(model: nn.Module) -> str:
    """12 hex digits of the sha256 of all weight matrices and kernels, in their order; biases and norms are left out."""
    digest = hashlib.sha256()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]

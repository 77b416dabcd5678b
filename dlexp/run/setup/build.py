"""Build the objects of one run, on its device and from its seed."""

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
    make_plain_batches,
    make_resident_loader,
    make_training_batches,
)
from dlexp.data.random_streams import derive_seed
from dlexp.data.worker_loader import make_worker_loader
from dlexp.machine.device import configure_torch
from dlexp.run.setup.augmentation import make_augment
from dlexp.run.setup.factories import make_factory, make_loss, make_optimizer, make_plain_loss, make_probes
from dlexp.run.setup.facts import Facts
from dlexp.training.averaging import AveragedWeights
from dlexp.training.compile import compile_blocks
from dlexp.training.probing import Probes, fixed_batch, spread
from dlexp.training.recompute import recompute_blocks
from dlexp.training.scores import SCORES
from dlexp.training.single_learner import SingleLearner
from dlexp.training.step import StepSettings, TrainingStep


class Built(NamedTuple):
    """The objects of one run.

    Args:
        learner: The model and all that changes it.
        batches: The training batches of an epoch.
        evaluations: Split (`val`, `test`) → its batches.
        probes: Measurements of the model during training.
        num_parameters: Trainable numbers in the model.
        init_hash: Hash of the untrained weights. Equal in arms that start from the same weights.
    """

    learner: SingleLearner
    batches: TrainingBatches
    evaluations: dict[str, Callable[[], Iterator[Batch]]]
    probes: Probes
    num_parameters: int
    init_hash: str


def build(config: Mapping[str, Any], facts: Facts) -> Built:
    """Set torch's global state from the config, and build all parts from the run's seed."""
    precision = make_factory(config, "precision")(facts.device)
    hardware = config["hardware"]
    configure_torch(
        facts.device, num_threads=hardware["num_threads"], determinism=hardware["determinism"], tf32=precision.format == "tf32"
    )
    memory_format = torch.channels_last if hardware["channels_last"] else torch.contiguous_format
    torch.manual_seed(derive_seed(config["seed"], "init"))
    model = make_factory(config, "model")(facts.dataset.input_shape, facts.dataset.num_outputs)
    make_factory(config, "init")(model, partial(_spread_examples, facts.dataset))
    num_parameters = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    init_hash = hash_weights(model)
    model.to(device=facts.device, memory_format=memory_format)
    if hardware["compile"]:
        compile_blocks(model)
    if hardware["recompute"]:
        recompute_blocks(model)
    torch.manual_seed(derive_seed(config["seed"], "dropout"))
    optimizer = make_optimizer(config, model)
    loss, score = make_loss(config, facts.dataset).to(facts.device), SCORES[facts.dataset.task]
    step_settings = StepSettings(*(config[key] for key in StepSettings._fields))
    plain_loss = make_plain_loss(config, facts.dataset)
    step = TrainingStep(model, loss, optimizer, precision, score, step_settings, plain_loss)
    schedule = make_factory(config, "scheduler")(optimizer, facts.horizon)
    scale = InputScaling(facts.dataset, facts.device, memory_format)
    learner = SingleLearner(step, schedule, _average_weights(config, facts, model, scale), cuda_graph=hardware["cuda_graph"])
    make_batch = partial(fixed_batch, facts.dataset, scale, facts.device)
    probes = Probes(make_probes(config, model, facts.dataset), model, step.loss, make_batch)
    return Built(learner, *build_batches(config, facts, scale), probes, num_parameters, init_hash)


def _average_weights(config: Mapping[str, Any], facts: Facts, model: nn.Module, scale: InputScaling) -> AveragedWeights | None:
    average = make_factory(config, "average")(facts.horizon)
    if average is None:
        return None
    loader = _make_loader(config["hardware"], facts.dataset.train, facts.device)
    return AveragedWeights(
        model,
        average,
        steps_per_epoch=facts.steps_per_epoch,
        num_steps=facts.horizon.num_steps,
        batches=make_plain_batches(loader, scale, len(facts.dataset.train.targets), facts.batch_size),
        precision=make_factory(config, "precision")(facts.device),
    )


def _spread_examples(dataset: Dataset, count: int) -> Tensor:
    """The examples from which an init may compute weights: see `contract.Examples`."""
    scale = InputScaling(dataset, torch.device("cpu"), torch.contiguous_format)
    return scale(dataset.train.inputs[spread(count, len(dataset.train.targets))])


def build_batches(
    config: Mapping[str, Any], facts: Facts, scale: InputScaling
) -> tuple[TrainingBatches, dict[str, Callable[[], Iterator[Batch]]]]:
    """The training batches of a run, and those of its evaluations by split."""
    dataset = facts.dataset
    batches = make_training_batches(
        _make_loader(config["hardware"], dataset.train, facts.device),
        scale,
        make_augment(make_factory(config, "augment"), dataset, soft_targets=facts.soft_targets),
        num_examples=len(dataset.train.targets),
        batch_size=facts.batch_size,
        drop_last=config["drop_last"],
        seed=config["seed"],
        device=facts.device,
        balanced_by=dataset.train.targets if config["sampling"] == "balanced" else None,
    )
    evaluations = {
        name: make_evaluation_batches(
            _make_loader(config["hardware"], split, facts.device), scale, len(split.targets), facts.device
        )
        for name, split in (("val", dataset.val), ("test", dataset.test))
        if split is not None
    }
    return batches, evaluations


def _make_loader(hardware: Mapping[str, Any], split: Split, device: torch.device) -> Loader:
    if hardware["loader"] == "resident":
        return make_resident_loader(split, device)
    names = ("num_workers", "persistent_workers", "pin_memory", "non_blocking")
    return make_worker_loader(split, device, **{name: hardware[name] for name in names})


def hash_weights(model: nn.Module) -> str:
    """12 hex digits of the sha256 of all weight matrices and kernels, in their order; biases and norms are left out."""
    digest = hashlib.sha256()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]

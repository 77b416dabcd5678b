"""Our loader, with the data on the device and augmented in batches, beside a DataLoader that changes one image at a time."""

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from dlexp.benchmark.comparison import Case, Figure, Missing, Request
from dlexp.benchmark.intervals import Goal
from dlexp.benchmark.same_work import SameWork
from dlexp.benchmark.training import (
    Epochs,
    EpochSampler,
    Setting,
    bare_loop,
    by_epoch,
    our_epochs,
    our_loop,
    setting,
    usual_epochs,
)
from dlexp.contract import Split
from dlexp.data.batches import Batch

FASHION = Path("data/FashionMNIST")
CIFAR = Path("data/cifar10_jpeg")
COMMON = ("model=mlp", "model.widths=[256,128]", "norm=none", "optimizer=momentum", "batch_size=128", "val_fraction=0")
SETS = (  # name, where it lies, the run, the shape of generated images
    ("Fashion-MNIST", FASHION, ("dataset=fashion_mnist", "augment=none"), "[1,28,28]"),
    ("CIFAR-10", CIFAR, ("dataset=image_folder", f"dataset.root={CIFAR}", "augment=standard"), "[3,32,32]"),
)
GENERATED = 1024  # images that take the place of a set
NUM_WORKERS = 2


def cases(request: Request) -> Iterator[Case | Missing]:
    """On the CPU, one thread for us, and two workers of the other."""
    yield from cases_on("cpu", request)


def cases_on(device: str, request: Request) -> Iterator[Case | Missing]:
    """An epoch of loading, and one of training a small net.

    Args:
        device: `cpu` or `cuda`.
        request: May ask for generated images.
    """
    for name, place, chosen, shape in SETS:
        if importlib.util.find_spec("torchvision") is None:
            yield Missing(name, "torchvision is not installed")
        elif request.synthetic:
            generated = ("dataset=synthetic_images", f"dataset.shape={shape}", f"dataset.num_train={GENERATED}", chosen[-1])
            yield from _pair(f"generated images like {name}", device, generated)
        elif not place.exists():
            yield Missing(name, f"no {place}")
        else:
            yield from _pair(name, device, chosen)


def _pair(name: str, device: str, overrides: tuple[str, ...]) -> Iterator[Case]:
    chosen = setting(*COMMON, *overrides, f"hardware={device}")
    batches_of = partial(usual_batches, chosen)
    allowed = 0.1 if "padding" in chosen.config["augment"] else 0.0  # its crops and flips are others than ours
    common: dict[str, Any] = {
        "arms": ("data on the device, augmented in batches", f"DataLoader, {NUM_WORKERS} workers, image by image"),
        "unit": "epochs",
        "block": 1,
        "device": chosen.facts.device,
        "warmup": 1 if device == "cpu" else 3,
        "least_seconds": 0.0 if device == "cpu" else 1.0,
    }
    yield Case(
        name=f"{name}, loading",
        ours=partial(our_epochs, chosen),
        other=partial(usual_epochs, chosen, batches_of=batches_of),
        figures=(Figure("other / ours", goal=Goal("at least", 3.0, 10.0)), Figure("ours", "ms/epoch", 1e3)),
        check=SameWork(loss=None, inputs=1e-4 + allowed),
        **common,
    )
    yield Case(
        name=f"{name}, training an mlp",
        ours=by_epoch(partial(our_loop, chosen), chosen.facts.steps_per_epoch),
        other=by_epoch(partial(bare_loop, chosen, batches_of=batches_of), chosen.facts.steps_per_epoch),
        figures=(Figure("other / ours"), Figure("ours", "ms/epoch", 1e3)),
        check=SameWork(loss=1e-3 + allowed, inputs=1e-4 + allowed),
        **common,
    )


def usual_batches(chosen: Setting) -> Epochs:
    """The same examples in the same order, loaded as torchvision's documentation does; the workers stay for all epochs."""
    device, train = chosen.facts.device, chosen.facts.dataset.train
    sampler = EpochSampler(chosen.config["seed"], len(train.targets))
    loader: DataLoader = DataLoader(
        _Pictures(train, _transform(chosen)),  # type: ignore[arg-type]  # has what DataLoader calls
        batch_size=chosen.facts.batch_size,
        sampler=sampler,
        num_workers=NUM_WORKERS,
        persistent_workers=True,
        pin_memory=device.type == "cuda",
    )

    def batches(epoch: int) -> Iterator[Batch]:
        sampler.epoch = epoch
        for inputs, targets in loader:
            yield inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)

    return batches


class _Pictures:
    """A split as torchvision's data sets hold theirs: an array of pixels, made an image at each access."""

    def __init__(self, split: Split, transform: Callable[[Image.Image], Tensor]) -> None:
        arrays = split.inputs.permute(0, 2, 3, 1).numpy()  # [N, H, W, C]
        self.arrays = arrays.copy() if arrays.shape[3] > 1 else arrays[..., 0].copy()
        self.targets = split.targets.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.arrays[index])), self.targets[index]


def _transform(chosen: Setting) -> Callable[[Image.Image], Tensor]:
    """What `augment` and `dataset.scale` do, one image at a time."""
    from torchvision import transforms

    data, augment = chosen.facts.dataset, chosen.config["augment"]
    mean, std = (data.shift / 255).flatten().tolist(), (1 / (255 * data.factor)).flatten().tolist()
    size, channels = data.input_shape[1:], data.input_shape[0]
    steps: list[Any] = []
    if "padding" in augment:
        steps += [transforms.RandomCrop(size, padding=augment["padding"]), transforms.RandomHorizontalFlip()]
    steps += [transforms.ToTensor(), transforms.Normalize(mean[:channels], std[:channels])]
    return transforms.Compose(steps)

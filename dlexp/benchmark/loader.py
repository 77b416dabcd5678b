"""Our loader, which augments whole batches on the device, compared with a DataLoader that transforms one image at a time."""

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from dlexp.benchmark.comparison import GPU_TIMING, Case, Figure, Missing, Request
from dlexp.benchmark.intervals import Goal
from dlexp.benchmark.same_work import SameWork
from dlexp.benchmark.training import Epochs, TimedRun, make_bare_loop, make_data_loader, make_epochs, make_our_loop, prepare_run
from dlexp.contract import Split
from dlexp.data.batches import Batch

FASHION = Path("data/FashionMNIST")
CIFAR = Path("data/cifar10_jpeg")
COMMON = ("model=mlp", "model.widths=[256,128]", "norm=none", "optimizer=momentum", "batch_size=128", "val_fraction=0")
SETS = (  # name, folder, overrides of the run, shape of generated images
    ("Fashion-MNIST", FASHION, ("dataset=fashion_mnist", "augment=none"), "[1,28,28]"),
    ("CIFAR-10", CIFAR, ("dataset=image_folder", f"dataset.root={CIFAR}", "augment=standard"), "[3,32,32]"),
)
GENERATED = 1024  # number of images that replace a real set
NUM_WORKERS = 2


def cases(request: Request) -> Iterator[Case | Missing]:
    """On the CPU: our loader has one thread, the DataLoader has two workers."""
    yield from list_cases("cpu", request)


def list_cases(device: str, request: Request) -> Iterator[Case | Missing]:
    """List an epoch of loading, and one of training a small net.

    Args:
        device: `cpu` or `cuda`.
        request: May ask for generated images.
    """
    for name, place, run, shape in SETS:
        if importlib.util.find_spec("torchvision") is None:
            yield Missing(name, "torchvision is not installed")
        elif request.synthetic:
            generated = ("dataset=synthetic_images", f"dataset.shape={shape}", f"dataset.num_train={GENERATED}", run[-1])
            yield from _build_cases(f"generated images like {name}", device, generated)
        elif not place.exists():
            yield Missing(name, f"no {place}")
        else:
            yield from _build_cases(name, device, run)


def _build_cases(name: str, device: str, overrides: tuple[str, ...]) -> Iterator[Case]:
    run = prepare_run(*COMMON, *overrides, f"hardware={device}")
    batches_of = partial(make_image_loader, run)
    allowed = 0.1 if "padding" in run.config["augment"] else 0.0  # it draws other crops and flips
    common: dict[str, Any] = {
        "arms": ("data on the device, augmented in batches", f"DataLoader, {NUM_WORKERS} workers, image by image"),
        "unit": "epochs",
        "block": 1,
        **(GPU_TIMING if device == "cuda" else {}),
    }
    steps = run.facts.steps_per_epoch
    yield Case(
        name=f"{name}, loading",
        ours=partial(make_epochs, run),
        other=partial(make_epochs, run, batches_of=batches_of),
        figures=(Figure("other / ours", goal=Goal("at least", 3.0, 10.0)), Figure("ours", "ms/epoch", 1e3)),
        check=SameWork(loss=None, inputs=1e-4 + allowed),
        **common,
    )
    yield Case(
        name=f"{name}, training an mlp",
        ours=partial(make_our_loop, run, steps_per_unit=steps),
        other=partial(make_bare_loop, run, batches_of=batches_of, steps_per_unit=steps),
        figures=(Figure("other / ours"), Figure("ours", "ms/epoch", 1e3)),
        check=SameWork(loss=1e-3 + allowed, inputs=1e-4 + allowed),
        **common,
    )


def make_image_loader(run: TimedRun) -> Epochs:
    """The same examples in the same order, loaded as in torchvision's documentation, with persistent workers."""
    device, rows = run.facts.device, _ImageDataset(run.facts.dataset.train, _make_transform(run))
    is_pinned = device.type == "cuda"
    load = make_data_loader(run, rows, num_workers=NUM_WORKERS, persistent_workers=True, pin_memory=is_pinned)

    def batches(epoch: int) -> Iterator[Batch]:
        for inputs, targets in load(epoch):
            yield inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)

    return batches


class _ImageDataset:
    """A split in the form of torchvision's data sets: an array of pixels, of which each access makes an image."""

    def __init__(self, split: Split, transform: Callable[[Image.Image], Tensor]) -> None:
        self.arrays = split.inputs.permute(0, 2, 3, 1).squeeze(3).contiguous().numpy()  # [N, H, W, C], or [N, H, W] if gray
        self.targets = split.targets.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.arrays[index])), self.targets[index]


def _make_transform(run: TimedRun) -> Callable[[Image.Image], Tensor]:
    """The transform of one image that does the work of `augment` and `dataset.scale`."""
    from torchvision import transforms

    data, augment = run.facts.dataset, run.config["augment"]
    mean, std = (data.shift / 255).flatten().tolist(), (1 / (255 * data.factor)).flatten().tolist()
    size, channels = data.input_shape[1:], data.input_shape[0]
    steps: list[Any] = []
    if "padding" in augment:
        steps += [transforms.RandomCrop(size, padding=augment["padding"]), transforms.RandomHorizontalFlip()]
    steps += [transforms.ToTensor(), transforms.Normalize(mean[:channels], std[:channels])]
    return transforms.Compose(steps)

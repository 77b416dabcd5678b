"""One setting of our own beside another: formats, layouts, compilation, CUDA graphs."""

from collections.abc import Iterator
from functools import partial

import torch

from dlexp.benchmark.comparison import Case, Figure, Missing, Request
from dlexp.benchmark.intervals import Goal
from dlexp.benchmark.loader import cases_on
from dlexp.benchmark.loop import CONVNET
from dlexp.benchmark.loop import overrides as convnet
from dlexp.benchmark.same_work import SameWork
from dlexp.benchmark.training import our_loop, setting

NO_GPU = "torch finds no NVIDIA GPU"
BF16 = ("precision=bf16", "hardware.channels_last=true")
RESNET = (
    *("dataset=synthetic_images", "dataset.shape=[3,32,32]", "dataset.num_train=5120", "dataset.num_test=10"),
    *("val_fraction=0", "model=resnet18", "norm=bn", "optimizer=momentum", "batch_size=512"),
)
PLAIN = ("precision=fp32", "optimizer.fused=false")  # eager, contiguous; torch's own choice of kernels
BEST = (*BF16, "hardware.compile=true", "hardware.determinism=fast", "optimizer.fused=true")
SMALL = (
    *CONVNET,
    "dataset=synthetic_images",
    "dataset.num_train=512",
    "dataset.num_test=10",
    "val_fraction=0",
    "optimizer=momentum",
)
GRAPH = "hardware.cuda_graph"


def pair(
    name: str,
    common: tuple[str, ...],
    ours: tuple[str, ...],
    other: tuple[str, ...],
    *,
    block: int,
    goal: Goal | None,
    loss: float,
) -> Case:
    """The same run under two settings.

    Args:
        name: Of the case.
        common: Overrides of both.
        ours: Of the one that is meant to be faster.
        other: Of what it is held against.
        block: Steps.
        goal: Of the ratio of their times.
        loss: Largest relative difference between the losses of both.
    """
    fast, slow = setting(*common, *ours), setting(*common, *other)
    on_gpu = fast.facts.device.type == "cuda"
    return Case(
        name=name,
        arms=(" ".join(ours), " ".join(other)),
        ours=partial(our_loop, fast),
        other=partial(our_loop, slow),
        figures=(Figure("other / ours", goal=goal), Figure("ours", "ms/step", 1e3)),
        unit="steps",
        block=block,
        check=SameWork(loss=loss, inputs=1e-4),
        device=fast.facts.device,
        warmup=3 if on_gpu else 1,
        least_seconds=1.0 if on_gpu else 0.0,
    )


def bf16(request: Request) -> Iterator[Case | Missing]:
    """On a CPU; a goal is set where it has AMX."""
    name, goal = "convnet, batch 128", None
    able = torch.cpu.get_capabilities()
    if able.get("amx_tile"):
        goal = Goal("at least", 1.8, 2.7)
    elif not able.get("avx512_bf16"):
        yield Missing(name, "the CPU has neither AMX nor avx512_bf16")
        return
    yield pair(
        f"{name}, {'AMX' if goal else 'avx512_bf16, no AMX'}",
        convnet(CONVNET, 128, 6),
        BF16,
        ("precision=fp32",),
        block=6,
        goal=goal,
        loss=0.05,
    )


def best(request: Request) -> Iterator[Case | Missing]:
    """Everything that a GPU offers beside nothing of it."""
    if not torch.cuda.is_available():
        yield Missing("resnet18, batch 512", NO_GPU)
        return
    yield pair(
        "resnet18, batch 512", (*RESNET, "hardware=cuda"), BEST, PLAIN, block=20, goal=Goal("at least", 3.0, 4.0), loss=0.1
    )


def graph(request: Request) -> Iterator[Case | Missing]:
    """A whole step as one CUDA graph."""
    for batch in (2, 4, 8):
        name = f"convnet, batch {batch}"
        if not torch.cuda.is_available():
            yield Missing(name, NO_GPU)
            continue
        common = (*SMALL, f"batch_size={batch}", "hardware=cuda")
        yield pair(name, common, (f"{GRAPH}=true",), (f"{GRAPH}=false",), block=64, goal=Goal("at least", 4.0, 6.0), loss=1e-3)


def gpu_loader(request: Request) -> Iterator[Case | Missing]:
    """The comparison `loader`, on a GPU."""
    if not torch.cuda.is_available():
        yield Missing("Fashion-MNIST, CIFAR-10", NO_GPU)
        return
    yield from cases_on("cuda", request)

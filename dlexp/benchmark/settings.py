"""One of our settings compared with another: number formats, memory layout, compilation, CUDA graphs."""

from collections.abc import Iterable, Iterator
from functools import partial

import torch

from dlexp.benchmark.comparison import GPU_TIMING, Case, Figure, Missing, Request
from dlexp.benchmark.intervals import Goal
from dlexp.benchmark.loader import list_cases
from dlexp.benchmark.loop import CONVNET, build_overrides
from dlexp.benchmark.same_work import SameWork
from dlexp.benchmark.training import make_our_loop, prepare_run

NO_GPU = "torch finds no NVIDIA GPU"
Overrides = tuple[str, ...]
BF16 = ("precision=bf16", "hardware.channels_last=true")
RESNET = (
    *("dataset=synthetic_images", "dataset.shape=[3,32,32]", "dataset.num_train=5120", "dataset.num_test=10"),
    *("val_fraction=0", "model=resnet18", "norm=bn", "optimizer=momentum", "batch_size=512"),
)
PLAIN = ("precision=fp32", "optimizer.fused=false")  # eager, contiguous, torch's default kernels
BEST = (*BF16, "hardware.compile=true", "hardware.determinism=fast", "optimizer.fused=true")
GRAPH = "hardware.cuda_graph"


def compare(
    name: str, common: Overrides, ours: Overrides, other: Overrides, *, block: int, goal: Goal | None, loss: float
) -> Case | Missing:
    """The same run under two settings, or the reason why this machine cannot measure it.

    Args:
        name: The case's name.
        common: Overrides of both arms.
        ours: Overrides of the arm that should be faster.
        other: Overrides of the other arm.
        block: Steps of a block.
        goal: For the ratio of their times.
        loss: Largest relative difference between the losses of the arms.
    """
    on_gpu = "hardware=cuda" in common
    if on_gpu and not torch.cuda.is_available():
        return Missing(name, NO_GPU)
    fast, slow = prepare_run(*common, *ours), prepare_run(*common, *other)
    return Case(
        name=name,
        arms=(" ".join(ours), " ".join(other)),
        ours=partial(make_our_loop, fast),
        other=partial(make_our_loop, slow),
        figures=(Figure("other / ours", goal=goal), Figure("ours", "ms/step", 1e3)),
        unit="steps",
        block=block,
        check=SameWork(loss=loss, inputs=1e-4),
        **(GPU_TIMING if on_gpu else {}),
    )


def bf16(request: Request) -> Iterator[Case | Missing]:
    """On a CPU. There is a goal if it has AMX."""
    name, goal = "convnet, batch 128", None
    able = torch.cpu.get_capabilities()
    if able.get("amx_tile"):
        goal = Goal("at least", 1.8, 2.7)
    elif not able.get("avx512_bf16"):
        yield Missing(name, "the CPU has neither AMX nor avx512_bf16")
        return
    name += ", AMX" if goal else ", avx512_bf16, no AMX"
    yield compare(name, build_overrides(CONVNET, 128, 6), BF16, ("precision=fp32",), block=6, goal=goal, loss=0.05)


def best(request: Request) -> Iterator[Case | Missing]:
    """All fast settings of a GPU together, compared with none of them."""
    yield compare(
        "resnet18, batch 512", (*RESNET, "hardware=cuda"), BEST, PLAIN, block=20, goal=Goal("at least", 3.0, 4.0), loss=0.1
    )


def graph(request: Request) -> Iterator[Case | Missing]:
    """Each training step as one CUDA graph."""
    for batch in (2, 4, 8):
        name = f"convnet, batch {batch}"
        common = (*build_overrides(CONVNET, batch, 512 // batch), "hardware=cuda")
        yield compare(
            name, common, (f"{GRAPH}=true",), (f"{GRAPH}=false",), block=64, goal=Goal("at least", 4.0, 6.0), loss=1e-3
        )


def gpu_loader(request: Request) -> Iterable[Case | Missing]:
    """The comparison `loader`, on a GPU."""
    if not torch.cuda.is_available():
        return [Missing("Fashion-MNIST, CIFAR-10", NO_GPU)]
    return list_cases("cuda", request)

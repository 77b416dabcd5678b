"""Our training loop, compared with one written by hand."""

from collections.abc import Iterator
from functools import partial

from dlexp.benchmark.comparison import Case, Figure, Request
from dlexp.benchmark.intervals import Goal
from dlexp.benchmark.same_work import SameWork
from dlexp.benchmark.training import make_bare_loop, make_our_loop, prepare_run

COMMON = ("hardware=cpu", "dataset=synthetic_images", "dataset.num_test=10", "val_fraction=0", "optimizer=momentum", "epochs=1")
MLP = ("model=mlp", "model.widths=[256,128]", "norm=none", "dataset.shape=[1,8,8]")
CONVNET = ("model=convnet", "model.widths=[16,32,64]", "model.pool_every=1", "norm=bn", "dataset.shape=[3,32,32]")
CASES = (  # name, model, batch size, steps of a block, which is an epoch
    ("mlp, batch 32", MLP, 32, 300),
    ("convnet, batch 2", CONVNET, 2, 100),
    ("convnet, batch 32", CONVNET, 32, 16),
    ("convnet, batch 128", CONVNET, 128, 6),
)
FIGURES = (
    Figure("ours / other", goal=Goal("at most", 1.03, 1.01)),
    Figure("ours - other", "µs/step", 1e6, goal=Goal("at most", 25.0)),
)


def build_overrides(model: tuple[str, ...], batch: int, steps: int) -> tuple[str, ...]:
    """The overrides of a run whose epoch has this number of full batches."""
    return (*COMMON, *model, f"batch_size={batch}", f"dataset.num_train={batch * steps}")


def cases(request: Request) -> Iterator[Case]:
    """Small nets at batch sizes at which the time in Python matters, and at one at which it should not."""
    for name, model, batch, steps in CASES:
        run = prepare_run(*build_overrides(model, batch, steps))
        yield Case(
            name=name,
            arms=("dlexp.training.loop.train and Learner.step", "the same operations in one function"),
            ours=partial(make_our_loop, run),
            other=partial(make_bare_loop, run),
            figures=FIGURES,
            unit="steps",
            block=steps,
            check=SameWork(loss=1e-6),
        )

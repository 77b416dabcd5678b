"""Our training loop beside one that is written out by hand."""

from collections.abc import Iterator
from functools import partial

from dlexp.benchmark.comparison import Case, Figure, Request
from dlexp.benchmark.intervals import Goal
from dlexp.benchmark.same_work import SameWork
from dlexp.benchmark.training import bare_loop, our_loop, setting

COMMON = ("hardware=cpu", "dataset=synthetic_images", "dataset.num_test=10", "val_fraction=0", "optimizer=momentum", "epochs=1")
MLP = ("model=mlp", "model.widths=[256,128]", "norm=none", "dataset.shape=[1,8,8]")
CONVNET = ("model=convnet", "model.widths=[16,32,64]", "model.pool_every=1", "norm=bn", "dataset.shape=[3,32,32]")
CASES = (  # name, model, batch, steps of a block, which are an epoch
    ("mlp, batch 32", MLP, 32, 300),
    ("convnet, batch 2", CONVNET, 2, 100),
    ("convnet, batch 32", CONVNET, 32, 16),
    ("convnet, batch 128", CONVNET, 128, 6),
)
FIGURES = (
    Figure("ours / other", goal=Goal("at most", 1.03, 1.01)),
    Figure("ours - other", "µs/step", 1e6, goal=Goal("at most", 25.0)),
)


def overrides(model: tuple[str, ...], batch: int, steps: int) -> tuple[str, ...]:
    """A run whose epoch is so many full batches."""
    return (*COMMON, *model, f"batch_size={batch}", f"dataset.num_train={batch * steps}")


def cases(request: Request) -> Iterator[Case]:
    """A net of a few layers at batch sizes at which Python counts, and one at which it should not."""
    for name, model, batch, steps in CASES:
        chosen = setting(*overrides(model, batch, steps))
        yield Case(
            name=name,
            arms=("dlexp.training.loop.train and Learner.step", "the same operations in one function"),
            ours=partial(our_loop, chosen),
            other=partial(bare_loop, chosen),
            figures=FIGURES,
            unit="steps",
            block=steps,
            check=SameWork(loss=1e-6),
        )

import numpy as np
import pytest

from dlexp.errors import ConfigError
from dlexp.run.execute import gather_facts
from tests.parts.dataset.test_image_folder import CLASSES, write_image
from tests.runs import IMAGES, MOONS, SERIES, prepare, run

LINE = ("dataset=noisy_line", "model=mlp", "loss=mse", "norm=none", "batch_size=16")


def facts(*overrides, root):
    return gather_facts(prepare(*overrides, root=root))


REFUSED = {
    "images wanted": ([*MOONS, "model=convnet"], "model=convnet needs images"),
    "a series wanted": ([*LINE, "model=lstm"], "model=lstm needs series"),
    "layers wanted": ([*(text for text in SERIES if text != "width=8"), "depth=0"], "model=lstm needs at least one layer"),
    "images wanted of a series": ([*SERIES, "model=resnet18", "width=${depth}"], "model=resnet18 needs images"),
    "augmentation of a series": ([*SERIES, "augment=standard"], "augment=standard needs images"),
    "activations of an lstm": ([*SERIES, "probe=[dead_units]"], "the model has none"),
    "half precision of a fused lstm on a CPU": ([*SERIES, "precision=fp16"], "precision=bf16 or model.cell=loop runs"),
    "augmentation of features": ([*MOONS, "augment=standard"], "augment=standard needs images"),
    "several augmentations of features": ([*MOONS, "augment=[flip,mixup]"], r"augment=\[flip,mixup\] needs images"),
    "parts of images of numbers": ([*LINE, "augment=cutmix"], "augment=cutmix needs images"),
    "mixtures of one example": (
        [*IMAGES, "batch_size=1", "augment=[flip,cutmix]"],
        r"augment=\[flip,cutmix\] mixes the examples",
    ),
    "colours of grey images": (["augment=color_jitter"], r"augment\.saturation: acts on images of three channels.* have 1"),
    "colours of grey images in a list": (["augment=[flip,grayscale]"], "augment=grayscale: acts on images of three channels"),
    "a square beyond the image": (
        [*IMAGES, "augment=[flip,cutout]", "augment.cutout.size=9"],
        r"augment\.cutout\.size: expected",
    ),
    "a jitter of nothing in a list": (
        [
            *IMAGES,
            "augment=[flip,color_jitter]",
            *(f"augment.color_jitter.{key}=0" for key in ("brightness", "contrast")),
            *(f"augment.color_jitter.{key}=0" for key in ("saturation", "hue")),
        ],
        "augment=color_jitter: all four are 0",
    ),
    "mirror images of features": ([*MOONS, "test_flip=true"], "test_flip=true needs images"),
    "layout of features": ([*MOONS, "hardware.channels_last=true"], "channels_last=true needs images"),
    "classes wanted by cross_entropy": ([*LINE, "loss=cross_entropy"], "loss=cross_entropy needs classes"),
    "classes wanted by focal": ([*LINE, "loss=focal"], "loss=focal needs classes"),
    "softmax of numbers": ([*LINE, "loss.softmax=false"], "loss.softmax acts on classes"),
    "weights of the classes of numbers": ([*LINE, "loss.class_weight=balanced"], "loss.class_weight acts on classes"),
    "numbers drawn by class": ([*LINE, "sampling=balanced"], "sampling acts on classes"),
    "weights of equally frequent classes": (
        [*MOONS, "dataset.per_class=20", "val_fraction=0.1", "loss.class_weight=balanced"],
        "loss.class_weight=balanced has no effect: there are 18 training examples of each class",
    ),
    "drawing by equally frequent classes": (
        [*MOONS, "dataset.per_class=20", "val_fraction=0.1", "sampling=balanced"],
        "sampling=balanced has no effect: there are 18 training examples of each class",
    ),
    "too many weights": ([*MOONS, "loss.class_weight=[1,2,3]"], "loss.class_weight: expected 2 numbers, .* got 3"),
    "equal weights": ([*MOONS, "loss.class_weight=[2,2]"], "all have the same weight"),
    "a score of no class": ([*MOONS, "monitor=recall/3"], "monitor=recall/3: must be loss, .* such as f1/lower"),
    "a misspelt score": ([*MOONS, "monitor=macro_f"], "monitor: must be one of loss, acc, balanced_acc"),
    "F1 of numbers": ([*LINE, "monitor=macro_f1"], "monitor=macro_f1 needs classes"),
    "accuracy of numbers": ([*LINE, "monitor=acc"], "monitor=acc needs classes"),
    "subset of numbers": ([*LINE, "dataset.per_class=3"], "a regression has no classes"),
    "a batch that never comes": ([*MOONS, "batch_size=64", "drop_last=true"], "leaves no batch of 63 training examples"),
    "bn over one value": ([*MOONS, "batch_size=1"], r"norm=bn needs more than one value .*smallest batch of an epoch: 1 of 63"),
    "bn over a last batch of one": ([*MOONS, "batch_size=31"], "smallest batch of an epoch: 1 of 63"),
    "in over one value": ([*MOONS, "norm=in"], "norm=in"),
    "ln over one value": ([*MOONS, "norm=ln", "width=1"], "norm=ln"),
    "groups that do not divide": ([*IMAGES, "norm=gn", "width=20"], "1, 2, 4, 5, 10"),
    "instance norm by another name": ([*IMAGES, "norm=gn", "norm.groups=16"], "norm=in"),
    "a channel count that the map lacks": ([*IMAGES, "norm=gn", "norm.groups={8:2}"], "16"),
    "pooled away": ([*IMAGES, "depth=6", "model.pool_every=1"], "model.pool_every=1"),
    "more examples than there are": ([*MOONS, "dataset.per_class=200"], "dataset.per_class: expected at most 35"),
    "a class missing from a split": ([*IMAGES, "dataset.per_class=1"], "val_fraction"),
    "images too small for three groups": (
        [*IMAGES[:5], "model=speednet"],
        r"model=speednet: model.widths=\[64, 256, 256\] .*needs 9 a side",
    ),
    "padding beyond the image": ([*IMAGES, "augment=standard", "augment.padding=8"], "augment.padding"),
    "parts of a batch with batch norm": (
        [*IMAGES, "on_oom=microbatch"],
        r"on_oom=microbatch .* norm=bn .*use norm=gn, or on_oom=microbatch_bn",
    ),
    "micro-batches' statistics of no batch norm": ([*IMAGES, "norm=gn", "on_oom=microbatch_bn"], "has no batch norm"),
    "blocks computed again in a net of a head": ([*SERIES, "hardware.recompute=true"], "model=lstm has none here"),
    "a model beyond the memory": ([*MOONS, "width=65536", "depth=9"], "lower depth or width"),
}


@pytest.mark.parametrize(("overrides", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_fit_together_is_refused_and_leaves_nothing(overrides, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        facts(*overrides, root=tmp_path)
    assert list(tmp_path.iterdir()) == []


ALLOWED = {
    "mixtures of features": [*MOONS, "augment=mixup"],
    "mixtures of series with numbers": [*SERIES, "augment=mixup"],
    "mixtures of numbers": [*LINE, "augment=mixup"],
    "brightness of grey images": ["augment=color_jitter", "augment.saturation=0", "augment.hue=0"],
    "bn where the short batch is dropped": [*MOONS, "batch_size=31", "drop_last=true"],
    "bn of images, one at a time": [*IMAGES, "batch_size=1"],
    "half precision of an lstm in a loop": [*SERIES, "precision=fp16", "model.cell=loop"],
    "a series, flattened": [*(text for text in SERIES if text != "model=lstm"), "model=mlp"],
    "parts of a batch": [*IMAGES, "norm=gn", "on_oom=microbatch"],
    "parts of a batch, each with its statistics": [*IMAGES, "on_oom=microbatch_bn"],
    "batch norm without a block": [*(text for text in MOONS if text != "width=16"), "depth=0", "on_oom=microbatch"],
    "ln on features": [*MOONS, "norm=ln"],
    "a batch of everything": [*MOONS, "batch_size=full"],
    "groups by channels": [*IMAGES, "norm=gn", "norm.groups={16:4}"],
    "the published 32 groups": [*IMAGES, "norm=gn", "norm.groups=32", "width=64"],
}


@pytest.mark.parametrize("overrides", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_makes_sense_is_allowed(overrides, tmp_path):
    assert facts(*overrides, root=tmp_path).horizon.num_steps >= 1


def test_all_that_is_wrong_comes_at_once(tmp_path):
    with pytest.raises(ConfigError) as refused:
        facts(*MOONS, "test_flip=true", "hardware.channels_last=true", "batch_size=64", "drop_last=true", root=tmp_path)
    assert len(refused.value.problems) == 3


@pytest.mark.parametrize(
    ("options", "num_steps", "num_epochs"),
    [
        (["epochs=3"], 12, 3),
        (["max_steps=9"], 9, 3),
        (["epochs=2", "drop_last=true"], 6, 2),
        (["epochs=5", "batch_size=full"], 5, 5),
    ],
)
def test_horizon(options, num_steps, num_epochs, tmp_path):
    small = [text for text in MOONS if not text.startswith("epochs")]
    horizon = facts(*small, *options, root=tmp_path).horizon
    assert (horizon.num_steps, horizon.num_epochs) == (num_steps, num_epochs)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Images in folders train, val and test."""
    root = tmp_path_factory.mktemp("images")
    for place in (
        f"{split}/{label}/{index}.png" for split in ("train", "val", "test") for label in CLASSES for index in range(4)
    ):
        write_image(root / "images" / place, size=(8, 8))
    return ["dataset=image_folder", f"dataset.root={root / 'images'}", f"data_dir={root}", "model=mlp", "norm=none"]


def test_a_seed_of_the_data_is_refused_where_nothing_is_drawn(folders, tmp_path):
    assert len(facts(*folders, root=tmp_path).dataset.val.targets) == 12
    with pytest.raises(ConfigError, match="data_seed: has no effect: the data set has all three splits"):
        facts(*folders, "data_seed=1", root=tmp_path)
    assert len(facts(*folders, "data_seed=1", "dataset.per_class=2", root=tmp_path).dataset.train.targets) == 6


def test_a_run_validates_on_the_val_folder(folders, tmp_path):
    summary, rows = run(*folders, "max_steps=2", root=tmp_path)
    assert summary["status"] == "done"
    assert "val/acc" in rows[-1]


@pytest.fixture
def user_files(tmp_path):
    """A table of numbers and an array of them, each with a share to test on."""
    (tmp_path / "table.csv").write_text("x,y\n" + "".join(f"{index},{'ab'[index % 2]}\n" for index in range(40)))
    np.savez(tmp_path / "arrays.npz", x=np.arange(40.0)[:, None], y=np.arange(40) % 2)
    return {
        "csv_table": [f"dataset.train={tmp_path / 'table.csv'}", "dataset.label=y", "dataset.test_fraction=0.2"],
        "npz": [f"dataset.train={tmp_path / 'arrays.npz'}", "dataset.test_fraction=0.2"],
    }


@pytest.mark.parametrize(
    ("dataset", "model", "message"),
    [
        (
            "csv_table",
            "convnet",
            r"model=convnet needs images, and dataset=csv_table has features of shape \[1\] here: use "
            r"dataset.image_shape=\[C,H,W\], if each row holds the pixels of an image, or model=mlp.",
        ),
        ("npz", "convnet", r"model=convnet needs images, and dataset=npz has features of shape \[1\] here: use model=mlp\."),
        ("npz", "lstm", r"model=lstm needs series, and dataset=npz has features of shape \[1\] here: use model=mlp\."),
    ],
)
def test_the_kind_of_the_users_files_must_fit(dataset, model, message, user_files, tmp_path):
    with pytest.raises(ConfigError, match=message):
        facts(f"dataset={dataset}", *user_files[dataset], f"model={model}", f"data_dir={tmp_path}", root=tmp_path / "runs")
    fitting = facts(f"dataset={dataset}", *user_files[dataset], "model=mlp", f"data_dir={tmp_path}", root=tmp_path / "runs")
    assert fitting.dataset.input_shape == (1,)

"""Several augmentations in a run, and soft targets on their way to the loss."""

import pytest
import torch

from dlexp.data.batches import InputScaling
from dlexp.errors import ConfigError
from dlexp.run.execute import gather_facts
from dlexp.run.setup.augmentation import OneHot
from dlexp.run.setup.build import build_batches
from dlexp.run.setup.factories import describe_part, make_factory
from dlexp.training.scores import SCORES
from tests.labs import using, write_lab
from tests.runs import IMAGES, prepare, run

MIXED = ("augment=[mixup,cutmix]", "augment.mixup.alpha=1")
CODES = "a,b,y\n" + "".join(f"{i % 7},{'xz'[i % 2]},{'no' if i % 3 else 'yes'}\n" for i in range(60))


def first_batch(*overrides, root):
    planned = prepare(*overrides, root=root)
    facts = gather_facts(planned)
    batches, _ = build_batches(planned.config, facts, InputScaling(facts.dataset, facts.device, torch.contiguous_format))
    return planned.config, *next(iter(batches(1)))


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "bce", "mse"])
def test_the_loss_gets_soft_targets_and_is_the_mean_over_them(loss, tmp_path):
    config, inputs, targets = first_batch(*IMAGES, *MIXED, f"loss={loss}", root=tmp_path)
    assert targets.dtype == torch.float32
    assert targets.shape == (len(inputs), 3)
    torch.testing.assert_close(targets.sum(1), torch.ones(len(inputs)))
    assert ((targets > 0).sum(1) > 1).any()
    outputs, compute = (
        torch.randn(len(inputs), 3, generator=torch.Generator().manual_seed(0)),
        make_factory(config, "loss")(),
    )
    # Each of these losses is linear in the targets, or quadratic with a constant that the labels share.
    by_label = torch.stack(
        [compute(outputs[row : row + 1], torch.tensor([label])) for row in range(len(inputs)) for label in range(3)]
    )
    expected = (targets * by_label.view(-1, 3)).sum(1)
    if loss == "mse":
        expected = expected + (targets.square().sum(1) - 1) / 3
    torch.testing.assert_close(compute(outputs, targets), expected.mean())


def test_accuracy_is_against_the_stronger_label(tmp_path):
    _, _, targets = first_batch(*IMAGES, *MIXED, root=tmp_path)
    assert SCORES["classification"].of_batch(targets, targets) == len(targets)


@pytest.mark.parametrize(
    "more",
    [
        ("loss=cross_entropy", "loss.label_smoothing=0.1"),
        ("loss=mse", "average=swa", "epochs=8"),
        ("loss=bce", "norm=gn", "on_oom=microbatch"),
        ("loss=focal", "loss.class_weight=[1,2,3]", "sampling=balanced", "dataset.imbalance=2"),
        ("loss=focal", "hardware.loader=workers", "hardware.num_workers=0", "hardware.persistent_workers=false"),
    ],
)
def test_runs_train_on_mixtures(more, tmp_path):
    summary, rows = run(*IMAGES, *MIXED, *more, root=tmp_path)
    assert summary["status"] == "done"
    assert 0 <= float(rows[-1]["train/acc"]) <= 1


def test_a_regression_mixes_its_numbers(tmp_path):
    _, _, targets = first_batch("dataset=noisy_line", "model=mlp", "loss=mse", "augment=mixup", root=tmp_path)
    assert targets.shape[1:] == (1,)


def test_a_loader_with_workers_gives_the_same_mixtures(tmp_path):
    rows = [
        run(*IMAGES, *MIXED, f"hardware.loader={loader}", *more, root=tmp_path)[1]
        for loader, more in (("resident", ()), ("workers", ("hardware.num_workers=0", "hardware.persistent_workers=false")))
    ]
    assert rows[0] == rows[1]


def test_numbers_of_categories_are_not_mixed(tmp_path):
    (tmp_path / "table.csv").write_text(CODES)
    table = ("dataset=csv_table", f"dataset.train={tmp_path}/table.csv", "dataset.test_fraction=0.3", "dataset.label=y")
    table = (*table, "dataset.duplicates=keep", "model=mlp", "augment=mixup", "epochs=1")
    with pytest.raises(ConfigError, match="augment=mixup mixes inputs, .*use dataset.categories=one_hot"):
        gather_facts(prepare(*table, "dataset.categories=codes", root=tmp_path))
    gather_facts(prepare(*table, root=tmp_path))


def test_each_of_several_changes_the_run_and_so_does_their_order(tmp_path):
    lists = ("[flip,cutout]", "[cutout,flip]", "[crop,flip,cutout]", "[flip,erasing]")
    keys = {"[crop,flip,cutout]": ("augment.crop.padding=2",)}
    more = ("augment.cutout.size=3",)
    losses = [
        run(*IMAGES, f"augment={each}", *keys.get(each, ()), *(more if "cutout" in each else ()), root=tmp_path)[1][-1][
            "train/loss"
        ]
        for each in lists
    ]
    assert len(set(losses)) == len(lists)


def test_a_part_keeps_the_order_of_a_combination():
    one, other = (
        {"augment": {name: {"_target_": f"dlexp.{name}", "_partial_": True} for name in names}} for names in ("ab", "ba")
    )
    assert describe_part(one, "augment", "") != describe_part(other, "augment", "")


class Echo:
    """Returns what it gets."""

    def parameters(self, num_examples, seed, epoch):
        return torch.zeros(num_examples, 0)

    def __call__(self, inputs, targets, parameters):
        return inputs, targets


def test_labels_become_probabilities():
    _, targets = OneHot(Echo(), 4)(torch.zeros(3, 1, 2, 2), torch.tensor([1, 3, 0]), torch.zeros(3, 0))
    assert torch.equal(targets, torch.eye(4)[[1, 3, 0]])


DIM = {
    "conf/augment/dim.yaml": """\
        _target_: my_augment.Dim
        _partial_: true
        _ranges_: {share: a number above 0 and below 1}
        share: 0.5
        """,
    "my_augment.py": """\
        from dlexp.data.random_streams import make_generator
        import torch


        class Dim:
            def __init__(self, *, share):
                self.share = share

            def parameters(self, num_examples, seed, epoch):
                return torch.rand(num_examples, 1, generator=make_generator(seed, "augmentation", epoch)).double()

            def __call__(self, inputs, targets, parameters):
                factor = (1 - self.share * parameters)[:, :, None, None]
                return (inputs * factor).to(inputs.dtype), targets
        """,
}


def test_an_augmentation_of_a_lab_works_alone_and_in_a_list(tmp_path):
    with using(write_lab(tmp_path / "lab", DIM)):
        alone = run(*IMAGES, "augment=dim", "augment.share=0.9", root=tmp_path)[1]
        listed = run(*IMAGES, "augment=[flip,dim]", "augment.dim.share=0.9", root=tmp_path)[1]
        other = run(*IMAGES, "augment=[flip,dim]", root=tmp_path)[1]
        with pytest.raises(ConfigError, match=r"augment\.dim\.share: must be a number above 0 and below 1, got 2"):
            run(*IMAGES, "augment=[flip,dim]", "augment.dim.share=2", root=tmp_path)
    assert len({rows[-1]["train/loss"] for rows in (alone, listed, other)}) == 3

import pytest
import torch

from dlexp.commands.followed import EPOCHS, follow
from dlexp.commands.picture import draw_followed
from dlexp.data.batches import InputScaling
from dlexp.run.execute import gather_facts
from dlexp.run.setup.build import build_batches
from tests.runs import IMAGES, prepare

FLIPS = ("augment=flip", "augment.horizontal=1")


def set_up(*overrides, root):
    run = prepare(*IMAGES, *overrides, root=root)
    facts = gather_facts(run)
    scale = InputScaling(facts.dataset, facts.device, torch.contiguous_format)
    return run.config, facts, build_batches(run.config, facts, scale)[0], scale


@pytest.mark.parametrize(("batch_size", "count"), [(16, 8), (7, 7), (3, 3), ("full", 8)])
def test_each_epoch_shows_the_same_examples_changed(batch_size, count, tmp_path):
    followed = follow(*set_up(*FLIPS, f"batch_size={batch_size}", root=tmp_path))
    assert len(followed.originals) == count
    assert len(followed.epochs) == len(EPOCHS)
    for inputs, targets in followed.epochs:
        assert torch.equal(inputs, followed.originals.flip(3))
        assert torch.equal(targets, followed.labels)


def test_the_first_epoch_is_the_first_batch(tmp_path):
    config, facts, batches, scale = set_up("augment=[erasing,cutmix]", root=tmp_path)
    inputs, targets = next(batches(1))
    followed = follow(config, facts, batches, scale)
    assert torch.equal(followed.epochs[0][0], inputs[:8])
    assert torch.equal(followed.epochs[0][1], targets[:8])
    assert not torch.equal(followed.epochs[1][0], inputs[:8])


def test_examples_that_an_epoch_leaves_out_are_not_followed(tmp_path):
    config, facts, batches, scale = set_up(*FLIPS, "drop_last=true", "batch_size=50", root=tmp_path)
    followed = follow(config, facts, batches, scale)
    for inputs, _ in followed.epochs:
        assert torch.equal(inputs, followed.originals.flip(3))


def test_examples_that_come_several_times_are_followed_from_where_they_come_first(tmp_path):
    config, facts, batches, scale = set_up(*FLIPS, "sampling=balanced", "dataset.imbalance=3", root=tmp_path)
    followed = follow(config, facts, batches, scale)
    assert 0 < len(followed.originals) <= 8
    for inputs, targets in followed.epochs:
        assert torch.equal(inputs, followed.originals.flip(3))
        assert torch.equal(targets, followed.labels)


@pytest.mark.parametrize("augment", ["augment=flip", "augment=mixup"])
def test_the_picture_has_a_row_for_the_originals_and_for_each_epoch(augment, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("dlexp.commands.picture._save", lambda figure: drawn.append(figure) or b"")
    followed = follow(*set_up(augment, root=tmp_path))
    draw_followed(followed, ["a", "b", "c"])
    axes = drawn[0].axes
    assert [one.get_ylabel() for one in axes if one.get_ylabel()] == ["original", "epoch 1", "epoch 2", "epoch 3"]
    assert len([one for one in axes if one.images]) == 4 * len(followed.labels)
    titles = [one.get_title() for one in axes]
    assert all(titles[:8])
    assert all(titles[8:32]) if augment == "augment=mixup" else not any(titles[8:32])

import pytest
import torch
from PIL import Image

from dlexp.commands import picture
from dlexp.commands.picture import describe_targets, draw_batch, name_targets
from dlexp.commands.preview import draw_preview, list_influences, main
from dlexp.config.compose import compose
from dlexp.run.execute import gather_facts
from dlexp.run.setup.build import build
from tests.runs import IMAGES, MOONS, SERIES, prepare


@pytest.fixture
def shown(monkeypatch):
    """The inputs, targets and classes that previews would draw."""
    batches = []
    monkeypatch.setattr("dlexp.commands.picture.draw_batch", lambda *batch: batches.append(batch) or b"")
    return batches


@pytest.mark.parametrize(
    "command",
    [(*IMAGES, "seed=3"), (*MOONS, "augment=mixup"), SERIES, (*IMAGES, "hardware.loader=workers")],
    ids=["images", "features", "series", "workers"],
)
def test_the_picture_shows_the_first_batch_that_the_model_is_trained_on(command, shown, tmp_path):
    run = prepare(*command, root=tmp_path)
    inputs, targets = next(build(run.config, gather_facts(run)).batches(1))
    draw_preview(run.composed)
    ((drawn, labels, _),) = shown
    assert torch.equal(drawn, inputs)
    assert torch.equal(labels, targets)


def test_a_command_writes_one_picture_and_prints_shapes_range_and_labels(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*IMAGES, "dataset.scale=unit", "--output", "a.png"]) == 0
    out = capsys.readouterr().out
    assert "inputs   float32 [16, 3, 8, 8]  min 0 " in out
    assert "targets  int64 [16]  0: " in out
    assert "dataset.scale=unit" in out
    assert out.endswith("→ a.png\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    with Image.open("a.png") as picture:
        assert len(picture.convert("RGB").getcolors(maxcolors=10**6)) > 100  # not an empty frame


@pytest.mark.parametrize(
    "key", ["seed=1", "batch_size=8", "dataset.scale=unit", "augment=standard", "data_seed=1", "val_fraction=0.3"]
)
def test_the_listed_keys_change_the_batch(key, shown, monkeypatch):
    small = ("augment.padding=1",) if key == "augment=standard" else ()
    monkeypatch.setattr("dlexp.commands.followed.follow", lambda *run: None)  # the batch is drawn
    for command in (IMAGES, [*(text for text in IMAGES if text.partition("=")[0] != key.partition("=")[0]), key, *small]):
        draw_preview(compose(command))
    assert key.partition("=")[0] in " ".join(list_influences(compose(IMAGES)))
    assert not torch.equal(shown[0][0], shown[1][0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["norm=bm"], "norm=bm: no such option."),
        (["study=loss"], "study: a study is many runs. Give the overrides of one, as dlexp plan study=... lists them."),
        (["dataset=moons"], "model=convnet needs images"),
        (["--output", "a.jpg"], "--output: expected a name that ends in .png, got a.jpg."),
        (["--output", "no/a.png"], "--output: no is no folder"),
    ],
)
def test_a_wrong_command_is_refused(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_command_with_an_augmentation_draws_originals_and_three_epochs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*IMAGES, "augment=[crop,flip,mixup]", "augment.crop.padding=2", "dataset.scale=unit"]) == 0
    out = capsys.readouterr().out
    assert "targets  float32 [16, 3]  0: " in out
    assert "picture  8 examples as they are, and in epochs 1, 2, 3\n" in out
    assert "augment=[crop,flip,mixup] augment.crop.padding=2 " in " ".join(out.split())
    with Image.open("preview.png") as picture:
        assert len(picture.convert("RGB").getcolors(maxcolors=10**6)) > 100


def test_a_target_is_named_by_its_class_its_shares_or_its_number():
    assert name_targets(torch.tensor([1, 0]), ["cat", "dog"]) == ["dog", "cat"]
    assert name_targets(torch.tensor([[0.25, 0.75], [0.0, 1.0]]), ["cat", "dog"]) == ["dog 0.75\ncat 0.25", "dog"]
    assert name_targets(torch.tensor([[1.234]]), []) == ["1.23"]
    long = [f"class of the {place} letters" for place in ("first", "other")]
    assert len(set(name_targets(torch.tensor([0, 1]), long))) == 2


def test_the_classes_of_a_batch_are_counted():
    assert describe_targets(torch.tensor([1, 1, 0]), ["cat", "1"]) == "0 cat: 1, 1: 2"
    assert describe_targets(torch.tensor([[0.5, 0.5], [0.0, 1.0]]), ["cat", "dog"]) == "0 cat: 0.5, 1 dog: 1.5"
    many = describe_targets(torch.tensor([29, 29]), [f"class {label}" for label in range(30)])
    assert many.startswith("29 class 29: 2, 0 class 0: 0, ")
    assert many.endswith(", and 10 classes more")


@pytest.mark.parametrize("shape", [(3, 1), (3, 2), (3, 5), (1, 6, 2), (1, 4, 3, 3), (10, 1, 2, 2)])
@pytest.mark.parametrize("kind", ["labels", "soft", "numbers"])
def test_every_kind_of_batch_is_drawn(shape, kind):
    count = shape[0]
    targets = {"labels": torch.arange(count) % 2, "soft": torch.full((count, 2), 0.5), "numbers": torch.rand(count, 1)}
    assert draw_batch(torch.rand(shape), targets[kind], () if kind == "numbers" else ("a", "b")).startswith(b"\x89PNG")


def test_more_classes_than_colours_are_shades_of_one_scale(monkeypatch):
    """And of a hundred thousand rows a thousand are drawn."""
    figures = []
    draw = picture._draw_features
    monkeypatch.setattr(picture, "_draw_features", lambda *given: figures.append(draw(*given)) or figures[-1])
    targets = torch.arange(100_000) % 40
    assert draw_batch(torch.randn(100_000, 2), targets, [f"class {k}" for k in range(40)])
    axes, scale = figures[0].axes
    assert axes.get_legend() is None
    assert scale.get_ylabel() == "number of the class"
    (points,) = axes.collections
    assert len(points.get_offsets()) == 1000
    assert len({tuple(colour) for colour in points.get_facecolors()}) == 40

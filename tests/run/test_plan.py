"""The content of a user's files is in the id of a run, and their path is not."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from dlexp.config.compose import compose
from dlexp.config.options import Traits
from dlexp.data import fingerprint
from dlexp.errors import ConfigError, DatasetError
from dlexp.run import plan as module
from dlexp.run.execute import gather_facts
from dlexp.run.setup.factories import forget_data
from dlexp.study.sweep import check_cells
from tests.runs import prepare


@pytest.fixture
def images(tmp_path):
    for number in range(20):
        path = tmp_path / "images" / f"class{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(path)
    return tmp_path / "images"


def overrides(images, tmp_path):
    small = ["depth=2", "width=8", "batch_size=8", "epochs=1", "hardware=cpu", f"output_dir={tmp_path / 'outputs'}"]
    data = ["dataset=image_folder", f"dataset.root={images}", "dataset.test_fraction=0.2", f"data_dir={tmp_path / 'data'}"]
    return small + data


def planned(images, tmp_path):
    return prepare(*overrides(images, tmp_path), root=tmp_path)


def edit(images):
    Image.new("L", (8, 8), 200).save(images / "class0" / "0.png")


def test_the_same_images_at_another_path_are_the_same_run(images, tmp_path):
    copy = shutil.copytree(images, tmp_path / "copy")
    assert planned(images, tmp_path).identity == planned(copy, tmp_path).identity


def test_an_edit_is_noticed_in_the_same_process(images, tmp_path):
    before = planned(images, tmp_path)
    edit(images)
    after = planned(images, tmp_path)
    assert after.identity != before.identity
    gather_facts(after)


def test_a_run_whose_files_have_changed_since_it_was_planned_is_refused(images, tmp_path):
    run = planned(images, tmp_path)
    edit(images)
    with pytest.raises(DatasetError, match="files of the dataset were changed since the command began"):
        gather_facts(run)


@pytest.fixture(params=["csv", "npz", "images", "labels"])
def data(request, tmp_path):
    """The overrides of a data set of the user, its file to edit, and its content with other numbers of the same size."""
    if request.param in ("images", "labels"):
        images = request.getfixturevalue("images")
        if request.param == "images":
            return [f"dataset.root={images}"], images / "class0" / "0.png", (images / "class1" / "19.png").read_bytes()
        table = tmp_path / "labels.csv"
        rows = [f"class{number % 2}/{number}.png,{'ab'[number % 2]}" for number in range(20)]
        table.write_text("\n".join(["file,label", *rows]) + "\n")
        return (
            [f"dataset.root={images}", f"dataset.labels={table}"],
            table,
            table.read_bytes().replace(b"0.png,a", b"0.png,b", 1),
        )
    table = np.column_stack([np.arange(40) % 7, np.arange(40) % 5, np.arange(40) % 2])
    if request.param == "csv":
        path = tmp_path / "table.csv"
        np.savetxt(path, table, fmt="%d", delimiter=",", header="a,b,y", comments="")
        return ["dataset=csv_table", f"dataset.train={path}", "dataset.label=y"], path, path.read_bytes().replace(b"6,", b"9,")
    for name, factor in (("other", 2.0), ("arrays", 1.0)):
        np.savez(tmp_path / f"{name}.npz", x=table[:, :2] * factor, y=table[:, 2])
    path = tmp_path / "arrays.npz"
    return ["dataset=npz", f"dataset.train={path}"], path, (tmp_path / "other.npz").read_bytes()


def test_no_edit_of_a_file_is_answered_with_what_was_read_of_another(data, images, tmp_path):
    given, path, content = data
    shared = [text for text in overrides(images, tmp_path) if "dataset.root" not in text]
    command = [*shared, "model=mlp", "val_fraction=0", "dataset.test_fraction=0.25", "dataset.duplicates=keep", *given]
    if "dataset=npz" in given:
        command.remove("dataset.duplicates=keep")
    before = path.read_bytes()
    run = prepare(*command, root=tmp_path)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="were changed"):
        gather_facts(run)
    edited = content_of(command, tmp_path)
    path.write_bytes(before)
    again = content_of(command, tmp_path)
    forget_data()
    assert content_of(command, tmp_path) == again
    assert again[0] == run.identity != edited[0]
    assert again[1] != edited[1]


def content_of(command, root):
    """The id of the run, and the examples that it has read."""
    run = prepare(*command, root=root)
    dataset = gather_facts(run).dataset
    return run.identity, [part.tolist() for split in (dataset.train, dataset.test) for part in split]


def test_the_runs_of_a_sweep_list_the_files_once(images, tmp_path, monkeypatch):
    gather_facts(planned(images, tmp_path))
    listings, original = [], fingerprint.list_files
    monkeypatch.setattr(fingerprint, "list_files", lambda *given: listings.append(given) or original(*given))
    cells = [compose([*overrides(images, tmp_path), f"seed={seed}"]) for seed in range(4)]
    assert len(check_cells(cells).runs) == 4
    assert len(listings) == 1


def test_missing_files_are_refused_before_anything_is_written(images, tmp_path):
    with pytest.raises(ConfigError, match=r"^dataset\.root: expected a folder, but .*/nowhere cannot be read"):
        planned(tmp_path / "nowhere", tmp_path)
    assert os.listdir(tmp_path) == ["images"]


def test_a_dataset_without_cache_dir_stores_its_hashes_in_the_data_folder(images, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "traits", lambda *given: Traits(user_files=("root",)))
    composed = compose(["dataset=mnist", f"dataset.root={images}", f"data_dir={tmp_path / 'data'}"])
    found = module.fingerprint_data(composed, composed.config)
    assert found == fingerprint.fingerprint(images)
    assert module.path_keys(composed) == ("root",)
    assert len(list((tmp_path / "data" / ".cache").iterdir())) == 1


def test_published_files_enter_the_id_neither_by_path_nor_by_content(images, tmp_path):
    composed = [compose(["dataset=mnist", f"dataset.root={root}"]) for root in (images, tmp_path / "nowhere")]
    assert len({module.plan(one).identity for one in composed}) == 1
    assert module.plan(composed[0]).fingerprint is None

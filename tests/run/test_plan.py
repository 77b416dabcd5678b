"""The content of a user's files is in the id of a run, and their path is not."""

import os
import shutil

import pytest
from PIL import Image

from dlexp.config.compose import compose
from dlexp.config.options import Traits
from dlexp.data import fingerprint
from dlexp.errors import ConfigError, DatasetError
from dlexp.run import plan as module
from dlexp.run.execute import gather_facts
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

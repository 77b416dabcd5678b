"""Every character that a name may have, in names of folders, classes and files, from training to the page of the run."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dlexp
from dlexp.commands.report import main as report
from dlexp.config.ranges import FOLDER, PATH
from dlexp.errors import ConfigError

TINY = ("dataset=moons", "dataset.num_examples=60", "model=mlp", "norm=none", "batch_size=full", "epochs=1", "hardware=cpu")
SIGNS = ("@a", "*a", "%a", "&a", "#a", "a,b", "it's", "a=b", "[a]", "{a}", "a b", "a~", "-a", "a:b", '"a"', "$a", "!a", "한글")
NFC, NFD = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "ü")
CONTROLS = [*range(1, 32), *range(127, 160), *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
NAMES = [f"a{chr(number)}b" for number in CONTROLS] + [
    os.fsdecode(b"not utf-8 \xff"),
    NFC,
    NFD,
    "<b>&amp;",
    "a\x1b]0;x\x07",
]


def _quote(path):
    escaped = str(path).replace('"', '\\"')
    return f'"{escaped}"'


@pytest.mark.parametrize("path", ["/".join(SIGNS), *(pytest.param(name, marks=pytest.mark.slow(seconds=4)) for name in SIGNS)])
def test_a_run_lies_where_output_dir_says(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    run = dlexp.train(*TINY, output_dir=_quote(path))
    assert run.folder.parents[1] == Path(path)
    assert dlexp.load_run(run.id, outputs=path).config == run.config


def test_home_is_meant_by_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    run = dlexp.train(*TINY, output_dir=_quote("~/runs"))
    assert run.folder.parents[1] == tmp_path / "runs"
    assert report([f"~/runs/adhoc/{run.folder.name}"]) == 0
    assert not list(tmp_path.glob("**/~*"))


@pytest.mark.parametrize("path", ["~nobody-of-this-name", "~nobody-of-this-name/runs"])
def test_an_unknown_user_is_refused(path):
    assert not PATH.holds(path)
    assert not FOLDER.holds(path)
    with pytest.raises(ConfigError, match="output_dir.*unknown ~user"):
        dlexp.train(*TINY, output_dir=_quote(path))


def _write_classes(root: Path, names: list[str]) -> None:
    for part in ("train", "test"):
        for number, name in enumerate(names):
            folder = root / part / name
            folder.mkdir(parents=True)
            for index in range(2):
                noise = np.random.default_rng([number, index, part == "test"]).integers(0, 256, (4, 4), dtype=np.uint8)
                Image.fromarray(noise).save(folder / f"{name[:20]}{index}.png")


def test_classes_and_files_of_any_name_are_trained_on_reported_and_predicted(tmp_path, pytestconfig, capsys):
    names = NAMES if pytestconfig.getoption("--slow") else NAMES[::6] + NAMES[-5:]
    names = sorted(set(names))
    _write_classes(tmp_path / "images", names)
    options = ("dataset=image_folder", f"dataset.root={tmp_path / 'images'}", f"dataset.cache_dir={tmp_path / 'cache'}")
    run = dlexp.train(*options, *TINY[2:], "val_fraction=0", output_dir=str(tmp_path / "runs"))
    assert run.status == "done"
    assert report([str(run.folder)]) == 0
    for text in (capsys.readouterr().out, (run.folder / "report.html").read_text(encoding="utf-8")):
        assert not [letter for letter in text if ord(letter) in CONTROLS and letter not in "\n\t"]
    predicted = run.predict(tmp_path / "images" / "test")
    assert len(predicted) == 2 * len(names)

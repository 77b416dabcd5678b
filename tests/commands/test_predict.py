"""`dlexp predict` as it is typed: what it prints, and how it ends."""

import csv
import json

import pytest
from PIL import Image

from dlexp.commands.predict import main
from dlexp.trained.load import load_trained
from tests.runs import IMAGES, run
from tests.trained.test_predict import stored


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    root = tmp_path_factory.mktemp("outputs")
    run(*IMAGES, root=root)
    return root


@pytest.fixture
def trained(outputs):
    return load_trained(next(outputs.glob("adhoc/*-*")))


@pytest.fixture
def files(trained, tmp_path):
    """The images of the test split, as files; returns their paths."""
    paths = []
    for number, image in enumerate(trained.dataset().test.inputs):
        paths.append(tmp_path / "images" / f"{number:02}.png")
        paths[-1].parent.mkdir(exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(paths[-1])
    return paths


def ask(trained, outputs, *arguments):
    return main([trained.id[:4], *map(str, arguments), f"--outputs={outputs}"])


def test_a_table_has_the_class_and_the_probability_of_each_file(trained, outputs, files, capsys):
    assert ask(trained, outputs, files[0].parent) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    expected = stored(trained)
    assert header.split() == ["input", "class", "probability"]
    for line, path, label, probability in zip(lines, files, expected["predicted"], expected["p_predicted"], strict=True):
        name, found, shown = line.split()
        assert (name, found) == (str(path), expected["classes"][label])
        assert float(shown) == pytest.approx(float(probability), abs=1e-3)


def test_csv_and_json_hold_the_same_rows(trained, outputs, files, tmp_path, capsys):
    odd = tmp_path / 'a,"b".png'
    odd.write_bytes(files[0].read_bytes())
    assert ask(trained, outputs, odd, files[1], "--top=3", "--format=csv") == 0
    as_csv = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert ask(trained, outputs, odd, files[1], "--top=3", "--format=json") == 0
    as_json = json.loads(capsys.readouterr().out)
    assert [row["input"] for row in as_csv] == [str(odd)] * 3 + [str(files[1])] * 3
    assert [row["rank"] for row in as_json] == [1, 2, 3] * 2
    for one, other in zip(as_csv, as_json, strict=True):
        assert one["class"] == other["class"]
        assert float(one["probability"]) == pytest.approx(other["probability"])


def test_files_that_cannot_be_read_are_named_and_left_out(trained, outputs, files, tmp_path, capsys):
    bad = [tmp_path / f"bad{number}.png" for number in range(12)]
    for path in bad:
        path.write_text("no image")
    assert ask(trained, outputs, *bad, files[0]) == 1
    out, err = capsys.readouterr()
    assert [line.partition(" cannot be read as an image")[0] for line in err.splitlines()] == [str(path) for path in bad]
    assert len(out.splitlines()) == 2


def test_no_readable_file_is_an_error_of_the_data(trained, outputs, tmp_path, capsys):
    assert ask(trained, outputs, tmp_path / "missing.png") == 7
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("(there is no such file).\nNo file could be read.\n")


def test_a_name_that_is_no_text_is_printed(trained, outputs, files, tmp_path, capsys):
    odd = tmp_path / "\udcff\x1b.png"
    odd.write_bytes(files[0].read_bytes())
    for name, shown in (("table", "??.png"), ("csv", "\\udcff\x1b.png"), ("json", "\\udcff\\u001b.png")):
        assert ask(trained, outputs, odd, f"--format={name}") == 0
        assert shown in capsys.readouterr().out


WRONG = {
    "no such run": (["0123456789ab", "x.png"], 2, "no run below"),
    "no run": (["RUN", "x.png", "--outputs=/nowhere"], 2, "no folder /nowhere"),
    "top": (["RUN", "x.png", "--top=9"], 2, "top: expected a number from 1 to the number of classes of the run, 3; got 9"),
    "lab": (["RUN", "x.png", "--config-dir=/nowhere"], 2, "--config-dir: expected the folder conf/ of a lab"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_command_is_refused(name, trained, outputs, capsys):
    arguments, code, message = WRONG[name]
    found = [trained.id if argument == "RUN" else argument for argument in arguments]
    assert main([*([] if any("--outputs" in text for text in found) else [f"--outputs={outputs}"]), *found]) == code
    assert message in capsys.readouterr().err


def test_a_damaged_run_ends_as_train_does(trained, outputs, files, tmp_path, capsys):
    import shutil

    copy = shutil.copytree(trained.folder, tmp_path / trained.folder.name)
    (copy / "checkpoints" / "best.pt").write_bytes(b"x")
    assert main([str(copy), str(files[0])]) == 4
    assert "nothing in it was executed" in capsys.readouterr().err

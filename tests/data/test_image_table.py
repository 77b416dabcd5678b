import shlex

import pytest

from dlexp.errors import ConfigError, DatasetError
from tests.data.test_image_answers import read, write

IMAGES = "photos/a*4.png photos/b*4.png"
ROWS = [f"{name}{index}.png,{label}" for name, label in (("a", "ant"), ("b", "bee")) for index in range(4)]
HEAD = "file,label"
SHARE = "dataset.test_fraction=0.25"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, IMAGES)
    return tmp_path / "photos"


def read_table(text, *settings, name="labels.csv"):
    with open(name, "w") as file:
        file.write(text)
    return read(["dataset.root=photos", f"dataset.labels={name}", "data_dir=data", *settings])


def table(*rows, head=HEAD):
    return "\n".join((head, *rows)) + "\n"


def pixels(split):
    """The number of the file from which each image was made, with its label."""
    return sorted(zip(split.inputs[:, 0, 0, 0].tolist(), split.targets.tolist(), strict=True))


EXPECTED = [(number, number > 4) for number in range(1, 9)]  # the files were made in this order


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        (table(*ROWS), [SHARE]),
        (table(*reversed(ROWS)), [SHARE]),
        ("﻿" + table(*ROWS).replace("\n", "\r\n"), [SHARE]),
        (table(*ROWS, head="x,y"), [SHARE]),
        (table(*(",".join(reversed(row.split(","))) for row in ROWS), head="Class,ID"), [SHARE]),
        (table(*ROWS).replace(".png", ""), [SHARE]),
        (table(*(f".\\{row}" for row in ROWS)), [SHARE]),
        (table(*(f"{row},7" for row in ROWS), head="filename,species,age"), [SHARE]),
        (table(*(f"7,{row}" for row in ROWS), head="a,b,c"), [SHARE, "dataset.file_column=b", "dataset.label_column=c"]),
        (table(*(f"{row}, train" for row in ROWS), head="file,label,split"), [SHARE]),
        (table(*ROWS, "", ","), [SHARE]),
    ],
)
def test_a_table_is_read(photos, text, settings):
    source = read_table(text, *settings)
    assert source.classes == ("ant", "bee")
    assert len(source.test.targets) == 2
    assert sorted(pixels(source.train) + pixels(source.test)) == EXPECTED


def test_a_column_says_the_split(photos):
    splits = ["Train", "train", "valid", "test"] * 2
    rows = [f"{row},{split}" for row, split in zip(ROWS, splits, strict=True)]
    for text, settings in (
        (table(*rows, head="file,label,split"), []),
        (table(*rows, head="file,label,part"), ["dataset.split_column=part"]),
    ):
        source = read_table(text, *settings)
        found = [pixels(split) for split in (source.train, source.val, source.test)]
        assert found == [[(1, 0), (2, 0), (5, 1), (6, 1)], [(3, 0), (7, 1)], [(4, 0), (8, 1)]]


def test_classes_that_are_numbers_are_in_their_order(photos):
    labels = [2, 10, 2, 10, 9, 9, 9, 10]
    source = read_table(
        table(*(f"{row.partition(',')[0]},{label}" for row, label in zip(ROWS, labels, strict=True))),
        "dataset.test_fraction=0.5",
    )
    assert source.classes == ("2", "9", "10")


def test_a_table_separated_by_tabs(photos):
    source = read_table(table(*ROWS).replace(",", "\t"), SHARE, name="labels.tsv")
    assert source.classes == ("ant", "bee")


def test_another_label_is_another_example(photos):
    read_table(table(*ROWS), SHARE)
    source = read_table(table(*ROWS[:3], "a3.png,bee", *ROWS[4:]), SHARE)
    assert sorted(pixels(source.train) + pixels(source.test))[3] == (4, 1)


def test_images_without_a_row_are_counted(photos, capsys):
    read_table(table(*ROWS[:3], *ROWS[4:7]), SHARE)
    assert "left out below photos: 2 images without a row (a3.png, b3.png)." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "settings", "answers"),
    [
        (table(*ROWS, "c.png,ant"), [SHARE], ["1 row of labels.csv cannot be used:\n  line 10: c.png is not there"]),
        (
            table(*(f"c{i}.png,ant" for i in range(1500))),
            [SHARE],
            ["1,500 rows of", "line 11: c9.png is not there\n  and 1,490 more"],
        ),
        (table(*ROWS, "../photos/a0.png,ant"), [SHARE], ["line 10: ../photos/a0.png is no path from photos"]),
        (
            table(*ROWS, "/etc/passwd,ant", "C:\\a.png,ant"),
            [SHARE],
            ["line 10: /etc/passwd is no path", "line 11: C:\\a.png is no"],
        ),
        (table(*ROWS, "a0.png,bee"), [SHARE], ["line 10: a0.png stands in line 2 already, with another label or split"]),
        (table(*ROWS, "", "a0.png,ant"), [SHARE], ["line 11: a0.png stands in line 2 already"]),
        (table(*ROWS, "a0.png"), [SHARE], ["line 10: has no label"]),
        (table(*ROWS, ",ant"), [SHARE], ["line 10: has no file"]),
        (table(*ROWS, "odd.gif,ant"), [SHARE], ["line 10: odd.gif has an ending that is not read"]),
        (
            table(*(f"{row},dev" for row in ROWS), head="file,label,split"),
            [],
            ["line 2: the split is dev, expected train, val or"],
        ),
        (table(*(f"{row},val" for row in ROWS), head="file,label,split"), [], ["expected rows of train and test", "found val"]),
        (
            table(*(f"a{i}.png,ant" for i in range(4))),
            [SHARE],
            ["dataset.label_column: expected at least 2 classes", "found ant"],
        ),
        (
            table(*ROWS),
            [],
            ["dataset.test_fraction: expected a number", "no column split", "Give dataset.test_fraction=0.2 instead"],
        ),
        (table(*ROWS[1:], head=ROWS[0]), [SHARE], ["expected names of columns in the first line", "got a0.png, ant"]),
        (
            table(*(f"7,{row}" for row in ROWS), head="a,b,c"),
            [SHARE],
            ["dataset.file_column: expected the column", "Columns: a, b, c"],
        ),
        (
            table(*ROWS),
            [SHARE, "dataset.label_column=lable"],
            ["dataset.label_column: expected a column of", "Did you mean label?"],
        ),
        (table(*ROWS).replace(",", ";"), [SHARE], ["dataset.file_column: expected the column", "Columns: file;label."]),
        (table(*ROWS, "a0.png,\x1b[31mred"), [SHARE], ["line 10: a0.png stands in line 2"]),
        (
            table(*ROWS),
            [SHARE, "dataset.split_column=file"],
            ["dataset.split_column: has no effect beside dataset.test_fraction"],
        ),
        (table(*ROWS), ["dataset.test_folder=b"], ["dataset.test_folder: has no effect beside dataset.labels"]),
    ],
)
def test_a_wrong_table_is_answered_by_line(photos, text, settings, answers):
    (photos / "odd.gif").write_bytes(b"")
    with pytest.raises(ConfigError) as refused:
        read_table(text, *settings)
    assert [answer for answer in answers if answer not in str(refused.value)] == [], str(refused.value)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b'file,label\n"a,b\n', b"file,label\na,b,c,d\n", b"file,label\na,b\nc,d,e\n"]
)
def test_what_is_no_table_is_refused(photos, content):
    with open("labels.csv", "wb") as file:
        file.write(content)
    with pytest.raises(DatasetError, match=r"labels\.csv cannot be read as a table"):
        read(["dataset.root=photos", "dataset.labels=labels.csv", SHARE, "data_dir=data"])


@pytest.mark.parametrize("key", ["file_column", "label_column", "split_column"])
def test_a_column_without_a_table_is_refused(photos, key):
    with pytest.raises(ConfigError, match=f"dataset.{key}: has no effect without dataset.labels"):
        read(["dataset.root=photos", f"dataset.{key}=x"])


@pytest.mark.parametrize(("root", "prefix"), [("photos", "in/"), ("photos/in", "in/"), ("photos", "")])
def test_paths_from_another_folder_are_answered_with_that_folder(tmp_path, monkeypatch, root, prefix):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, IMAGES.replace("photos/", "photos/in/"))
    (tmp_path / "labels.csv").write_text(table(*(prefix + row for row in ROWS)))
    settings = [f"dataset.root={root}", "dataset.labels=labels.csv", SHARE, "data_dir=data"]
    if root == "photos" and prefix:
        assert read(settings).classes == ("ant", "bee")
        return
    with pytest.raises(ConfigError) as refused:
        read(settings)
    (new,) = shlex.split(str(refused.value).partition("Give ")[2].partition(" instead")[0])
    assert read([new, *settings[1:]]).classes == ("ant", "bee")


@pytest.mark.parametrize("place", ["photos/labels.csv", "labels.csv"])
@pytest.mark.parametrize("with_split", [False, True])
def test_a_table_beside_images_without_folders_is_found(photos, place, with_split):
    rows = [f"{row},{'test' if index % 4 == 3 else 'train'}" for index, row in enumerate(ROWS)]
    with open(place, "w") as file:
        file.write(table(*rows, head="file,label,split") if with_split else table(*ROWS))
    with pytest.raises(ConfigError) as refused:
        read(["dataset.root=photos", "data_dir=data"])
    new = shlex.split(str(refused.value).partition("Give ")[2].partition(" instead")[0])
    assert len(new) == 2 - with_split
    assert read(["dataset.root=photos", "data_dir=data", *new]).classes == ("ant", "bee")

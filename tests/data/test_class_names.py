import unicodedata

import numpy as np
import pandas as pd
import pytest

from dlexp.data.arrays import find_classes
from dlexp.data.class_names import check_spelling
from dlexp.data.image_layout import read_layout
from dlexp.data.image_names import Found
from dlexp.data.table_target import find_classes as find_classes_of_table
from dlexp.errors import ConfigError
from tests.data.test_image_answers import write

ONE, OTHER = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
ALIKE = r"names that look the same .*: 'cafe\\u0301' and 'caf\\xe9'\. Rename them to one of the two\."


def test_other_names_pass():
    check_spelling([ONE, "cafe", "CAF\u00c9", 1, True, ONE], "here")


def read_folders_of_classes(folder):
    write(folder, f"photos/{ONE}/*2.png photos/{OTHER}/*2.png")
    read_layout(Found(folder / "photos", "photos"), 0.5, "test")


def read_folders_of_splits(folder):
    names = [f"train/{ONE}", "train/tea", f"test/{OTHER}", "test/tea"]
    write(folder, " ".join(f"photos/{name}/*2.png" for name in names))
    read_layout(Found(folder / "photos", "photos"), None, "test")


def read_table(_):
    frame = pd.DataFrame({"x": range(6), "y": [ONE, OTHER, "tea"] * 2})
    find_classes_of_table(frame, "y", "classification", "a.csv")


def read_array(_):
    find_classes(np.array([ONE, OTHER, "tea"] * 2), "a.npz, array y")


@pytest.mark.parametrize("read", [read_folders_of_classes, read_folders_of_splits, read_table, read_array])
def test_names_that_look_the_same_are_refused(read, tmp_path):
    with pytest.raises(ConfigError, match=ALIKE):
        read(tmp_path)

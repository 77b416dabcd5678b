"""The traits in the files of options. No code names an option instead."""

import ast

import pytest

from dlexp.config import options
from dlexp.config.options import CONF, Traits, groups, read, read_option, traits
from dlexp.errors import ConfigError

OPTIONS = [(group, option) for group, names in groups().items() for option in names]
PROVIDED = {thing for group, option in OPTIONS for thing in (*traits(group, option).gives, *traits(group, option).has)}
CHECKED_BY_RULES = {"classes", "a metric to watch", "hidden blocks"}  # by dlexp/config/rules.py and dlexp/run/setup/facts.py


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_need_is_provided_by_an_option_or_checked_by_a_rule(group, option):
    assert set(traits(group, option).needs) <= PROVIDED | CHECKED_BY_RULES


@pytest.mark.parametrize("option", groups()["dataset"])
def test_every_dataset_says_what_it_holds(option):
    assert {*traits("dataset", option).gives} <= {"images", "features", "series"}
    assert traits("dataset", option).gives


def test_traits_are_read_and_are_no_part_of_a_config():
    assert traits("model", "resnet18") == Traits(needs=("images",), has=("convolutions",), requires=("torchvision",))
    assert traits("dataset", "image_folder").user_files == ("root", "labels")
    assert traits("activation", "relu") == Traits()
    assert not any(key.startswith("_traits") for group, option in OPTIONS for key in read_option(group, option))


def test_an_unknown_trait_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(options, "CONF", tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "made.yaml").write_text("_target_: x\n_traits_:\n  need: [images]\n")
    assert read(tmp_path / "model" / "made.yaml") == {"_target_": "x"}
    with pytest.raises(ConfigError, match=r"conf/model/made.yaml: _traits_: no such trait: need\."):
        traits.__wrapped__("model", "made")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("user_files: root", r"_traits_.user_files: expected a list of words such as \[a, b\], got 'root'"),
        ("gives: [1]", r"_traits_.gives: expected a list"),
        ("user_files: [root, labels]", "_traits_: expected keys of this file, got labels"),
        ("published_files: [folder]", "_traits_: expected keys of this file, got folder"),
    ],
)
def test_a_trait_that_says_nothing_is_refused(block, message, tmp_path, monkeypatch):
    monkeypatch.setattr(options, "CONF", tmp_path)
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "made.yaml").write_text(f"_target_: x\nroot: ???\n_traits_:\n  {block}\n")
    with pytest.raises(ConfigError, match=f"conf/dataset/made.yaml: {message}"):
        traits.__wrapped__("dataset", "made")


def test_no_code_names_an_option():
    names = {option for group in ("model", "dataset", "loss", "optimizer") for option in groups()[group]}
    found = []
    for path in sorted((CONF.parent / "dlexp").rglob("*.py")):
        place = path.relative_to(CONF.parent / "dlexp").as_posix()
        if place.startswith(("parts/", "benchmark/")):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names:
                found.append(f"{place}:{node.lineno}: {node.value}")
    assert found == []

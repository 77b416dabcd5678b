import json

import pytest

from dlexp.run.record import identity

CONFIG = {
    "seed": 0,
    "depth": 3,
    "epochs": 10,
    "max_steps": None,
    "output_dir": "outputs",
    "model": {"depth": 3, "width": 8, "widths": None},
    "dataset": {"root": "data"},
    "optimizer": {"lr": 0.1},
    "early_stopping": {"patience": None, "min_delta": 0.0},
    "hardware": {
        "loader": "resident",
        "num_workers": 2,
        "empty_cache_every": 0,
        "persistent_workers": True,
        "pin_memory": False,
        "non_blocking": False,
    },
}


def changed(path, value):
    config = json.loads(json.dumps(CONFIG))
    *parents, last = path.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    node[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", 1),
        ("model.depth", 4),
        ("epochs", 11),
        ("max_steps", 5),
        ("optimizer.lr", 0.2),
        ("hardware.loader", "workers"),
        ("hardware.empty_cache_every", 5),
        ("test_flip", True),
        ("on_divergence", "rollback"),
        ("on_oom", "microbatch"),
    ],
)
def test_what_can_change_the_result_changes_the_id(path, value):
    assert identity.run_id(changed(path, value)) != identity.run_id(CONFIG)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("depth", 4),
        ("output_dir", "/tmp/elsewhere"),
        ("hardware.num_workers", 4),
        ("hardware.pin_memory", True),
        ("early_stopping.min_delta", 0.1),
        ("seed", 0.0),
        ("on_divergence", "stop"),
        ("on_oom", "fail"),
    ],
)
def test_what_cannot_change_the_result_keeps_the_id(path, value):
    assert identity.run_id(changed(path, value)) == identity.run_id(CONFIG)


def test_the_path_of_data_is_in_the_id_unless_its_key_names_files():
    here, there = changed("dataset.root", "here"), changed("dataset.root", "there")
    assert identity.run_id(here, "content") != identity.run_id(there, "content")
    assert identity.run_id(here, "content", ["root"]) == identity.run_id(there, "content", ["root"])
    assert identity.changes(here, there) != []
    assert identity.changes(here, there, ["root"]) == []


def test_a_config_of_before_there_was_a_key_is_no_changed_one():
    assert identity.changes(CONFIG, changed("on_divergence", "stop")) == []
    assert identity.changes(CONFIG, changed("on_divergence", "continue")) != []


def test_what_workers_cost_is_a_result():
    two, four = changed("hardware.loader", "workers"), changed("hardware.loader", "workers")
    four["hardware"]["num_workers"] = 4
    assert identity.run_id(two) != identity.run_id(four)


def test_the_fingerprint_of_user_data_is_part_of_the_id():
    assert len({identity.run_id(CONFIG), identity.run_id(CONFIG, "a"), identity.run_id(CONFIG, "b")}) == 3


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([], "default"),
        (["norm=gn", "depth=8"], "depth=8-norm=gn"),
        (["model.widths=[256,128]"], "model.widths=-256-128"),
        (["dataset.root=../../etc/x"], "dataset.root=..-..-etc-x"),
        (["a=" + "x" * 300], "a=" + "x" * 78),
    ],
)
def test_slug(differences, expected):
    assert identity.slug(differences) == expected


LONG = [f"dataset.some_long_key_{number}=12345" for number in range(6)]


@pytest.mark.parametrize(
    ("differences", "first"),
    [
        ([*LONG, "width=8", "seed=3"], ["width", "seed"]),
        ([*LONG, "seed=3"], [*(text.partition("=")[0] for text in LONG), "seed"]),
        ([f"model.widths=[{'64,' * 2000}]", "seed=3"], ["model.widths", "seed"]),
        ([f"data_dir={'é' * 300}", f"output_dir={'ü' * 300}", "seed=3"], ["data_dir", "output_dir", "seed"]),
    ],
)
def test_what_varies_is_never_cut_off(differences, first):
    found = identity.slug(differences, first)
    assert [key for key in first if f"{key}=" not in found] == []
    assert "seed=3" in found
    assert len(found.encode()) <= 240
    assert len(identity.slug(differences)) <= 80


def test_a_short_slug_is_sorted_whatever_varies():
    assert identity.slug(["width=8", "seed=3", "depth=2"], ["width"]) == "depth=2-seed=3-width=8"

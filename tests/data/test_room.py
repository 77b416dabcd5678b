import pytest

from dlexp.contract import ConfigError
from dlexp.data import room
from tests.run.setup.test_effects import refusal

LARGE = {
    "sine": ("model=lstm loss=mse dataset.num_examples=10000000 dataset.window=100000", "num_examples, dataset.window"),
    "synthetic_images": ("dataset.shape=[3,16384,16384]", "shape, dataset.num_train, dataset.num_test, dataset.num_classes"),
    "moons": ("model=mlp norm=none", "num_examples"),
    "circles": ("model=mlp norm=none", "num_examples"),
}


@pytest.mark.parametrize("dataset", LARGE)
def test_generated_data_that_do_not_fit_into_memory_are_refused_before_they_are_made(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "read_memory", lambda: type("Memory", (), {"available": 100_000}))
    settings, keys = LARGE[dataset]
    assert refusal(f"dataset={dataset}", *settings.split(), "data_seed=7", root=tmp_path).startswith(
        f"dataset.{keys}: expected data that fit into memory, got "
    )


def test_the_message_says_how_much_there_is():
    free = room.read_memory().available
    room.check_room(free // 2, "num_examples")
    with pytest.raises(ConfigError, match=r"got 1,024\.0 GiB to make them, and this machine has [\d.]+ GiB free: lower one"):
        room.check_room(2**40, "num_examples")

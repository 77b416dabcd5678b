"""No plain setting is ignored: changing any one of them changes something that a run leaves behind."""

import re
from functools import cache

import pytest

from dlexp.config.options import FIXED, option_keys, scalars
from dlexp.config.values import leaves
from tests import ROOT
from tests.runs import IMAGES, run

# Another value for each key; a pair adds the settings without which the key has no effect.
CHANGES = {
    "on_divergence": ("continue", ["optimizer=sgd", "optimizer.lr=1e30", "norm=none"]),
    "seed": "1",
    "data_seed": "7",
    "depth": "1",
    "width": "24",
    "dropout": "0.5",
    "batch_size": "20",
    "on_oom": ("microbatch", ["norm=gn"]),
    "drop_last": "true",
    "epochs": "3",
    "max_steps": "5",
    "grad_clip": "0.01",
    "grad_clip_value": "0.001",
    "l1": "0.1",
    "l2": "0.1",
    "sampling": ("balanced", ["dataset.imbalance=4"]),
    "val_fraction": "0.3",
    "evaluate_on": ("test", ["val_fraction=0"]),
    "test_flip": "true",
    "monitor": ("acc", ["epochs=5", "optimizer.lr=0.1"]),
    "early_stopping.patience": ("1", ["epochs=8", "optimizer.lr=3"]),
    "early_stopping.min_delta": ("100", ["epochs=8", "early_stopping.patience=2"]),
    "early_stopping.restore_best": ("false", ["epochs=8", "optimizer.lr=0.3", "early_stopping.patience=7"]),
    "hardware.channels_last": "true",
    "hardware.tune": "true",
    "target": "0.5",
}
# Settings whose effect the named tests show, because it is not in the numbers of a run.
ELSEWHERE = {
    "data_dir": "tests/parts/dataset/test_torchvision_sets.py: data is read there",
    "output_dir": "every test here: records are written there",
    "force": "tests/run/test_execute.py",
    "retry": "tests/run/test_execute.py",
    "stale": "tests/run/record/test_modules.py",
    "zip": "tests/config/test_grid.py: they make the cells of a sweep",
    "exclude": "tests/config/test_grid.py",
    "skip": "tests/config/test_check.py",
    "jobs": "tests/study/test_workers.py",
    "jobs_per_gpu": "tests/study/test_jobs.py",
    "display": "tests/run/test_display.py",
    "wait": "tests/study/test_passes.py",
    "hardware.empty_cache_every": "tests/machine/test_device.py",
    "profile": "tests/run/test_profiling.py",
    "checkpoint_every": "tests/reliability",
    "hardware.cuda_graph": "tests/run/test_execute.py: needs a GPU; refused elsewhere, tests/config/test_rules.py",
    "hardware.compile": "tests/run/test_execute.py: slow, as it calls a compiler",
    "hardware.recompute": "tests/training/test_recompute.py: the numbers are the same",
    "hardware.determinism": "tests/machine/test_device.py",
    "hardware.num_threads": "tests/machine/test_device.py",
    "hardware.loader": "tests/machine/test_device.py; the numbers are the same: tests/data/test_batches.py",
    "hardware.num_workers": "tests/machine/test_device.py",
    "hardware.persistent_workers": "tests/machine/test_device.py",
    "hardware.pin_memory": "tests/machine/test_device.py",
    "hardware.non_blocking": "tests/machine/test_device.py",
}
OPTION = ("hardware", "cpu")  # keys of other groups' options: tests/test_contract.py


def settings():
    """Each plain key and each key of the hardware, with its default."""
    yield from option_keys(*OPTION).items()
    yield from leaves(scalars())


SETTINGS = [key for key, _ in settings() if key not in ELSEWHERE.keys() | set(FIXED)]


@cache
def outcome(root, *overrides):
    """What a run leaves behind, without what it is called."""
    summary, rows = run(*overrides, root=root)
    assert summary["status"] in ("done", "early_stopped", "diverged"), summary
    return {name: value for name, value in summary.items() if name not in ("id", "overrides", "code", "modules")}, rows


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("outputs")


@pytest.mark.parametrize("key", SETTINGS)
def test_changing_a_setting_changes_something(key, root):
    value, beside = (CHANGES[key], []) if isinstance(CHANGES[key], str) else CHANGES[key]
    given = [text for text in (*IMAGES, *beside) if key != "max_steps" or not text.startswith("epochs")]
    assert outcome(root, *given) != outcome(root, *given, f"{key}={value}")


def test_the_tests_that_are_named_exist():
    paths = {path for text in ELSEWHERE.values() for path in re.findall(r"tests/[\w/]+(?:\.py)?", text)}
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_row_is_of_a_key():
    assert (CHANGES.keys() | ELSEWHERE.keys()) - {key for key, _ in settings()} == set()

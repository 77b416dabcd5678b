"""No setting is ignored: changing any one of them changes something that a run leaves behind, or is refused."""

import re
from functools import cache

import pytest

from dlexp.config.options import FIXED, groups, option_keys, read_option, scalars
from dlexp.config.values import leaves
from dlexp.errors import ConfigError
from tests import ROOT
from tests.runs import IMAGES, run
from tests.test_contract import base

# Another value for each key; a pair adds the settings without which the key has no effect.
CHANGES = {
    "activation/elu.alpha": "0.5",
    "activation/gelu.approximate": "tanh",
    "activation/leaky_relu.negative_slope": "0.5",
    "activation/prelu.init": "0.7",
    "activation/softplus.beta": "3",
    "activation/softplus.threshold": "0.1",
    "augment.flip": "alternating",
    "augment.padding": "1",
    "augment.padding_mode": "reflect",
    "dataset.per_class": "10",
    "dataset.scale": "minmax",
    "dataset.scale_on": "all",
    "dataset/noisy_line.scale_on": ("all", ["dataset.scale=standardize"]),
    "dataset/sine.num_examples": "50",
    "dataset.test_fraction": "0.5",
    "dataset.num_examples": "120",
    "dataset.noise": "0.05",
    "dataset.factor": "0.1",
    "dataset.data_seed": "7",
    "dataset.num_train": "66",
    "dataset.num_test": "45",
    "dataset.shape": "[1,8,8]",
    "dataset.window": "5",
    "dataset.period": "9.3",
    "dataset.num_classes": "4",
    "init.gain": "3",
    "init.mode": "fan_out",
    "init.std": "0.3",
    "init.bias": "0.5",
    "init.num_examples": "10",
    "init.eps": "1",
    "loss.label_smoothing": "0.3",
    "loss.softmax": "false",
    "loss.gamma": "0.5",
    "model.depth": "1",
    "model.width": "24",
    "model.widths": "[8]",
    "model.kernel_size": "1",
    "model.pool_every": "1",
    "model.head": "flatten",
    "model.order": "nac",
    "model.head_scale": "1",
    "model.train_first": "true",
    "model.train_norm_weight": "true",
    "model.zero_init_residual": "true",
    "model.small_stem_below": "0",
    "norm.eps": "0.5",
    "norm.momentum": "0.9",
    "norm.groups": "4",
    "norm.group_size": "4",
    "optimizer.lr": "0.005",
    "optimizer.weight_decay": "0.5",
    "optimizer.lr_head": "0.005",
    "optimizer.lr_bias": "0.005",
    "optimizer.momentum": "0.3",
    "optimizer.momentum_sgd": "0.3",
    "optimizer.num_iterations": "5",
    "optimizer.normalize": "false",
    "optimizer.betas": "[0.5,0.5]",
    "optimizer.eps": "0.1",
    "optimizer.alpha": "0.5",
    "optimizer.lr_decay": "0.5",
    "optimizer.initial_accumulator_value": "0.5",
    "precision.init_scale": "1e12",
    "precision.growth_interval": ("1", ["epochs=8"]),
    "scheduler.step_size": "1",
    "scheduler.gamma": ("0.2", ["epochs=6"]),
    "scheduler.eta_min": "0.0005",
    "scheduler.pct_start": "0.7",
    "scheduler.div_factor": "2",
    "scheduler.final_div_factor": "2",
    "scheduler.warmup_fraction": "0.8",
    "scheduler.start_factor": "0.7",
    "scheduler.end_factor": "0.5",
    "scheduler.patience": ("0", ["epochs=8", "optimizer.lr=3"]),
    "scheduler.factor": ("0.1", ["epochs=8", "optimizer.lr=3", "scheduler.patience=0"]),
    "scheduler.min_lr": ("2.5", ["epochs=8", "optimizer.lr=3", "scheduler.patience=0"]),
    "scheduler.min_delta": ("100", ["epochs=8", "scheduler.patience=0"]),
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
    "l1": "0.1",
    "l2": "0.1",
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
    "dataset.root": "tests/parts/dataset/test_image_folder.py",
    "dataset.cache_dir": "tests/data/test_cache.py",
    "dataset.image_size": "tests/parts/dataset/test_image_folder.py",
    "model.cell": "tests/parts/model/test_lstm.py: the numbers are the same",
    "hardware.empty_cache_every": "tests/machine/test_device.py",
    "profile": "tests/run/test_profiling.py",
    "checkpoint_every": "tests/reliability",
    "optimizer.fused": "tests/run/test_execute.py: the same to rounding, for plain SGD to the last digit",
    "hardware.cuda_graph": "tests/run/test_execute.py: needs a GPU; refused elsewhere, tests/config/test_rules.py",
    "hardware.compile": "tests/run/test_execute.py: slow, as it calls a compiler",
    "hardware.determinism": "tests/machine/test_device.py",
    "hardware.num_threads": "tests/machine/test_device.py",
    "hardware.loader": "tests/machine/test_device.py; the numbers are the same: tests/data/test_batches.py",
    "hardware.num_workers": "tests/machine/test_device.py",
    "hardware.persistent_workers": "tests/machine/test_device.py",
    "hardware.pin_memory": "tests/machine/test_device.py",
    "hardware.non_blocking": "tests/machine/test_device.py",
}
# Their other keys, per_class and scale, are the same code for all datasets.
NEED_FILES = {option for option in groups()["dataset"] if "root" in read_option("dataset", option)}
REFUSED = {  # option and key → what the refusal says
    ("dataset/noisy_line", "dataset.per_class"): "a regression has no classes",
    ("dataset/sine", "dataset.per_class"): "a regression has no classes",
}


def settings():
    """Each key of each option, and each plain key, with the option it is tested in."""
    for group, names in groups().items():
        for option in names:
            if option in NEED_FILES or (group, option) in {("precision", "tf32"), ("hardware", "cuda"), ("hardware", "auto")}:
                continue
            for key in option_keys(group, option):
                below = key.removeprefix(f"{group}.").split(".")[0]
                if not below.startswith("_") and below not in ("activation", "norm", "dropout"):
                    yield f"{group}/{option}", key
    for key, _ in leaves(scalars()):
        yield None, key


SETTINGS = [pair for pair in settings() if pair[1] not in ELSEWHERE.keys() | set(FIXED)]
TAKES_LONG = "model/resnet50"  # resnet18 has the same keys


def other_value(option, key):
    """Another value for a key without a row in CHANGES: a number twice as large, or the other boolean."""
    default = option_keys(*option.split("/"))[key] if option else dict(leaves(scalars()))[key]
    assert isinstance(default, bool | int | float), f"{key} needs a row in CHANGES"
    return str(not default).lower() if isinstance(default, bool) else str(2 * default or 1)


@cache
def outcome(root, *overrides):
    """What a run leaves behind, without what it is called."""
    summary, rows = run(*overrides, root=root)
    assert summary["status"] in ("done", "early_stopped", "diverged"), summary
    return {name: value for name, value in summary.items() if name not in ("id", "overrides", "code", "modules")}, rows


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("outputs")


@pytest.mark.parametrize(
    ("option", "key"),
    [pytest.param(*pair, marks=pytest.mark.slow) if pair[0] == TAKES_LONG else pair for pair in SETTINGS],
    ids=lambda value: str(value or "plain"),
)
def test_changing_a_setting_changes_something(option, key, root):
    change = CHANGES.get(f"{option}.{key.partition('.')[2]}") or CHANGES.get(key) or other_value(option, key)
    value, beside = (change, []) if isinstance(change, str) else change
    chosen = [option.replace("/", "=")] if option else []
    given = [*(base(chosen[0]) if chosen else IMAGES), *chosen, *beside]
    if key == "max_steps":
        given = [text for text in given if not text.startswith("epochs")]
    if key in ("model.depth", "model.width", "model.widths"):
        given = [text for text in given if not text.startswith(("depth", "width"))]
    if (option, key) in REFUSED:
        with pytest.raises(ConfigError, match=REFUSED[option, key]):
            outcome(root, *given, f"{key}={value}")
    else:
        assert outcome(root, *given) != outcome(root, *given, f"{key}={value}")


def test_the_tests_that_are_named_exist():
    paths = {path for text in ELSEWHERE.values() for path in re.findall(r"tests/[\w/]+(?:\.py)?", text)}
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_row_is_of_a_key():
    known = {key for _, key in settings()} | {"dataset.root", "dataset.cache_dir", "dataset.image_size"}
    listed = {key.partition("/")[0] + "." + key.partition(".")[2] if "/" in key else key for key in CHANGES}
    assert (listed | ELSEWHERE.keys() | set(FIXED) | {key for _, key in REFUSED}) - known == set()

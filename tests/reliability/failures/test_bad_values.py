"""R39: bad values beyond those in tests/config/ and tests/run/setup/test_facts.py."""

import pytest
import torch

from dlexp.config.check import find_problems
from dlexp.config.check_config import check
from dlexp.errors import ConfigError
from dlexp.run.execute import gather_facts
from tests.config.test_compose import made
from tests.runs import IMAGES, MOONS, prepare

MISSING = [
    *((f"output_dir={value}", "output_dir") for value in ("../x", "a/../../x", "..", "x" * 256, "[a]", "null", "1")),
    *((f"on_divergence={value}", "on_divergence") for value in ("skip", "true", "null", "[stop]")),
    *((f"checkpoint_every={value}", "checkpoint_every") for value in ("-1", "nan", "inf", "often")),
    *((f"scheduler=cosine scheduler.{key}=0", f"scheduler.{key}") for key in ("T_max", "step_size")),
    *(
        (f"activation=leaky_relu activation.negative_slope={value}", "activation.negative_slope")
        for value in ("-0.1", "1", "inf")
    ),
    *((f"scheduler=exponential scheduler.gamma={value}", "scheduler.gamma") for value in ("0", "2", "nan")),
    *((f"optimizer=adam optimizer.betas={value}", "optimizer.betas") for value in ("[nan,0.9]", "[-0.1,0.9]")),
    *((f"optimizer.lr={value}", "optimizer.lr") for value in ("1e400", "-inf", "''", "0x1")),
    *((f"seed={value}", "seed") for value in ("null", "true", "[1]", "1e3", "-0.0")),
    *((f"data_dir={value}", "data_dir") for value in ("''", "null", "[a]", "'a\nb'", "'a\0b'")),
    *((f"hardware={value}", "hardware") for value in ("tpu", "cuda:0", "CPU", "../cpu")),
]


@pytest.mark.parametrize(("command", "key"), MISSING)
def test_a_bad_value_is_refused_by_its_key(command, key):
    overrides = [command] if "\n" in command else command.split()
    problems = find_problems(overrides, multirun=False) or check(made(*overrides))
    assert len(problems) == 1
    assert problems[0].startswith((f"{key}:", f"{key}="))
    assert problems[0].isprintable()


FACTS = {
    "3 groups of 16 channels": ([*IMAGES, "norm=gn", "norm.groups=3"], "norm.groups"),
    "32 groups of 16 channels": ([*IMAGES, "norm=gn", "norm.groups=32"], "norm.groups"),
    "16 groups of 16 channels": ([*IMAGES, "norm=gn", "norm.groups=16"], "norm=in"),
    "a channel a group by its size": ([*IMAGES, "norm=gn", "norm.group_size=3"], "norm.group_size"),
    "one example of a class": ([*MOONS, "dataset.per_class=1"], "val_fraction"),
}


@pytest.mark.parametrize("case", FACTS)
def test_what_does_not_fit_is_refused_and_leaves_nothing(case, tmp_path):
    overrides, message = FACTS[case]
    with pytest.raises(ConfigError, match=message):
        gather_facts(prepare(*overrides, root=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="hardware"):
        gather_facts(prepare(*MOONS, "hardware=cuda", root=tmp_path))
    assert list(tmp_path.iterdir()) == []

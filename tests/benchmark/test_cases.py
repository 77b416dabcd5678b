"""Every case that this machine can measure, and the reasons why it cannot measure the others."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from dlexp.benchmark import airbench, lightning, loader, next_run, settings, startup
from dlexp.benchmark.comparison import Missing, Request
from dlexp.benchmark.comparisons import COMPARISONS
from dlexp.benchmark.loop import CONVNET, build_overrides
from dlexp.benchmark.same_work import DifferentWorkError
from dlexp.benchmark.timing import time_case
from dlexp.config.check_config import check
from dlexp.config.compose import compose
from dlexp.config.lookup import look_up

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
TINY = ("dataset.num_train=12", "batch_size=6", "hardware=cpu")


def reasons(cases):
    return {case.reason for case in cases if isinstance(case, Missing)}


@no_gpu
@pytest.mark.parametrize("name", [one.name for one in COMPARISONS if one.name.startswith("gpu_")])
def test_what_needs_a_gpu_says_so(name, tmp_path):
    (cases,) = (one.cases for one in COMPARISONS if one.name == name)
    assert reasons(cases(Request(tmp_path))) == {"torch finds no NVIDIA GPU"}


def test_without_data_and_without_lightning_there_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert reasons(loader.cases(Request(tmp_path))) == {"no data/FashionMNIST", "no data/cifar10_jpeg"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert reasons(lightning.cases(Request(tmp_path))) == {"pip install -e '.[benchmark]'"}
    assert reasons(loader.cases(Request(tmp_path))) == {"torchvision is not installed"}


def test_a_cpu_without_bf16_is_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert reasons(settings.bf16(Request(tmp_path))) == {"the CPU has neither AMX nor avx512_bf16"}


def test_bf16_has_a_goal_only_where_the_cpu_has_amx(tmp_path, monkeypatch):
    for has_amx in (False, True):
        able = {"amx_tile": has_amx, "avx512_bf16": True}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        (case,) = settings.bf16(Request(tmp_path))
        assert (case.figures[0].goal is not None) == has_amx


def test_two_settings_of_the_same_run_are_compared(tmp_path):
    common = (*settings.RESNET, *TINY)
    case = settings.compare("resnet18", common, settings.BF16, ("precision=fp32",), block=1, goal=None, loss=0.2)
    samples, _ = time_case(case, rounds=1, block=1)
    assert min(sample.seconds for taken in samples.values() for sample in taken) > 0


@pytest.mark.parametrize("ours", [settings.BEST, settings.PLAIN, (f"{settings.GRAPH}=true",)])
def test_the_settings_of_the_gpu_are_sound(ours):
    for net in (settings.RESNET, build_overrides(CONVNET, 2, 256)):
        run = list({text.partition("=")[0]: text for text in (*net, "hardware=cuda", *ours)}.values())
        assert look_up(run, multirun=False) == []
        assert check(compose(run)) == []


def test_the_loaders_give_the_same_examples_in_the_same_order(tmp_path, monkeypatch):
    monkeypatch.setattr(loader, "GENERATED", 300)  # the last batch is short
    cases = list(loader.list_cases("cpu", Request(tmp_path, synthetic=True)))
    assert len(cases) == 4
    for case in cases:
        case.check(case, 1)


def test_a_process_is_timed_until_its_sign_and_then_ended(tmp_path):
    program = "import time; print('no'); print('yes, here', flush=True); time.sleep(600)"
    sample = startup.time_until_line([sys.executable, "-c", program], "yes", tmp_path)(2)
    assert 0 < sample.seconds < 600
    assert 0 < sample.cpu < 600


def test_a_process_that_ends_without_its_sign_is_an_error(tmp_path):
    program = "import sys; sys.exit('broken')"
    with pytest.raises(RuntimeError, match="ended without a line 'yes': broken"):
        startup.time_until_line([sys.executable, "-c", program], "yes", tmp_path)(1)


def test_a_run_of_one_step_prints_the_line_that_is_waited_for(tmp_path):
    (case,) = startup.cases(Request(tmp_path))
    case.check(case, 1)


def test_the_cost_of_a_run_is_what_its_summary_does_not_book(tmp_path):
    (case,) = next_run.cases(Request(tmp_path))
    samples, _ = time_case(case, rounds=1, block=2)
    assert samples.keys() == {"ours", "again"}
    assert samples["ours"][0].seconds > 0
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
print("|  run     |  epoch  |  train_acc  |  val_acc  |  tta_val_acc  |  time_seconds  |")
for run in ("warmup", 0, 1, 2):
    print(f"|  {run}  |      1  |  0.9000  |  0.9100  |   |  1.0000  |")
    accuracy = 0.1 if run == "warmup" else 0.93 + 0.01 * run
    print(f"|          |   eval  |     |     |       {accuracy:0.4f}  |        2.5{run}  |")
"""


def test_airbench_is_read_from_what_it_prints_without_its_warm_up(tmp_path):
    script = tmp_path / "airbench94.py"
    script.write_text(SCRIPT)
    assert airbench.run_airbench(script, 2) == [(0.93, 2.50), (0.94, 2.51)]
    with pytest.raises(RuntimeError, match="ended after 3 of 4 runs"):
        airbench.run_airbench(script, 4)


def test_a_time_to_an_accuracy_that_is_not_reached_is_refused():
    good, bad = ((lambda n, accuracy=accuracy: [airbench.Trained(accuracy, 1.0)] * n) for accuracy in (0.94, 0.93))
    (case,) = startup.cases(Request(Path()))
    airbench._check_accuracy({"dlexp": good, "airbench": good}, case, 5)
    with pytest.raises(DifferentWorkError, match="airbench reaches 93.00 %"):
        airbench._check_accuracy({"dlexp": good, "airbench": bad}, case, 5)


def test_of_our_run_training_and_the_last_evaluation_are_counted():
    summary = {
        "seconds": {"train": 9.0, "evaluation": 2.0, "setup": 5.0},
        "steps": 10,
        "epochs": 3,
        "metrics": {"test/acc": 0.9},
    }
    assert airbench.read_trained({**summary, "selected_on_test": False}) == (0.9, 12.0)
    assert airbench.read_trained({**summary, "selected_on_test": True}) == (0.9, 10.4)

import importlib
import inspect
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from dlexp.config.options import groups, read_option
from dlexp.doctor import examine as examination
from dlexp.doctor import software
from dlexp.doctor.examine import BUILT_WITH_TORCHVISION, examine
from dlexp.errors import ConfigError
from dlexp.machine import memory
from dlexp.run.setup import footprint
from tests.runs import MOONS


def sections(*overrides, root):
    return {section.name: section for section in examine([*overrides, f"data_dir={root}", f"output_dir={root}"])}


def problems(told):
    return {name: [finding.text for finding in told[name].findings if finding.level == "problem"] for name in told}


def test_a_small_run_fits(tmp_path):
    told = sections(*MOONS, root=tmp_path)
    assert not any(problems(told).values())
    assert told["run"].facts["footprint"]["num_parameters"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_that_is_not_there_is_known_by_its_shape(tmp_path):
    told = sections("dataset=cifar100", root=tmp_path)
    assert "dataset=cifar100 is not in" in problems(told)["data"][0]
    assert told["run"].facts["input_shape"] == (3, 32, 32)
    assert told["run"].facts["num_examples"] == 45_000
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_does_not_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_available", lambda: 2**22)
    told = sections(*MOONS, root=tmp_path)
    assert problems(told)["run"] == []
    wide = [text for text in MOONS if not text.startswith(("width", "batch_size"))]
    told = sections(*wide, "width=512", root=tmp_path)
    assert "no batch fits" in problems(told)["run"][0]


def test_workers_share_their_batches(tmp_path, monkeypatch):
    look = memory.look
    monkeypatch.setattr(memory, "look", lambda: memory.Memory(*[*vars(look()).values()][:3], shared=1000))
    told = sections(*MOONS, "hardware.loader=workers", root=tmp_path)
    assert "2 workers put 1 KiB of batches" in problems(told)["memory"][0]  # 2 workers, 2 batches, 16 rows of 16 bytes
    assert problems(sections(*MOONS, root=tmp_path))["memory"] == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_what_this_machine_lacks_is_a_problem_and_no_refusal(tmp_path):
    told = sections(*MOONS, "hardware=cuda", root=tmp_path)
    assert "torch finds no NVIDIA GPU" in problems(told)["run"][0]
    assert told["cpu"].facts["cores"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="pretends that there is another GPU")
@pytest.mark.parametrize(
    ("capability", "format", "said"),
    [((9, 0), "bf16", ""), ((7, 5), "fp16", ""), ((6, 1), "fp32", "of no use on compute capability 6.1")],
)
def test_on_a_gpu_its_own_memory_counts(capability, format, said, monkeypatch, tmp_path):
    for name, answer in {
        "is_available": True,
        "device_count": 1,
        "current_device": 0,
        "mem_get_info": (2**21, 2**33),
        "get_device_name": "a card",
        "get_device_capability": capability,
        "get_arch_list": ["sm_60", "sm_75", "sm_90"],
        "get_device_properties": SimpleNamespace(total_memory=2**33, major=capability[0], minor=capability[1]),
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer: answer)
    told = sections(*MOONS, "precision=auto", "optimizer=sgd", root=tmp_path)
    assert (told["run"].facts["device"], told["run"].facts["format"], told["run"].facts["free"]) == ("cuda", format, 2**21)
    assert told["gpu"].facts["auto"] == {"hardware": "cuda", "precision": format}
    assert [said in finding.text for finding in told["gpu"].findings] == ([True] if said else [])


@pytest.mark.parametrize("override", ["norm=bm", "depth=-1", "dataset=moons"])
def test_what_train_refuses_is_refused(override):
    with pytest.raises(ConfigError):
        examine([override])


def test_a_broken_torchvision_stops_only_what_needs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(software, "_import_error", lambda name: "RuntimeError: of another build")
    assert not any(problems(sections(*MOONS, root=tmp_path)).values())
    told = sections("dataset=mnist", root=tmp_path)
    assert "torchvision cannot be imported" in problems(told)["software"][0]
    assert told["run"].facts["not_measured"] == ["it needs torchvision"]


def test_the_models_that_need_torchvision_are_known():
    found = {
        option
        for option in groups()["model"]
        if "from torchvision"
        in inspect.getsource(importlib.import_module(read_option("model", option)["_target_"].rpartition(".")[0]))
    }
    assert found == set(BUILT_WITH_TORCHVISION)


def test_an_lstm_is_told_of_its_kernels(tmp_path, monkeypatch):
    composed = examination.compose(list(MOONS))
    chosen = replace(composed, choices=composed.choices | {"model": "lstm"})
    patient = examination._examine_run(composed, composed.config, _machine())
    names = [section.name for section in examination._sections(_machine(), chosen, patient)]
    assert names[-2:] == ["lstm", "run"]
    assert "lstm" not in [section.name for section in examination._sections(_machine(), composed, patient)]


def _machine():
    return examination._Machine(memory.look(), examination.gpu.look(), examination.cpu.look(), software.look(), [])


def test_memory_is_measured_for_the_format_that_auto_stands_for(tmp_path):
    told = sections(*MOONS, "precision=auto", root=tmp_path)
    assert told["run"].facts["format"] in footprint.AUTOCAST or told["run"].facts["format"] == "fp32"
    assert dict(told["run"].lines)["precision"].endswith("(precision=auto)")

import pytest
import torch

from dlexp.config.options import CONF
from dlexp.contract import Split
from dlexp.data import worker_loader
from dlexp.errors import UnsupportedError
from dlexp.machine.device import check_hardware, configure_torch, find_device
from dlexp.machine.precision import Precision, resolve_format
from dlexp.run.execute import gather_facts
from dlexp.run.setup import build, facts
from tests.runs import MOONS, prepare, run

CPU = torch.device("cpu")
SETTINGS = {
    "determinism": "seeded",
    "cuda_graph": False,
    "loader": "resident",
    "pin_memory": False,
    "non_blocking": False,
    "compile": False,
    "empty_cache_every": 0,
}


@pytest.fixture(autouse=True)
def _as_before():
    threads = torch.get_num_threads()
    yield
    configure_torch(CPU, num_threads=threads, determinism="seeded", tf32=False)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_threads_are_set_for_each_run(num_threads):
    configure_torch(CPU, num_threads=num_threads, determinism="seeded", tf32=False)
    assert torch.get_num_threads() == num_threads


@pytest.mark.parametrize(
    ("determinism", "deterministic", "benchmark"), [("seeded", False, False), ("bitwise", True, False), ("fast", False, True)]
)
def test_determinism(determinism, deterministic, benchmark):
    configure_torch(CPU, num_threads=1, determinism=determinism, tf32=False)
    assert torch.are_deterministic_algorithms_enabled() == deterministic
    assert torch.backends.cudnn.benchmark == benchmark


@pytest.mark.parametrize(("tf32", "expected"), [(True, "tf32"), (False, "ieee")])
def test_tf32_is_on_only_where_asked_for(tf32, expected):
    configure_torch(CPU, num_threads=1, determinism="seeded", tf32=tf32)
    assert torch.backends.cuda.matmul.fp32_precision == expected
    assert torch.backends.cudnn.conv.fp32_precision == expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_missing_gpu_is_never_replaced_by_the_cpu():
    with pytest.raises(UnsupportedError, match="no NVIDIA GPU"):
        find_device("cuda")
    assert find_device("auto") == CPU


@pytest.mark.parametrize(
    "change",
    [
        {"determinism": "fast"},
        {"cuda_graph": True},
        {"empty_cache_every": 3},
        {"loader": "workers", "pin_memory": True},
        {"loader": "workers", "non_blocking": True},
    ],
)
def test_what_a_cpu_could_only_ignore_is_refused(change):
    (key, _), *_ = [item for item in change.items() if item[0] != "loader"]
    assert [f"hardware.{key}" in problem for problem in check_hardware(SETTINGS | change, CPU)] == [True]


def test_tf32_is_refused_on_a_cpu():
    with pytest.raises(UnsupportedError, match="precision=tf32"):
        Precision(CPU, format="tf32")


@pytest.mark.parametrize(("capability", "expected"), [((6, 1), "fp32"), ((7, 0), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_auto_follows_from_what_the_gpu_can_do(capability, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_format("auto", torch.device("cuda")) == expected


@pytest.mark.parametrize(("amx", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_follows_from_what_the_cpu_can_do(amx, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_tile": amx})
    assert resolve_format("auto", CPU) == expected
    assert resolve_format("fp16", CPU) == "fp16"


def test_every_setting_of_the_workers_reaches_the_loader(monkeypatch):
    seen = {}
    monkeypatch.setattr(worker_loader, "DataLoader", lambda *_, **options: seen.update(options))
    split = Split(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64))
    worker_loader.make_worker_loader(split, CPU, num_workers=3, persistent_workers=True, pin_memory=True, non_blocking=True)
    assert seen.items() >= {"num_workers": 3, "persistent_workers": True, "pin_memory": True}.items()


@pytest.mark.parametrize("loader", ["resident", "workers"])
def test_the_loader_asked_for_is_the_one_used(loader, monkeypatch, tmp_path):
    used = []
    for name, function in (("resident", "make_resident_loader"), ("workers", "make_worker_loader")):
        original = getattr(build, function)
        monkeypatch.setattr(build, function, lambda *a, n=name, o=original, **k: used.append(n) or o(*a, **k))
    run(*MOONS, f"hardware.loader={loader}", "hardware.num_workers=1" if loader == "workers" else "seed=1", root=tmp_path)
    assert set(used) == {loader}


@pytest.mark.parametrize(("every", "times"), [(0, 0), (2, 2), (3, 1)])
def test_the_cache_is_emptied_after_every_so_many_epochs(every, times, monkeypatch, tmp_path):
    emptied = []
    monkeypatch.setattr("dlexp.run.run_state.empty_cache", lambda: emptied.append(every))
    monkeypatch.setattr(facts, "check_hardware", lambda *_: [])  # refuses it on a CPU
    run(*MOONS, "epochs=5", f"hardware.empty_cache_every={every}", root=tmp_path)
    assert len(emptied) == times


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_run_on_a_gpu_has_its_id_where_there_is_none(tmp_path):
    planned = prepare(*MOONS, "hardware=cuda", root=tmp_path)
    assert planned.identity != prepare(*MOONS, root=tmp_path).identity
    with pytest.raises(UnsupportedError, match="no NVIDIA GPU"):
        gather_facts(planned)


def test_hardware_files_differ_in_what_their_device_needs():
    assert "pin_memory: true" in (CONF / "hardware" / "cuda.yaml").read_text()
    assert "pin_memory: false" in (CONF / "hardware" / "cpu.yaml").read_text()

import platform
from pathlib import Path

import pytest
import torch

from dlexp.machine import numerics
from dlexp.machine.device import configure_torch, describe_device, restoring_torch

CPU = torch.device("cpu")
CPUINFO = "vendor_id : AuthenticAMD\ncpu family : 25\nmodel : 17\nmodel name : AMD EPYC\nflags : avx2\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CPUINFO, "AMD EPYC (AuthenticAMD family 25 model 17)"),
        (CPUINFO.replace("17", "1"), "AMD EPYC (AuthenticAMD family 25 model 1)"),
        ("model name : Neoverse-V2\n", "Neoverse-V2"),
        ("", platform.processor() or platform.machine()),
    ],
)
def test_a_processor_is_named_so_that_another_model_of_the_same_name_is_another(text, expected, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(numerics, "Path", lambda _: tmp_path / "cpuinfo")
    assert numerics.describe_processor.__wrapped__() == expected


def test_what_changes_the_last_bits_is_noted():
    found = numerics.describe_numerics(CPU)
    assert {"processor", "instructions", "build of torch", "numpy", "torchvision"} <= found.keys()
    assert found["instructions"] == torch.backends.cpu.get_cpu_capability()
    assert "gpu" not in found


@pytest.mark.parametrize("name", numerics.VARIABLES)
def test_a_variable_that_the_user_sets_is_noted(name, monkeypatch):
    monkeypatch.delenv(name, raising=False)
    before = numerics.describe_numerics(CPU)
    monkeypatch.setenv(name, "X")
    assert numerics.describe_numerics(CPU) == before | {name: "X"}
    assert describe_device(CPU)["variables"][name] == "X"


def test_what_a_run_sets_itself_is_not_noted_as_the_users(monkeypatch):
    monkeypatch.delenv(numerics.WORKSPACE, raising=False)
    before = numerics.list_variables()
    with restoring_torch():
        configure_torch(CPU, num_threads=1, determinism="bitwise", tf32=False)
        assert numerics.list_variables() == before


def test_a_package_that_is_not_installed_is_left_out():
    assert numerics._find_version("no-such-package-of-anyone") is None


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="needs Linux")
def test_this_processor_has_a_name():
    assert numerics.describe_processor() not in ("", platform.machine())

"""R34: what is read of a run executes nothing, however it was made."""

import builtins
import collections
import io
import os
import pickle
import runpy
import subprocess
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from dlexp.analysis import DamagedRunWarning
from dlexp.analysis.report.figures import arrays
from dlexp.analysis.report.figures.arrays import read_arrays
from dlexp.data.cache import load_or_make
from dlexp.errors import CheckpointError
from dlexp.run.record import checkpoint
from tests.runs import edit_json

CPU = torch.device("cpu")
TOUCH = "open('executed', 'w').close()"


class Call:
    """Is unpickled by a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Built:
    """Is unpickled by a call that comes only when its state is set."""

    def __reduce__(self):
        return collections.OrderedDict, (), {"x": Call(os.system, "touch executed")}


def saved(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def rewritten(value):
    """A state whose pickle was exchanged inside of the archive that torch.save makes."""
    source, target = zipfile.ZipFile(io.BytesIO(saved({"weights": torch.zeros(9)}))), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, pickle.dumps(value, 2) if name.endswith("data.pkl") else source.read(name))
    return target.getvalue()


def legacy_tar():
    """The format of torch 0.1: a tar of pickles."""
    buffer, payload = io.BytesIO(), pickle.dumps(Call(os.system, "touch executed"))
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("storages", "tensors", "pickle"):
            info = tarfile.TarInfo(name)
            info.size = len(payload)
            tar.addfile(info, io.BytesIO(payload))
    return buffer.getvalue()


class Touching(nn.Module):
    """What a scripted program may do to files is little; loading one at all is what is to be refused."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs + 1


def script():
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Touching()), buffer)
    return buffer.getvalue()


PAYLOADS = {
    "os.system": lambda: saved(Call(os.system, "touch executed")),
    "eval": lambda: saved({"weights": Call(builtins.eval, TOUCH)}),
    "exec": lambda: saved({"weights": Call(builtins.exec, TOUCH)}),
    "a process": lambda: saved({"weights": Call(subprocess.check_call, ["touch", "executed"])}),
    "nested deeply": lambda: saved({"a": [{"b": ({"c": [Call(os.system, "touch executed")]},)}]}),
    "in the optimizer's state": lambda: saved({"optimizer": {"state": {0: {"step": Call(os.system, "touch executed")}}}}),
    "as a key": lambda: saved({Call(builtins.eval, f"[{TOUCH}] and 1"): 1}),
    "in a state that is set": lambda: saved(Built()),
    "getattr of getattr": lambda: saved(Call(getattr, Call(__import__, "os"), "system")),
    "a program": lambda: saved(Call(runpy.run_path, "program.py")),
    "a pickle inside": lambda: saved(Call(pickle.loads, pickle.dumps(Call(os.system, "touch executed")))),
    "exchanged in the archive": lambda: rewritten(Call(os.system, "touch executed")),
    "a bare pickle": lambda: pickle.dumps(Call(os.system, "touch executed"), 2),
    "the old format of torch": lambda: saved(Call(os.system, "touch executed"), _use_new_zipfile_serialization=False),
    "the oldest format of torch": legacy_tar,
    "TorchScript": script,
}
NO_CONTROL = ("getattr of getattr", "the oldest format of torch", "TorchScript")  # leave no trace that is easy to see


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text(TOUCH)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_state_that_calls_is_refused_whoever_signed_it(payload, tmp_path):
    content = PAYLOADS[payload]()
    checkpoint.save(tmp_path, {"step": 1}, 1, {}, CPU, "code")
    good = tmp_path / checkpoint.FOLDER / "step-000000001.pt"
    facts = good.with_suffix(".json").read_text()
    sums = {"sha256": checkpoint.hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    for step in (1, 2):  # the older one is whole first
        bad = good.with_name(f"step-{3 - step:09}.pt")
        bad.write_bytes(content)
        bad.with_suffix(".json").write_text(facts)
        edit_json(bad.with_suffix(".json"), lambda facts: facts.update(sums))
        if step == 1:
            assert checkpoint.newest(tmp_path, CPU, torch.get_num_threads(), "code").state == {"step": 1}
    with pytest.raises(CheckpointError, match="no usable checkpoint"):
        checkpoint.newest(tmp_path, CPU, torch.get_num_threads(), "code")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_cache_that_calls_is_made_again(payload, tmp_path):
    (tmp_path / "cache.pt").write_bytes(PAYLOADS[payload]())
    assert load_or_make(tmp_path / "cache.pt", lambda: {"a": torch.ones(2)})["a"].tolist() == [1, 1]
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("payload", sorted(PAYLOADS.keys() - set(NO_CONTROL)))
def test_without_weights_only_it_would_have_been_executed(payload, tmp_path):
    """The negative control."""
    (tmp_path / "bad.pt").write_bytes(PAYLOADS[payload]())
    load = pickle.loads if payload == "a bare pickle" else lambda content: torch.load(io.BytesIO(content), weights_only=False)
    load((tmp_path / "bad.pt").read_bytes())
    assert (tmp_path / "executed").exists()


def test_arrays_of_objects_are_not_read(tmp_path):
    np.savez(tmp_path / "predictions.npz", target=np.array([Call(os.system, "touch executed")], dtype=object))
    with pytest.warns(DamagedRunWarning, match=r"predictions\.npz is damaged"):
        assert read_arrays(tmp_path, "predictions") == {}
    assert not (tmp_path / "executed").exists()
    with np.load(tmp_path / "predictions.npz", allow_pickle=True) as file:
        file["target"]
    assert (tmp_path / "executed").exists()  # the negative control


def test_arrays_without_end_are_not_read(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "predictions.npz", target=np.zeros(2**20, np.uint8), other=np.zeros(2**20, np.uint8))
    assert len(read_arrays(tmp_path, "predictions")[0]) == 2
    monkeypatch.setattr(arrays, "MAX_UNPACKED_BYTES", 2**20)
    with pytest.warns(DamagedRunWarning, match="unpacks to"):
        assert read_arrays(tmp_path, "predictions") == {}

"""R26, R27, R29: files of a data set that are damaged, wanted by many at once, or not to be had."""

import json
import os
import pickle
import subprocess
import sys

import pytest
import torch

from dlexp.data import download as fetch
from dlexp.data.cache import load_or_make
from dlexp.errors import DatasetError
from tests import ROOT
from tests.parts.dataset.test_torchvision_sets import mirror, mnist_files, pack, read, serve, write_cifar  # noqa: F401
from tests.processes import Command
from tests.runs import MOONS

FAULTS = {
    "truncated": lambda content: content[: len(content) // 2],
    "one bit flipped": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "too long": lambda content: content + b"\0",
    "a web page": lambda _: b"<!DOCTYPE html><html><body>Please log in</body></html>",
    "a label above 9": lambda content: content[:-1] + b"\x0a",
    "one example fewer": lambda content: (
        content[:7] + bytes([content[7] - 1]) + content[8 : -784 if len(content) > 999 else -1]
    ),
}


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A folder with the archives of a small Fashion-MNIST, and one with its files unpacked."""
    pack(tmp_path / "server", "fashion_mnist", monkeypatch)
    folder = tmp_path / "data" / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in mnist_files().items():
        (folder / name).write_bytes(content)
    return tmp_path / "server", folder


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", mnist_files())
def test_a_damaged_file_is_downloaded_again_once(fault, name, library, mirror, tmp_path):  # noqa: F811
    server, folder = library
    (folder / name).write_bytes(FAULTS[fault](mnist_files()[name]))
    with pytest.raises(DatasetError) as offline:
        read("fashion_mnist", tmp_path / "data")
    assert f"Delete or replace {folder / name}" in str(offline.value)
    assert str(offline.value).count(str(folder)) == 2  # no other file is blamed
    with serve(server) as (url, asked):
        mirror(url)
        source = read("fashion_mnist", tmp_path / "data")
    assert asked == [f"/{name}.gz"]
    assert source.train.inputs.numpy().tobytes() == mnist_files()["train-images-idx3-ubyte"][16:]
    assert (folder / name).read_bytes() == mnist_files()[name]


@pytest.mark.parametrize("fault", ["truncated", "one bit flipped", "a web page"])
def test_what_a_server_sends_must_be_what_was_published(fault, library, mirror, tmp_path):  # noqa: F811
    server, folder = library
    archive = server / "t10k-labels-idx1-ubyte.gz"
    archive.write_bytes(FAULTS[fault](archive.read_bytes()))
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with serve(server) as (url, asked):
        mirror(url)
        with pytest.raises(DatasetError, match=f"sent are not {archive.name}: md5"):
            read("fashion_mnist", tmp_path / "data")
    assert asked == [f"/{archive.name}"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(set(mnist_files()) - {"t10k-labels-idx1-ubyte"})


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "data:,x", "HTTPS:/x", ""])
def test_only_https_is_opened(url):
    with pytest.raises(ValueError, match="is not an https address"):
        fetch.open_https(url, 1)


def test_no_redirect_leads_away_from_https():
    request = fetch.urllib.request.Request("https://example.org/x")
    with pytest.raises(ValueError, match="http://example.org/x is not an https address"):
        fetch._Redirects().redirect_request(request, None, 302, "Found", {}, "http://example.org/x")
    assert fetch._Redirects().redirect_request(request, None, 302, "Found", {}, "https://example.org/y").full_url[-1] == "y"


class Payload:
    def __reduce__(self):
        return os.system, ("touch executed",)


def test_a_pickle_that_is_not_the_published_one_is_not_opened(tmp_path, monkeypatch, mirror):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    folder = write_cifar(tmp_path / "data", "cifar10", monkeypatch)
    malicious = pickle.dumps({"data": Payload(), "labels": []})
    (folder / "data_batch_2").write_bytes(malicious)
    with pytest.raises(DatasetError, match="data_batch_2 not as published"):
        read("cifar10", tmp_path / "data")
    assert not (tmp_path / "executed").exists()
    pickle.loads(malicious)
    assert (tmp_path / "executed").exists()  # the negative control


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"PK\x03\x04" + bytes(99), pickle.dumps({"a": Payload()}), b"\x80\x02]q\x00K"]
)
def test_a_cache_that_cannot_be_read_is_made_again(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pt").write_bytes(content)
    assert load_or_make(tmp_path / "x.pt", lambda: {"a": torch.ones(2)})["a"].tolist() == [1, 1]
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("kills", [0, 3, *[pytest.param(7, marks=pytest.mark.slow)] * 3])
def test_one_of_eight_fetches_and_another_takes_over_if_it_dies(kills, tmp_path, record_property):
    command = [sys.executable, "-m", "tests.reliability.downloads", str(tmp_path), str(kills)]
    environment = {**os.environ, "no_proxy": "*"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    record_property("R27", [kills, int(outcome["wait"] >= 5 or outcome["fetches"] != kills + 1)])
    assert outcome["wait"] < 5
    assert outcome | {"wait": 0} == {"fetches": kills + 1, "codes": [0] * (8 - kills), "wait": 0, "left": [], "torch": False}


CANNOT = subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode if sys.platform == "linux" else 1

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000  # flags of unshare(2)


@pytest.mark.skipif(CANNOT, reason="this machine makes no namespace without a network")
def test_without_a_network_the_answer_is_quick_and_generated_data_trains(tmp_path):
    program = tmp_path / "offline.py"
    program.write_text(f"""
import ctypes, runpy, sys, time
import torchvision.datasets  # loading it is no part of the answer
from dlexp.commands.attempt import attempt
from dlexp.parts.dataset.torchvision_sets import mnist
assert ctypes.CDLL(None).unshare({NEW_USER | NEW_NETWORK}) == 0
start = time.monotonic()
code = attempt(lambda: mnist(root="nowhere") and 0)
print(code, time.monotonic() - start < 5)
sys.argv = ["train.py", *{list(MOONS)!r}]
runpy.run_path({str(ROOT / "train.py")!r}, run_name="__main__")
""")
    out, err = Command(str(program), cwd=tmp_path).communicate()
    assert out.startswith("7 True\n"), err
    assert "These need no download" in err
    assert list(tmp_path.glob("outputs/adhoc/*/summary.json"))
    assert not (tmp_path / "nowhere").exists()

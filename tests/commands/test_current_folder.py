"""The command `dlexp` imports nothing from the current folder."""

import os
import shutil
import subprocess
import sys

import pytest

from dlexp.__main__ import stop_importing_from_current_folder
from tests import ROOT
from tests.runs import MOONS

# Names that Python, dlexp or its libraries import; each of these files leaves a trace if it is imported. `importlib` is none of
# them: `python -m` imports it itself, from the current folder if it is there, before it starts any module.
HOSTILE = (
    "torch",
    "yaml",
    "omegaconf",
    "hydra",
    "numpy",
    "rich",
    "sitecustomize",
    "usercustomize",
    "shlex",
    "json",
)
HOSTILE += (
    "hydra_plugins/evil",
    "hydra_plugins/dlexp/sweeper",
    "conf/config",
    "pandas",
    "matplotlib",
    "multiprocessing",
    "re",
    "typing",
)


@pytest.fixture
def hostile(tmp_path):
    """A folder of such files."""
    for name in HOSTILE:
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"open({str(tmp_path / 'imported')!r}, 'a').write(__name__ + '\\n')")
    (tmp_path / "matplotlibrc").write_text("backend: module://torch")
    return tmp_path


def start(command, *arguments, cwd, **environment):
    """Run a command with this checkout's dlexp, which is on the path as if it was installed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, *command, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)


MODULE = ("-m", "dlexp")
CONSOLE_SCRIPT = ("bin/dlexp",)  # Python puts the folder of a script on the path, not the current one


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["train", "--help"], ["train", "-m", *MOONS, "seed=0,1"], ["plan", "study=activation_2d"], ["nosuch"]],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_nothing_is_imported_from_the_current_folder(arguments, hostile):
    done = start(MODULE, *arguments, cwd=hostile)
    assert done.returncode == (2 if arguments == ["nosuch"] else 0), done.stderr
    assert not (hostile / "imported").exists()


@pytest.mark.parametrize("listed", ["", "{here}"], ids=["as an empty entry", "by its name"])
def test_nothing_is_imported_from_a_current_folder_on_the_path(listed, hostile):
    """Where PYTHONPATH holds it. What Python itself imports from there at its start, such as sitecustomize, is not dlexp's."""
    for name in ("sitecustomize", "usercustomize", "re", "typing"):
        (hostile / f"{name}.py").unlink()
    script = hostile / "bin" / "dlexp"
    script.parent.mkdir()
    script.write_text("import sys\nfrom dlexp.__main__ import run\nsys.exit(run())")
    path = os.pathsep.join([str(ROOT), listed.format(here=hostile)])
    done = start(CONSOLE_SCRIPT, "train", "-m", "norm=bm", cwd=hostile, PYTHONPATH=path)
    assert (done.returncode, "norm=bm: no such option." in done.stderr) == (2, True)
    assert not (hostile / "imported").exists()


def test_a_checkout_that_is_not_installed_sweeps_from_its_own_folder(tmp_path):
    """Hydra finds its sweeper beside the package, though the current folder is not the first to be searched."""
    for name in ("dlexp", "hydra_plugins", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "torch.py").write_text("open('imported', 'w')")
    done = start(MODULE, "train", "-m", "dataset=moons,circles", cwd=tmp_path, PYTHONPATH="")
    assert (done.returncode, "model=convnet needs images" in done.stderr) == (2, True), done.stderr
    done = start(MODULE, "train", "--info", "plugins", cwd=tmp_path, PYTHONPATH="")
    assert "\t\tSweeper\n" in done.stdout, done.stderr
    assert not (tmp_path / "imported").exists()


def test_the_folder_of_the_package_is_searched_last(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setattr(sys, "path", ["", str(ROOT), "/libraries"])
    stop_importing_from_current_folder()
    assert sys.path == ["/libraries", str(ROOT)]
    assert os.environ["PYTHONSAFEPATH"] == "1"


def test_a_deleted_current_folder_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setattr(sys, "path", ["", str(ROOT), "/libraries"])
    stop_importing_from_current_folder()
    assert sys.path == [str(ROOT), "/libraries"]

import pytest

from dlexp.doctor import software
from dlexp.doctor.software import Package, judge, look, section, works

TORCHVISION = Package("torchvision", "0.29", "", error="RuntimeError: operator torchvision::nms does not exist")


@pytest.mark.parametrize(
    ("package", "words"),
    [
        (Package("pandas", None, ">=2.2"), "pandas is not installed: pip install 'pandas>=2.2'."),
        (Package("pandas", "2.1.4", ">=2.2"), "pandas 2.1.4 is not supported: dlexp needs >=2.2."),
        (Package("python", "3.14.0", ">=3.11,<3.14"), "python 3.14.0 is not supported"),
        (TORCHVISION, "torchvision cannot be imported (RuntimeError: operator"),
    ],
)
def test_what_is_missing_old_or_broken_is_a_problem(package, words):
    (finding,) = judge([package], needs_torchvision=True)
    assert finding.level == "problem"
    assert words in finding.text


def test_a_run_without_torchvision_is_not_stopped_by_it():
    (finding,) = judge([TORCHVISION], needs_torchvision=False)
    assert finding.level == "note"
    assert finding.text.endswith("This run does without it.")


@pytest.mark.parametrize("version", ["2.15.0+cu132", "2.11.0", "2.16.0.dev20260101"])
def test_local_and_nightly_builds_are_in_range(version):
    assert judge([Package("torch", version, ">=2.11")], needs_torchvision=False) == []


def test_every_package_of_pyproject_is_looked_at():
    packages = look()
    assert {"python", "torch", "torchvision", "hydra-core", "scikit-learn", "scipy", "numpy"} <= {one.name for one in packages}
    assert judge(packages, needs_torchvision=True) == []
    assert works(packages, "torch")
    assert dict(section(packages, needs_torchvision=False).lines)["torch"].startswith("2.")


def test_a_broken_import_is_told_in_one_line(monkeypatch):
    def broken(name):
        raise RuntimeError(f"{name} is of another build\nand more")

    monkeypatch.setattr(software.importlib, "import_module", broken)
    packages = look()
    assert {one.error for one in packages} == {None, "RuntimeError: torchvision is of another build"}
    assert not works(packages, "torchvision")

import pytest

from dlexp.doctor import software
from dlexp.doctor.software import Package, build_section, is_usable, judge, read_packages

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
    (finding,) = judge([package], required=["torchvision"])
    assert finding.level == "problem"
    assert words in finding.text


def test_a_run_without_torchvision_is_not_stopped_by_it():
    (finding,) = judge([TORCHVISION], required=[])
    assert finding.level == "note"
    assert finding.text.endswith("This run does not use it.")


@pytest.mark.parametrize("version", ["2.15.0+cu132", "2.11.0", "2.16.0.dev20260101"])
def test_local_and_nightly_builds_are_in_range(version):
    assert judge([Package("torch", version, ">=2.11")], required=[]) == []


def test_every_package_of_pyproject_is_examined():
    packages = read_packages()
    assert {"python", "torch", "torchvision", "hydra-core", "scikit-learn", "scipy", "statsmodels", "numpy"} <= {
        one.name for one in packages
    }
    assert judge(packages, required=["torchvision"]) == []
    assert all(is_usable(package) for package in packages)
    assert dict(build_section(packages, required=[]).lines)["torch"].startswith("2.")


def test_a_broken_import_takes_one_line(monkeypatch):
    def broken(name):
        raise RuntimeError(f"{name} is of another build\nand more")

    monkeypatch.setattr(software.importlib, "import_module", broken)
    packages = read_packages()
    assert {one.error for one in packages} == {None, "RuntimeError: torchvision is of another build"}
    assert [one.name for one in packages if not is_usable(one)] == ["torchvision"]


def test_an_installed_wheel_examines_the_packages_that_it_requires(monkeypatch):
    of_checkout = {one.name for one in read_packages()}
    monkeypatch.setattr(software, "PACKAGE", software.CONF.parent)  # conf/ is in the package
    packages = read_packages()
    assert {one.name for one in packages} == of_checkout  # and not those of an extra
    assert packages[0].wanted.startswith("<3.14") or packages[0].wanted.startswith(">=3.11")

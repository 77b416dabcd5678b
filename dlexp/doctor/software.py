"""The versions of Python and the packages, compared with those that dlexp requires."""

import importlib
import importlib.metadata
import platform
import tomllib
from collections.abc import Collection
from dataclasses import asdict, dataclass

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from dlexp.config.options import CONF, PACKAGE, groups, traits
from dlexp.doctor.findings import Finding, Section, note, problem

SHOWN = ("torch", "torchvision", "hydra-core")  # shown on separate lines
ALSO = ("numpy",)  # installed by the others


@dataclass(frozen=True)
class Package:
    """One of the packages, or Python.

    Args:
        name: pip's name of it.
        version: The installed version, or None.
        wanted: The supported versions, such as `>=2.11`; empty: any.
        error: Why it cannot be imported, if that was tried.
    """

    name: str
    version: str | None
    wanted: str
    error: str | None = None


def read_packages() -> list[Package]:
    """Python, then each package. Those that only certain options require are imported, as they may be of another build."""
    python, required = _read_requirements()
    wanted = [*required, *map(Requirement, ALSO)]
    optional = find_optional_packages()
    packages = [Package("python", platform.python_version(), python)]
    for package in wanted:
        version = _version(package.name)
        error = _import_error(package.name) if version and package.name in optional else None
        packages.append(Package(package.name, version, str(package.specifier), error))
    return packages


def is_usable(package: Package) -> bool:
    """Whether a package is installed, and not known to fail at import."""
    return bool(package.version and not package.error)


def find_optional_packages() -> set[str]:
    """The packages that only certain options require."""
    options = ((group, option) for group in groups() for option in groups()[group])
    return {package for group, option in options for package in traits(group, option).requires}


def judge(packages: list[Package], *, required: Collection[str]) -> list[Finding]:
    """Which packages are missing, too old, too new or broken.

    Args:
        packages: The facts.
        required: Those of the optional packages that the run's options require.
    """
    findings, unused = [], find_optional_packages().difference(required)
    for package in packages:
        say, after = (note, " This run does not use it.") if package.name in unused else (problem, "")
        if package.version is None:
            findings.append(say(f"{package.name} is not installed: pip install '{package.name}{package.wanted}'.{after}"))
        elif not SpecifierSet(package.wanted).contains(package.version, prereleases=True):
            findings.append(say(f"{package.name} {package.version} is not supported: dlexp needs {package.wanted}.{after}"))
        elif package.error:
            findings.append(
                say(f"{package.name} cannot be imported ({package.error}): install the release that fits this torch.{after}")
            )
    return findings


def build_section(packages: list[Package], *, required: Collection[str]) -> Section:
    """The section on the versions. Arguments as of `judge`."""
    shown = {package.name: package.version or "missing" for package in packages}
    lines = [(name, shown.pop(name)) for name in ("python", *SHOWN)]
    lines.append(("others", ", ".join(" ".join(pair) for pair in shown.items())))
    facts = {"packages": [asdict(package) for package in packages]}
    return Section("software", facts, lines, judge(packages, required=required))


def _read_requirements() -> tuple[str, list[Requirement]]:
    """The supported versions of Python, and the required packages: from a checkout's pyproject.toml, or of the wheel."""
    if CONF.parent != PACKAGE:
        with (CONF.parent / "pyproject.toml").open("rb") as file:
            project = tomllib.load(file)["project"]
        return project["requires-python"], [Requirement(text) for text in project["dependencies"]]
    listed = [Requirement(text) for text in importlib.metadata.requires("dlexp") or ()]
    python = importlib.metadata.metadata("dlexp")["Requires-Python"]
    return python, [one for one in listed if one.marker is None or one.marker.evaluate({"extra": ""})]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _import_error(name: str) -> str | None:
    try:
        importlib.import_module(name)
    except Exception as error:  # an extension built for another torch may raise anything
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None

"""Python and the packages, against the versions that pyproject.toml asks for."""

import importlib
import importlib.metadata
import platform
import tomllib
from dataclasses import asdict, dataclass

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from dlexp.config.options import CONF
from dlexp.doctor.findings import Finding, Section, note, problem

SHOWN = ("torch", "torchvision", "hydra-core")  # have a line of their own
ALSO = ("numpy",)  # comes with the others


@dataclass(frozen=True)
class Package:
    """One of the packages, or Python.

    Args:
        name: As pip knows it.
        version: That is installed, or None.
        wanted: The range, such as `>=2.11`; empty: any.
        error: Why it cannot be imported, where that was tried.
    """

    name: str
    version: str | None
    wanted: str
    error: str | None = None


def look() -> list[Package]:
    """Python, then each package; torchvision, which breaks where it does not match torch, is imported."""
    with (CONF.parent / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    wanted = [Requirement(text) for text in project["dependencies"]] + [Requirement(name) for name in ALSO]
    packages = [Package("python", platform.python_version(), project["requires-python"])]
    for package in wanted:
        version = _version(package.name)
        error = _import_error(package.name) if version and package.name == "torchvision" else None
        packages.append(Package(package.name, version, str(package.specifier), error))
    return packages


def works(packages: list[Package], name: str) -> bool:
    """Whether a package is installed, and not known to be broken."""
    return any(package.name == name and package.version and not package.error for package in packages)


def judge(packages: list[Package], *, needs_torchvision: bool) -> list[Finding]:
    """What is missing, too old, too new or broken.

    Args:
        packages: As found.
        needs_torchvision: Whether the run reads data or builds a model with it; nothing else does.
    """
    findings = []
    for package in packages:
        spares = package.name == "torchvision" and not needs_torchvision
        say = note if spares else problem
        after = " This run does without it." if spares else ""
        if package.version is None:
            findings.append(say(f"{package.name} is not installed: pip install '{package.name}{package.wanted}'.{after}"))
        elif not SpecifierSet(package.wanted).contains(package.version, prereleases=True):
            findings.append(say(f"{package.name} {package.version} is not supported: dlexp needs {package.wanted}.{after}"))
        elif package.error:
            findings.append(
                say(f"{package.name} cannot be imported ({package.error}): install the release that belongs to torch.{after}")
            )
    return findings


def section(packages: list[Package], *, needs_torchvision: bool) -> Section:
    """The versions."""
    shown = {package.name: package.version or "missing" for package in packages}
    lines = [(name, shown.pop(name)) for name in ("python", *SHOWN)]
    lines.append(("others", ", ".join(" ".join(pair) for pair in shown.items())))
    facts = {"packages": [asdict(package) for package in packages]}
    return Section("software", facts, lines, judge(packages, needs_torchvision=needs_torchvision))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _import_error(name: str) -> str | None:
    try:
        importlib.import_module(name)
    except Exception as error:  # of another build than torch, its extension fails in ways of its own
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None

"""Examine this machine and one run on it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from dlexp.config.check import find_problems
from dlexp.config.check_config import check
from dlexp.config.compose import Composed, compose
from dlexp.config.options import traits
from dlexp.doctor import cpu, data, fit, gpu, memory, recurrent, software, storage
from dlexp.doctor.findings import Finding, Section, problem
from dlexp.errors import ConfigError, DatasetError, UnsupportedError
from dlexp.machine.memory import Memory, read_memory
from dlexp.run.execute import check_run, gather_facts
from dlexp.run.plan import PlannedRun, plan
from dlexp.run.setup.batch_size import largest_batch_size
from dlexp.run.setup.footprint import estimate_footprint


class _Machine(NamedTuple):
    memory: Memory
    gpu: gpu.Graphics
    cpu: cpu.Cpu
    packages: list[software.Package]
    downloads: list[data.Files]


class _Examined(NamedTuple):
    """The run. It has no device or no fit if this machine cannot do it: then its section says why."""

    config: dict[str, Any]
    device: str | None
    fit: fit.Fit | None
    section: Section


def examine(overrides: Sequence[str]) -> list[Section]:
    """Examine this machine, and a run on it. Writes nothing to disk but decoded data.

    Args:
        overrides: The run's, as train.py takes them.

    Raises:
        ConfigError: With all mistakes in the overrides, in the words of train.py.
    """
    if problems := find_problems(overrides, multirun=False):
        raise ConfigError(*problems)
    composed = compose(overrides)
    if problems := check(composed):
        raise ConfigError(*problems)
    config, packages = composed.config, software.read_packages()
    usable = [package.name for package in packages if software.is_usable(package)]
    downloads = data.check_downloads(_find_root(config, composed), usable)
    # Memory is read before the run's data takes a part of it.
    machine = _Machine(read_memory(), gpu.read_gpus(), cpu.read_cpu(), packages, downloads)
    return _build_sections(machine, composed, _examine_run(composed, config, machine))


def _build_sections(machine: _Machine, composed: Composed, run: _Examined) -> list[Section]:
    choices, config, device = composed.choices, run.config, run.device
    hardware, format = config["hardware"], config["precision"]["format"]
    is_complete = _has_data(machine, choices["dataset"])
    folders = storage.list_folders(config, downloads=not is_complete)
    num_workers = hardware["num_workers"] if hardware["loader"] == "workers" else 0
    batch_bytes = run.fit.full_batch * run.fit.footprint.raw if run.fit else 0
    sections = [
        software.build_section(machine.packages, required=_find_required(choices)),
        gpu.build_section(machine.gpu, format if device == "cuda" else ""),
        cpu.build_section(machine.cpu, num_threads=hardware["num_threads"], format=format if device == "cpu" else ""),
        memory.build_section(machine.memory, num_workers=num_workers, batch_bytes=batch_bytes),
        storage.build_section([storage.examine_folder(key, path, needed=used) for key, (path, used) in folders.items()]),
        data.build_section(machine.downloads, choices["dataset"], _find_root(config, composed)),
    ]
    if "recurrent layers" in traits("model", choices["model"]).has and device is not None:
        sections.append(recurrent.build_section(choices["model"], config["model"], device, machine.gpu.cudnn))
    return [*sections, run.section]


def _examine_run(composed: Composed, config: dict[str, Any], machine: _Machine) -> _Examined:
    title, device = " ".join(composed.command) or "the default run", None
    findings: list[Finding] = []
    usable = {package.name for package in machine.packages if software.is_usable(package)}
    try:
        run = plan(composed)
        config, device = run.config, run.device.type
        lacking = sorted(_find_required(composed.choices) - usable)
        if not lacking:
            fitted = _fit(run, machine)
            return _Examined(config, device, fitted, fit.build_section(fitted))
        reasons = [f"it needs {', '.join(lacking)}"]  # the section on the software has the findings
    except (UnsupportedError, DatasetError) as error:
        reasons = error.problems if isinstance(error, UnsupportedError) else [str(error).replace("\n", " ")]
        findings = [problem(reason) for reason in reasons]
    return _Examined(config, device, None, fit.build_unmeasured_section(title, reasons, findings))


def _fit(run: PlannedRun, machine: _Machine) -> fit.Fit:
    """Estimate a run's memory from its data, or from the published sizes if the files are missing."""
    choices, option = run.composed.choices, run.composed.choices["dataset"]
    has_data = _has_data(machine, option)
    facts = gather_facts(run) if has_data else check_run(run, data.make_placeholder(option, run.config))
    on_gpu, asked = run.device.type == "cuda", run.config["batch_size"]
    free = machine.gpu.gpus[torch.cuda.current_device()].free_memory if on_gpu else machine.memory.available
    takes = estimate_footprint(run.config, facts.dataset, run.device)
    return fit.Fit(
        title=run.title,
        device=run.device.type,
        hardware=choices["hardware"],
        precision=choices["precision"],
        format=run.config["precision"]["format"],
        input_shape=facts.dataset.input_shape,
        num_examples=len(facts.dataset.train.targets),
        data_is_there=has_data,
        asked=asked,
        batch_size=largest_batch_size(takes, free, facts) if asked == "auto" else facts.batch_size,
        free=free,
        footprint=takes,
    )


def _has_data(machine: _Machine, option: str) -> bool:
    """Whether a data set needs no download, or has all its files."""
    return {files.option: files.state for files in machine.downloads}.get(option, "there") == "there"


def _find_root(config: dict[str, Any], composed: Composed) -> str:
    """The folder in which downloaded data sets are looked for: the run's own, if it has one."""
    return str(config["dataset"]["root"] if composed.choices["dataset"] in data.find_downloads() else config["data_dir"])


def _find_required(choices: dict[str, str]) -> set[str]:
    """The Python packages that the chosen options require."""
    return {package for group, option in choices.items() for package in traits(group, option).requires}

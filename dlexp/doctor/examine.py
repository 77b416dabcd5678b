"""All sections of one examination: the machine, seen with the eyes of a run, and the run on it."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch

from dlexp.config.check import check, find_problems
from dlexp.config.compose import Composed, compose
from dlexp.doctor import cpu, data, fit, gpu, lstm, software, storage
from dlexp.doctor import memory as main_memory
from dlexp.doctor.findings import Section
from dlexp.errors import ConfigError, DatasetError, UnsupportedError
from dlexp.machine import memory
from dlexp.parts.dataset.torchvision_sets import SETS
from dlexp.run.execute import gather_facts
from dlexp.run.plan import Run, plan
from dlexp.run.setup.batch_size import largest_batch_size
from dlexp.run.setup.factories import make_factory, make_probes
from dlexp.run.setup.facts import check_facts
from dlexp.run.setup.footprint import estimate_footprint

BUILT_WITH_TORCHVISION = ("resnet18", "resnet50")


class _Machine(NamedTuple):
    memory: memory.Memory
    gpu: gpu.Graphics
    cpu: cpu.Cpu
    packages: list[software.Package]
    sets: list[data.Found]


class _Patient(NamedTuple):
    """The run. Without a device, or a fit, where it cannot be had here: its section says why."""

    config: dict[str, Any]
    device: str | None
    fit: fit.Fit | None
    section: Section


def examine(overrides: Sequence[str]) -> list[Section]:
    """Look at this machine, and at a run on it. Leaves nothing on disk but decoded data.

    Args:
        overrides: Of the run; none: the default run.

    Raises:
        ConfigError: With all that is wrong with the overrides, as train.py says it.
    """
    if problems := find_problems(overrides, multirun=False):
        raise ConfigError(*problems)
    composed = compose(overrides)
    if problems := check(composed):
        raise ConfigError(*problems)
    config, packages = composed.config, software.look()
    sets = data.look(_root(config, composed)) if software.works(packages, "torchvision") else []
    # Memory is looked at before the run's data takes its part of it.
    machine = _Machine(memory.look(), gpu.look(), cpu.look(), packages, sets)
    return _sections(machine, composed, _examine_run(composed, config, machine))


def _sections(machine: _Machine, composed: Composed, patient: _Patient) -> list[Section]:
    choices, config, on = composed.choices, patient.config, patient.device
    settings, format = config["hardware"], config["precision"]["format"]
    found = {one.option: one.state for one in machine.sets}
    downloads = found.get(choices["dataset"]) not in (None, "there")
    places = storage.places(config, downloads=downloads)
    num_workers = settings["num_workers"] if settings["loader"] == "workers" else 0
    batch_bytes = patient.fit.full_batch * patient.fit.footprint.raw if patient.fit else 0
    sections = [
        software.section(machine.packages, needs_torchvision=_needs_torchvision(choices)),
        gpu.section(machine.gpu, format if on == "cuda" else ""),
        cpu.section(machine.cpu, num_threads=settings["num_threads"], format=format if on == "cpu" else ""),
        main_memory.section(machine.memory, num_workers=num_workers, batch_bytes=batch_bytes),
        storage.section([storage.look(key, path, needed=needed) for key, (path, needed) in places.items()]),
        data.section(machine.sets, choices["dataset"], _root(config, composed)),
    ]
    if choices["model"] == "lstm" and on is not None:
        sections.append(lstm.section(config["model"], on, machine.gpu.cudnn))
    return [*sections, patient.section]


def _examine_run(composed: Composed, config: dict[str, Any], machine: _Machine) -> _Patient:
    title, device = " ".join(composed.command) or "the default run", None
    try:
        run = plan(composed)
        config, device = run.config, run.device.type
        if _needs_torchvision(composed.choices) and not machine.sets:
            return _Patient(config, device, None, fit.left_out(title, ["it needs torchvision"], is_told=True))
        fitted = _fit(run, machine)
    except UnsupportedError as error:
        return _Patient(config, device, None, fit.left_out(title, error.problems, is_told=False))
    except DatasetError as error:
        return _Patient(config, device, None, fit.left_out(title, [str(error).replace("\n", " ")], is_told=False))
    return _Patient(config, device, fitted, fit.section(fitted))


def _fit(run: Run, machine: _Machine) -> fit.Fit:
    """Measure a run, on its own data, or where its files are not there on what is known of them."""
    choices, option = run.composed.choices, run.composed.choices["dataset"]
    is_there = {one.option: one.state for one in machine.sets}.get(option) in (None, "there")
    if is_there:
        facts = gather_facts(run)
    else:
        parts = {group: make_factory(run.config, group) for group in ("augment", "model", "precision")}
        parts["probe"] = partial(make_probes, run.config)
        facts = check_facts(
            run.config, choices, run.composed.overridden_keys, parts, data.stand_in(option, run.config), run.device
        )
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
        data_is_there=is_there,
        asked=asked,
        batch_size=largest_batch_size(takes, free, facts) if asked == "auto" else facts.batch_size,
        free=free,
        footprint=takes,
    )


def _root(config: dict[str, Any], composed: Composed) -> str:
    """Where the data sets are looked for: where the run's own lies."""
    return str(config["dataset"]["root"] if composed.choices["dataset"] in SETS else config["data_dir"])


def _needs_torchvision(choices: dict[str, str]) -> bool:
    return choices["dataset"] in SETS or choices["model"] in BUILT_WITH_TORCHVISION

"""The id of a run with each option, and of the runs of each study. Printed, they are the table ids.json:

python -m tests.run.record.ids > tests/run/record/ids.json
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from dlexp.config.compose import compose
from dlexp.config.options import groups, list_groups, traits
from dlexp.errors import UnsupportedError
from dlexp.run.plan import path_keys, plan
from dlexp.run.record.identity import run_id
from dlexp.study.cells import command
from dlexp.study.definition import Study, read_study
from tests.options import options

FINGERPRINT = "a fingerprint"  # in place of that of the files of a data set of the user, which are not there
# What an option needs beside the defaults.
NEEDS = {
    "dataset=circles": "model=mlp",
    "dataset=csv_table": "dataset.train=table.csv dataset.label=y model=mlp",
    "dataset=image_folder": "dataset.root=images",
    "dataset=moons": "model=mlp",
    "dataset=noisy_line": "model=mlp loss=mse",
    "dataset=npz": "dataset.train=arrays.npz model=mlp",
    "dataset=sine": "model=mlp loss=mse",
    "init=dirac_whitening": "model=speednet",
    "model=lstm": "dataset=sine loss=mse",
    "probe=[decision_boundary]": "dataset=moons model=mlp",
}
# Settings that enter the id in a way of their own.
SETTINGS = [
    "max_steps=5",
    "early_stopping.patience=3",
    "model.widths=[8,16]",
    "hardware.loader=workers",
    "hardware.empty_cache_every=0",
    "hardware.empty_cache_every=1",
    "on_oom=microbatch norm=gn",
    "on_divergence=rollback",
    "dropout=0.5 depth=8 activation=sigmoid",
    "probe=[activation_stats] probe.activation_stats.mode=eval",
    "probe=[dead_units] probe.dead_units.mode=eval",
    "probe=[grad_flow] probe.grad_flow.mode=eval",
]


def list_commands() -> list[str]:
    """A command for each option, and for some settings."""
    commands = []
    for group in sorted({*groups(), *list_groups()}):
        for option in options(group):
            choice = f"{group}=[{option}]" if group in list_groups() else f"{group}={option}"
            needs = NEEDS.get(choice)
            on_cpu = [] if group == "hardware" else ["hardware=cpu"]
            commands.append(" ".join([*on_cpu, choice, *([needs] if needs else [])]))
    return commands + [f"hardware=cpu {setting}" for setting in SETTINGS]


def identify(overrides: Iterable[str]) -> str:
    """The id of the run of a command, or `unsupported` if this machine cannot run it."""
    composed = compose(list(overrides))
    if traits("dataset", composed.choices["dataset"]).user_files:
        return run_id(composed.config, FINGERPRINT, path_keys(composed))
    try:
        return plan(composed).identity
    except UnsupportedError:
        return "unsupported"


def hash_study(name: str, *, all_seeds: bool) -> str:
    """A sha256 over the ids of a study's runs on the CPU: of all seeds, or of the first."""
    study = read_study(name)
    repeats = study.repeats if all_seeds else study.repeats[:1]
    commands = (command(study, cell, repeat, _on_cpu(study)) for cell in study.all_cells() for repeat in repeats)
    return hashlib.sha256("\n".join(map(identify, commands)).encode()).hexdigest()


def _on_cpu(study: Study) -> dict[str, Any]:
    return {} if "hardware" in study.keys or "hardware" in study.base else {"hardware": "cpu"}


def make_table() -> dict[str, dict[str, str]]:
    """The whole table."""
    studies = options("study")
    return {
        "options": {text: identify(text.split()) for text in list_commands()},
        "first seed": {name: hash_study(name, all_seeds=False) for name in studies},
        "all seeds": {name: hash_study(name, all_seeds=True) for name in studies},
    }


if __name__ == "__main__":
    print(json.dumps(make_table(), indent=1))

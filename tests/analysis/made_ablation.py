"""Made-up ablations: the cells of a recipe, and accuracies with known worths of its switches."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.analysis.made import Number, make_study

NOISE = 0.004  # standard deviation of a run around the mean of its cell and the luck of its seed
LUCK = 0.02  # of the luck that all runs of a seed share
# Switch → its settings in the recipe, in the plain run, and what it adds to the accuracy alone.
SWITCHES: dict[str, tuple[dict[str, Any], dict[str, Any], float]] = {
    "optimizer": ({"optimizer": "muon", "optimizer.lr": 0.05}, {"optimizer": "adamw"}, 0.03),
    "augment": ({"augment": "standard"}, {"augment": "none"}, 0.05),
    "dropout": ({"dropout": 0.2}, {"dropout": 0.0}, -0.03),
    "loss.label_smoothing": ({"loss.label_smoothing": 0.1}, {"loss.label_smoothing": 0.0}, 0.0),
}
BOTH = 0.04  # what optimizer and augment together add beyond the sum of the two
PLAIN_ACCURACY = 0.6


def describe_switches(names: list[str]) -> list[dict[str, Any]]:
    """The switches as protocol.json holds them."""
    switches = []
    for name in names:
        on, plain, _ = SWITCHES[name]
        without = f"without {name}" if len(names) > 2 else next(f"only {other}" for other in names if other != name)
        switches.append({"name": name, "on": on, "plain": plain, "without": without, "only": f"only {name}", "joined": ""})
    return switches


def list_arms(names: list[str]) -> dict[str, list[str]]:
    """Arm → the switches that are on in it."""
    arms = {"recipe": names}
    for switch in describe_switches(names):
        arms |= {switch["without"]: [name for name in names if name != switch["name"]]}
    arms |= {"plain": []} | {f"only {name}": [name] for name in names}
    return arms


def find_truth(on: list[str]) -> float:
    """The true accuracy of the cell in which these switches are on."""
    both = BOTH if {"optimizer", "augment"} <= {*on} else 0.0
    return PLAIN_ACCURACY + sum(SWITCHES[name][2] for name in on) + both


def draw_accuracies(names: list[str], seeds: int, random: int = 0) -> dict[str, dict[int, float]]:
    """Arm → seed → accuracy. Runs of a seed share its luck, which pairing removes."""
    generator = np.random.default_rng(random)
    luck = generator.normal(0, LUCK, seeds)
    return {
        arm: {seed: float(find_truth(on) + luck[seed] + generator.normal(0, NOISE)) for seed in range(seeds)}
        for arm, on in list_arms(names).items()
    }


def make_ablation_study(root: Path, names: list[str] | None = None, seeds: int = 8, **more: Any) -> Path:
    """Write the folder of an ablation with run folders, by `make_study`; `more` are its arguments."""
    chosen = list(SWITCHES) if names is None else names
    found = draw_accuracies(chosen, seeds)
    cells = [
        {"arm": arm} | {key: value for name in on for key, value in SWITCHES[name][0].items()}
        for arm, on in list_arms(chosen).items()
    ]

    def accuracy(cell: dict[str, Any], seed: int) -> Number:
        return found[cell["arm"]][seed]

    recipe = {key: value for name in chosen for key, value in SWITCHES[name][0].items()}
    given: dict[str, Any] = {"accuracy": accuracy, "recipe": recipe, "switches": describe_switches(chosen)} | more
    return make_study(root, {}, range(seeds), cells=cells, **given)

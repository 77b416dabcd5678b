"""Write made-up studies: protocol.json and run folders as training would write them, without training."""

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Cell = dict[str, Any]
Number = float | None

PLAIN = {"depth": 2, "width": 16, "batch_size": 16, "epochs": 12, "grad_clip": None, "data_seed": 42, "output_dir": "outputs"}
CHOICES = {"dataset": "digits", "model": "mlp", "activation": "relu", "norm": "none", "optimizer": "adam", "precision": "fp32"}
CHOICES |= {"loss": "cross_entropy", "scheduler": "constant"}


def noisy(cell: Cell, seed: int) -> float:
    """An accuracy between 0.5 and 0.9 that depends on cell and seed, and on nothing else."""
    drawn = [int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32 for text in (str(cell), f"{cell}{seed}")]
    return 0.5 + 0.3 * drawn[0] + 0.1 * drawn[1]


def identity(cell: Cell, seed: int, **changed: Any) -> str:
    """The id of a made-up run."""
    return hashlib.sha256(f"{cell}{seed}{changed}".encode()).hexdigest()[:12]


def make_study(
    root: Path,
    axes: Mapping[str, Sequence[Any]],
    seeds: Sequence[int] = range(5),
    *,
    data_seeds: Sequence[int] = (),
    cells: Sequence[Cell] = (),
    accuracy: Callable[[Cell, int], Number] = noisy,
    seconds: Callable[[Cell, int], float] = lambda cell, seed: 12.0,
    status: Callable[[Cell, int], str] = lambda cell, seed: "done",
    probes: bool = False,
    changes: Sequence[str] = (),
    **study: Any,
) -> Path:
    """Write `root/<name>/`: protocol.json, and a run folder for each cell and seed.

    Args:
        root: The outputs folder.
        axes: Key → values.
        seeds: Of each cell.
        data_seeds: Draws of the data. `accuracy`, `seconds` and `status` then get (data_seed, seed) in place of the seed.
        cells: Cells beside the product of the axes.
        accuracy: test/acc of a run; None is written as null.
        seconds: train/seconds of a run; its speed is 12000 examples over that, its GPU memory a MiB for each second.
        status: Of a run: `done`, `diverged`, `failed`, `oom`, `interrupted` (no summary), `missing` (no folder), `damaged`.
        probes: Whether runs have a probes.csv (dead_units, two layers, epochs 0 and 12).
        changes: Overrides of the command; protocol.json is then in `with-<slug>/`.
        study: Other keys of its YAML: metric, pairing, predictions, reference, name, question ...

    Returns:
        The folder with protocol.json.
    """
    name = study.setdefault("name", "made_up")
    content: dict[str, Any] = {
        "question": "Does it matter?",
        "background": "Made up.",
        "metric": "test/acc",
        "pairing": "paired",
    }
    content |= {"axes": {key: list(values) for key, values in axes.items()}, "cells": list(cells), "seeds": list(seeds)}
    content |= {"predictions": [], "reference": {}} | ({"data_seeds": list(data_seeds)} if data_seeds else {}) | study
    product = itertools.product(*axes.values()) if axes else ()
    every = [*(dict(zip(axes, values, strict=True)) for values in product), *cells]
    drawn = [{"data_seed": data_seed} for data_seed in data_seeds] or [{}]
    runs: list[dict[str, Any]] = [
        {"id": identity(cell, seed, **draw), "cell": cell, **draw, "seed": seed}
        for cell in every
        for draw in drawn
        for seed in seeds
    ]
    for run in runs:
        draw = {key: run[key] for key in ("data_seed",) if key in run}
        where: Any = (run["cell"], (run["data_seed"], run["seed"]) if draw else run["seed"])
        state = status(*where)
        if state != "missing":
            numbers = {"accuracy": accuracy(*where), "seconds": seconds(*where)}
            make_run(root / name, run["cell"], run["seed"], **numbers, status=state, probes=probes, **draw)
    folder = root / name / ("with-" + "-".join(changes) if changes else "")
    folder.mkdir(parents=True, exist_ok=True)
    command = " ".join(["python train.py", f"study={name}", *changes])
    (folder / "protocol.json").write_text(
        json.dumps({"study": content, "changes": list(changes), "command": command, "runs": runs})
    )
    return folder


def make_run(
    root: Path,
    cell: Cell,
    seed: int,
    *,
    accuracy: Number = 0.9,
    seconds: float = 12.0,
    status: str = "done",
    probes: bool = False,
    **changed: Any,
) -> Path:
    """Write one run folder.

    Args:
        root: The study's folder.
        cell: Groups, plain keys or dotted keys → values; `arm` sets nothing.
        seed: Its seed.
        accuracy, seconds, status, probes: As in `make_study`.
        changed: Plain keys that make it another run than the protocol's (`epochs=1`).

    Returns:
        Its folder.
    """
    run = identity(cell, seed, **changed)
    folder = root / f"{'-'.join(f'{key}={value}' for key, value in cell.items())}-{run}"
    folder.mkdir(parents=True)
    settings = {**cell, **changed}
    choices = {group: settings.get(group, option) for group, option in CHOICES.items()}
    config: dict[str, Any] = {group: {"_target_": f"made.{option}", "_partial_": True} for group, option in choices.items()}
    config["optimizer"]["lr"] = 0.001
    config["model"]["depth"] = "${depth}"
    config |= {**PLAIN, "seed": seed}
    for key, value in settings.items():
        if key not in choices and key != "arm":
            group, _, leaf = key.rpartition(".")
            (config[group] if group else config)[leaf] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / ".hydra").mkdir()
    (folder / ".hydra/hydra.yaml").write_text(yaml.safe_dump({"hydra": {"runtime": {"choices": choices}}}))
    _write_curves(folder, config["epochs"], accuracy, diverged=status == "diverged", probes=probes)
    if status == "damaged":
        (folder / "summary.json").write_text('{"id": "' + run)
    elif status != "interrupted":
        (folder / "summary.json").write_text(json.dumps(_summary(run, choices, config["epochs"], accuracy, seconds, status)))
    return folder


def _summary(run: str, choices: dict[str, str], epochs: int, accuracy: Number, seconds: float, status: str) -> dict[str, Any]:
    environment: dict[str, Any] = {"device": "made up", "host": "vm", "versions": {"python": "3.11", "torch": "2.11"}}
    environment |= {"started": "2026-01-01T00:00:00+00:00", "ended": "2026-01-01T00:01:00+00:00"}
    environment |= {"git_commit": None, "code": "c" * 64}
    known = {"id": run, "choices": choices, "overrides": [], "status": status}
    if status in ("failed", "oom"):
        return known | {"reason": "RuntimeError: <b>made up</b>"} | environment
    bad = status == "diverged"
    loss = None if bad or accuracy is None else 1 - accuracy
    metrics = {"train/loss": loss, "train/acc": accuracy, "val/loss": loss, "val/acc": accuracy}
    metrics |= {"test/loss": loss, "test/acc": accuracy, "best/val/loss": loss, "best/epoch": epochs}
    metrics |= {"train/seconds": seconds, "train/examples_per_s": 12000 / seconds}
    measured = {"metrics": metrics, "epochs": epochs, "steps": 10 * epochs, "first_bad_step": 7 if bad else None}
    measured |= {"selected_on_test": False, "restored_epoch": None, "num_parameters": 1234, "num_examples": 1000}
    measured |= {
        "num_test_examples": 400,
        "chance": 0.1,
        "init_hash": "abc",
        "memory": {"process": 10**8, "allocated": int(seconds * 2**20)},
    }
    measured |= {"seconds": {"setup": 0.1, "warmup": 0.1, "train": seconds, "evaluation": 1.0, "record": 0.1}}
    return known | measured | environment


def _write_curves(folder: Path, epochs: int, accuracy: Number, *, diverged: bool, probes: bool) -> None:
    """metrics.csv, accuracies rising to the last; and probes.csv."""
    last = 0.1 if accuracy is None else accuracy
    lines = [
        "epoch,step,lr,train/loss,train/acc,val/loss,val/acc,train/grad_norm,seconds,examples_per_s",
        "0,0,0.001,,,2.3,0.1,,,",
    ]
    for epoch in range(1, epochs + 1):
        acc = last - (last - 0.1) * 0.5**epoch
        loss = float("nan") if diverged and epoch == epochs else 2.3 * (1 - acc)
        lines.append(f"{epoch},{10 * epoch},0.001,{loss!r},{acc!r},{loss!r},{acc!r},0.5,1.0,1000.0")
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    if probes:
        rows = [f"{e},dead_units,train,{n}.activation,dead,{0.1 * n + 0.01 * e:.3f}" for e in (0, epochs) for n in (1, 2)]
        (folder / "probes.csv").write_text("\n".join(["epoch,probe,mode,layer,name,value", *rows]) + "\n")

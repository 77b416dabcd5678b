"""Made-up runs of the studies that the homework sheet's questions are about, with every effect one way or the other."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from dlexp.analysis import load_runs, write_runs
from dlexp.study.definition import read_study
from tests.analysis.made import Cell, identity, make_run

RANKS: Mapping[str, Sequence[object]] = {
    "activation": ["relu", "leaky_relu", "sigmoid"],
    "loss": ["cross_entropy", "mse"],
    "loss.softmax": [True, False],
    "optimizer": ["sgd", "momentum", "adam"],
    "optimizer.lr": [0.1, 0.01, 0.001],
    "scheduler": ["exponential", "constant"],
}
EPOCHS = 12
LAYERS = ("blocks.0", "blocks.1", "head")


def strength(cell: Cell) -> int:
    """How far an arm is from the first ones."""
    return sum(list(RANKS[key]).index(value) for key, value in cell.items() if key in RANKS)


def accuracy_of(cell: Cell, seed: int, tilt: int) -> float:
    """The test accuracy of a made-up run."""
    return 0.7 + 0.02 * tilt * strength(cell) + 0.001 * ((3 * seed + strength(cell)) % 5)


def make_sheet_study(
    root: Path,
    name: str,
    datasets: Sequence[str],
    seeds: Sequence[int] | None = None,
    *,
    tilt: int = 1,
    curves: bool = True,
    data_seeds: Sequence[int] = (),
) -> Path:
    """Write `root/<name>/`: the protocol of a study, on one draw of the data unless others are given, and its runs.

    Args:
        root: The outputs folder.
        name: Of a study of conf/study.
        datasets: That were run.
        seeds: That were run; all that the study asks for, unless given.
        tilt: 1, or -1 for every effect the other way.
        curves: Whether there are run folders, with metrics.csv and probes.csv; else there is the runs.csv made of them.
        data_seeds: Draws that the command asks for: the protocol is then in the folder of its changes.

    Returns:
        The folder of the protocol.
    """
    study = replace(read_study(name), data_seeds=list(data_seeds))
    draws = [{"data_seed": drawn} for drawn in data_seeds] or [{}]
    runs = [
        {"id": identity(cell, seed, **draw), "cell": cell, **draw, "seed": seed}
        for cell in study.all_cells()
        for draw in draws
        for seed in study.seeds
    ]
    changes = [f"data_seed={','.join(map(str, data_seeds))}"] if data_seeds else []
    folder = root / name / "/".join(f"with-{change}-12345678" for change in changes)
    folder.mkdir(parents=True)
    command = " ".join(["python train.py", f"study={name}", *changes])
    protocol = {"study": asdict(study), "changes": changes, "command": command, "runs": runs}
    (folder / "protocol.json").write_text(json.dumps(protocol))
    for listed in runs:
        cell, seed = listed["cell"], listed["seed"]
        if cell["dataset"] in datasets and seed in (study.seeds if seeds is None else seeds):
            draw = {key: listed[key] for key in ("data_seed",) if key in listed}
            run = make_run(root / name, cell, seed, accuracy=accuracy_of(cell, seed, tilt), **draw)
            _change_summary(run / "summary.json", cell, tilt)
            _write_metrics(run / "metrics.csv", cell, seed, tilt)
            _write_probes(run / "probes.csv", cell, seed, tilt)
    if not curves:
        write_runs(load_runs(root / name), folder / "runs.csv")
        for path in {summary.parent for summary in (root / name).glob("*/summary.json")}:
            shutil.rmtree(path)
    return folder


def _change_summary(path: Path, cell: Cell, tilt: int) -> None:
    """Only with a tilt of 1 all arms begin with the same weights."""
    summary = json.loads(path.read_text())
    path.write_text(json.dumps(summary | {"init_hash": "abc" if tilt == 1 else str(cell)}))


def _write_metrics(path: Path, cell: Cell, seed: int, tilt: int) -> None:
    columns = "epoch,step,lr,train/loss,train/acc,val/loss,val/acc,train/grad_norm,seconds,examples_per_s"
    lines = [columns, "0,0,0.001,,,2.3,0.1,,,"]
    far = tilt * strength(cell)
    pace, wild = 1 / (1 + 1.3**-far), 0.1 * 1.5**far * (1 + 0.01 * seed)
    for epoch in range(1, EPOCHS + 1):
        seen, judged = 0.6 + 0.01 * tilt * epoch + 0.001 * seed, accuracy_of(cell, seed, tilt) * (1 - pace**epoch)
        losses = 1.5 - 0.05 * tilt * epoch, 1.5 + 0.003 * tilt * epoch + wild * (-1) ** epoch
        norm = 0.5 * (1 + wild * (epoch % 2))
        lines.append(f"{epoch},{10 * epoch},0.001,{losses[0]},{seen},{losses[1]},{judged},{norm},1.0,1000.0")
    path.write_text("\n".join(lines) + "\n")


def _write_probes(path: Path, cell: Cell, seed: int, tilt: int) -> None:
    """Gradients of three layers, and what two activation layers did, at the first and the last epoch."""
    rows, far, noise = ["epoch,probe,layer,name,value"], strength(cell), 1 + 0.01 * tilt * ((3 * seed + strength(cell)) % 5)
    for late, epoch in enumerate((0, EPOCHS)):
        for place, layer in enumerate(LAYERS):
            gradient = 0.01 * (place + 1) * 2 ** (tilt * (far * (3 - place) / 3 - late)) * noise
            rows.append(f"{epoch},grad_flow,{layer}.linear.weight,mean_abs,{gradient}")
            if layer != "head":
                dead, below = 0.3 + tilt * (0.05 * place * (1 + late) + 0.02 * far), 0.5 + 0.03 * tilt * far
                shares = {"dead_units,{}.act,dead": dead * noise, "dead_units,{}.act,nonpositive": below * noise}
                shares |= {"activation_stats,{}.act,sd": 0.2 * 2 ** (tilt * late) * noise}
                shares |= {"activation_stats,{}.act,saturation": (0.2 + 0.1 * tilt * late) * noise}
                rows += [f"{epoch},{key.format(layer)},{value}" for key, value in shares.items()]
    path.write_text("\n".join(rows) + "\n")

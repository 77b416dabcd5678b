"""Train the same configs in two checkouts and compare what they leave: `python -m tests.compare_checkouts OLD NEW`.

For a change that must not alter numerics. The configs cover every model, norm, loader and number format that a CPU has. The
comparison covers the name of the run folder (and so the id), metrics.csv, probes.csv, summary.json, the arrays and the tested
weights. Fields that vary without meaning (times, host, versions) are left out.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dlexp.run.record.folder import VOLATILE

IMAGES = (
    "dataset=synthetic_images dataset.shape=[3,12,12] dataset.num_train=96 dataset.num_test=48 dataset.num_classes=4 "
    "batch_size=16 epochs=2"
)
SERIES = "dataset=sine loss=mse model=lstm depth=2 width=8 dataset.num_examples=120 dataset.window=8 epochs=2"
CONFIGS = (
    "epochs=3",
    "epochs=2 norm=gn precision=bf16 hardware.channels_last=true augment=standard scheduler=onecycle augment.padding=1",
    "epochs=4 norm=ln precision=fp16 optimizer=momentum grad_clip=0.5 scheduler=plateau early_stopping.patience=1 dropout=0.2",
    "epochs=2 norm=in loss=focal optimizer=rmsprop hardware.loader=workers hardware.num_workers=2 augment=standard "
    "augment.padding=1 init=he_normal",
    "epochs=2 norm=rms loss=mse activation=prelu init=dirac drop_last=true l1=1e-5 l2=1e-4 on_oom=microbatch scheduler=step",
    "dataset=moons model=mlp norm=bn activation=sigmoid dropout=0.3 epochs=3 depth=2 width=16 "
    "probe=[grad_flow,dead_units,activation_stats,weight_stats,decision_boundary]",
    "dataset=noisy_line model=mlp depth=0 loss=mse optimizer=sgd max_steps=20 hardware.num_threads=2",
    f"{IMAGES} model=resnet18 norm=bn optimizer=nesterov scheduler=cosine",
    f"{IMAGES} model=resnet50 norm=gn optimizer=adagrad scheduler=warmup_cosine",
    f"{IMAGES} model=speednet model.widths=[8,12] init=dirac_whitening optimizer=muon scheduler=linear augment=standard "
    "augment.flip=alternating test_flip=true evaluate_on=test val_fraction=0 target=0.5",
    f"{SERIES} dropout=0.2",
    f"{SERIES} model.cell=loop precision=bf16 scheduler=exponential",
    "dataset=circles model=mlp norm=none optimizer.lr=1e30 on_divergence=rollback epochs=4 depth=2",
    f"{IMAGES} model=convnet hardware.compile=true depth=1",
)


def main() -> int:
    """Train every config in both checkouts, two at a time.

    Returns:
        The exit code: 1 if anything differs.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    given = parser.parse_args()
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda config: _compare(config, given.old, given.new), CONFIGS))
    for config, differences in zip(CONFIGS, found, strict=True):
        print("DIFFERS" if differences else "same", config, *(f"\n    {line}" for line in differences))
    return int(any(found))


def _compare(config: str, old: Path, new: Path) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        results = [_train(checkout, config, Path(folder, name)) for name, checkout in (("old", old), ("new", new))]
        return [f"{name}: {results[0].get(name)} became {results[1].get(name)}"[:300] for name in _differing(*results)]


def _differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [name for name in old | new if repr(old.get(name)) != repr(new.get(name))]


def _train(checkout: Path, config: str, place: Path) -> dict[str, Any]:
    """What one run leaves, by name, as plain values."""
    place.mkdir()
    command = [sys.executable, str(checkout.resolve() / "train.py"), "hardware=cpu", *config.split()]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    left: dict[str, Any] = {"exit code": done.returncode}
    folders = list((place / "outputs" / "adhoc").glob("*-*"))
    if len(folders) != 1:
        return left | {"stderr": done.stderr[-500:]}
    (folder,) = folders
    left["folder"] = folder.name
    for name in ("metrics.csv", "probes.csv"):
        if (folder / name).exists():
            with (folder / name).open() as file:
                left[name] = [_steady(row) for row in csv.DictReader(file)]
    summary = json.loads((folder / "summary.json").read_text())
    steady = _steady(summary) | {"metrics": _steady(summary.get("metrics", {})), "code": None, "modules": None, "schema": None}
    left["summary.json"] = json.dumps(steady, sort_keys=True)  # the order of its keys has no meaning
    for path in sorted(folder.glob("arrays/*.npz")):
        with np.load(path) as arrays:
            left[path.name] = {key: (arrays[key].shape, arrays[key].tobytes()) for key in arrays}
    if (folder / "checkpoints" / "best.pt").exists():
        weights = torch.load(folder / "checkpoints" / "best.pt", weights_only=True)
        left["best.pt"] = {name: tensor.numpy().tobytes() for name, tensor in weights.items()}
    return left


def _steady(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name.rpartition("/")[2] not in VOLATILE}


if __name__ == "__main__":
    sys.exit(main())

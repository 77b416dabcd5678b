"""Trains twenty configs, one after the other.

    python -m tests.reliability.repeats ROOT SEED NUMBER

Prints, as JSON, of each of the first NUMBER what it left, as a digest.
"""

import json
import sys
from pathlib import Path

import torch

from tests.reliability.harness import _digest, content, train
from tests.runs import IMAGES, MOONS, SERIES, only_last

CONFIGS = [
    (*IMAGES, "norm=bn", "augment=standard", "augment.padding=1"),
    (*MOONS, "dropout=0.3", "precision=fp16"),
    (*SERIES, "dropout=0.1"),
    *((*MOONS, f"activation={name}", "dropout=0.1") for name in ("gelu", "prelu", "selu")),
    *((*MOONS, f"optimizer={name}") for name in ("sgd", "adam", "rmsprop", "adagrad")),
    *((*IMAGES, f"norm={name}") for name in ("gn", "ln", "rms")),
    *((*IMAGES, f"init={name}") for name in ("orthogonal", "he_normal")),
    (*(text for text in IMAGES if text[:5] not in ("depth", "width")), "model=resnet18", "epochs=1"),
    (*MOONS, "scheduler=cosine", "grad_clip=0.5"),
    (*MOONS, "scheduler=plateau", "scheduler.patience=0", "epochs=4", "early_stopping.patience=2"),
    (*IMAGES, "precision=bf16", "hardware.channels_last=true"),
    (*MOONS, "probe=[grad_flow,weight_stats]"),
]


def main(root, seed, number):
    found = {}
    for config in CONFIGS[:number]:
        name = f"{len(found)}"
        train([*only_last((*config, f"seed={seed}"))], root / name)
        (summary,) = (root / name / "adhoc").glob("*/summary.json")
        found[" ".join(config)] = _digest(content(summary.parent))
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    result = main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps(result))

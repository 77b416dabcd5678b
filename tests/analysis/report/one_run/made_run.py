"""Made-up runs with arrays, for the tests of the page of one run."""

import numpy as np

from tests.analysis.made import make_run


def make_classification(root, *, classes=3, images=True, cell=None, **settings):
    """A run folder whose predictions.npz is what training writes for a classification of 40 examples."""
    folder = make_run(root / "study", cell or {"depth": 1}, 0, **settings)
    save_predictions(folder, classified(classes, images=images))
    return folder


def classified(classes=3, count=40, *, images=True, names=None):
    generator = np.random.default_rng(0)
    target = np.arange(count) % classes
    predicted = np.where(np.arange(count) % 4 == 0, (target + 1) % classes, target)
    confusion = np.zeros((classes, classes), np.int32)
    np.add.at(confusion, (target, predicted), 1)
    worst = np.flatnonzero(target != predicted)[:25].astype(np.int32)
    sample = np.arange(0, count, 2, dtype=np.int32)
    arrays = {"target": target.astype(np.uint8), "predicted": predicted.astype(np.uint8), "confusion": confusion}
    arrays |= {name: np.full(count, 0.5, np.float16) for name in ("p_target", "p_predicted")}
    arrays |= {"classes": np.array(names or [f"class {k}" for k in range(classes)]), "worst": worst, "sample": sample}
    if images:
        drawn = generator.integers(0, 255, (count, 3, 8, 8), dtype=np.uint8)
        arrays |= {"worst_images": drawn[worst], "sample_images": drawn[sample]}
    return arrays


def regressed(count=90, outputs=1):
    target = np.stack([np.sin(np.arange(count) / 5 + k) for k in range(outputs)], 1).astype(np.float32)
    return {"target": target, "predicted": target + np.float32(0.1), "sample": np.arange(5, dtype=np.int32)}


def save_predictions(folder, arrays):
    (folder / "arrays").mkdir(exist_ok=True)
    np.savez(folder / "arrays/predictions.npz", **arrays)

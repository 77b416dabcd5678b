"""The id of a run, which settings enter it, and the readable part of its folder's name."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

SLUG_LENGTH, SLUG_BYTES = 80, 240  # with the id, a name stays within the 255 bytes of file systems

# Settings that change neither what a run computes nor how long it takes. (A time is a result too, so the number of loader
# workers is in the id.) Depth, width and dropout enter the id where a part refers to them, as `model.depth` and so on.
NOT_IN_ID = frozenset(
    {
        ("depth",),
        ("width",),
        ("dropout",),
        ("force",),
        ("retry",),
        ("stale",),
        ("zip",),
        ("exclude",),
        ("skip",),
        ("jobs",),
        ("jobs_per_gpu",),
        ("display",),
        ("wait",),
        ("profile",),
        ("checkpoint_every",),
        ("data_dir",),
        ("output_dir",),
        ("dataset", "cache_dir"),
    }
)

Paths = frozenset[tuple[str, ...]]

# Settings that say which runs a command executes and how many at a time, and nothing about a run.
NOT_IN_CONFIG_FILE = {"stale", "zip", "exclude", "skip", "jobs", "jobs_per_gpu", "display", "wait"}

# Settings that are younger than published results. With the value that means the older behaviour, they do not enter the id.
SAME_AS_BEFORE: dict[tuple[str, ...], Any] = {
    ("on_divergence",): "stop",
    ("average",): {"_target_": "dlexp.parts.average.none.none", "_partial_": True},
    ("on_oom",): "fail",
    ("grad_clip_value",): None,
    ("sampling",): "shuffled",
    ("dataset", "imbalance"): None,
    ("loss", "class_weight"): "none",
    ("dataset", "channels"): 3,
    ("dataset", "duplicates"): "refuse",
    ("dataset", "test_folder"): "test",
    ("dataset", "labels"): None,
    ("dataset", "file_column"): None,
    ("dataset", "label_column"): None,
    ("dataset", "split_column"): None,
    ("model", "dropout_order"): "after",
    ("optimizer", "decay_norm_and_bias"): True,
    ("model", "stochastic_depth"): 0.0,
    ("hardware", "recompute"): False,
    ("probe", "activation_stats", "mode"): "eval",
    ("probe", "dead_units", "mode"): "eval",
    ("probe", "grad_flow", "mode"): "eval",
}

# The same of keys that other options of their group have always had: the part, and the key.
SAME_AS_BEFORE_IN: dict[tuple[str, str], Any] = {
    ("dlexp.parts.loss.focal.Focal", "label_smoothing"): 0.0,
    ("dlexp.parts.loss.mse.MSE", "label_smoothing"): 0.0,
}

# Groups of which several options can be combined. The order of them counts.
IN_ORDER = {("augment",)}

# The address of each part when ids were first made. A part that moves or is renamed later gets a row; its runs keep their id.
_PARTS = """
    augment.none.NoAugment augment.standard.Standard dataset.circles.read dataset.digits.read dataset.image_folder.read
    dataset.moons.read dataset.noisy_line.read dataset.sine.read dataset.synthetic_images.read
    dataset.torchvision_sets.cifar10 dataset.torchvision_sets.cifar100 dataset.torchvision_sets.fashion_mnist
    dataset.torchvision_sets.mnist init.default.default init.dirac.dirac init.dirac_whitening.dirac_whitening
    init.he_normal.he_normal init.he_uniform.he_uniform init.orthogonal.orthogonal init.small_normal.small_normal
    init.xavier_normal.xavier_normal init.xavier_uniform.xavier_uniform loss.focal.Focal loss.mse.MSE model.convnet.ConvNet
    model.lstm.LSTM model.mlp.MLP model.resnet.resnet18 model.resnet.resnet50 model.speednet.SpeedNet norm.bn.BatchNorm
    norm.gn.gn norm.in_.InstanceNorm norm.ln.LayerNorm norm.rms.RMSNorm optimizer.muon.Muon
    probe.activation_stats.ActivationStats probe.dead_units.DeadUnits probe.decision_boundary.DecisionBoundary
    probe.grad_flow.GradFlow probe.weight_stats.WeightStats scheduler.constant.constant scheduler.cosine.cosine
    scheduler.exponential.exponential scheduler.linear.linear scheduler.onecycle.onecycle scheduler.plateau.plateau
    scheduler.step.step scheduler.warmup_cosine.warmup_cosine
"""
ADDRESS_IN_ID = {f"dlexp.parts.{name}": f"dlexp.{name}" for name in _PARTS.split()} | {
    "dlexp.machine.precision.Precision": "dlexp.precision.Precision",
}


def run_id(
    config: Mapping[str, Any],
    fingerprint: str | None = None,
    paths: Iterable[str] = (),
    sources: Mapping[str, str] | None = None,
) -> str:
    """12 hex digits of the sha256 of all settings that can change the result.

    Args:
        config: Resolved, `auto` included.
        fingerprint: Fingerprint of the user's own data files, if the run uses any.
        paths: The keys of the dataset that say where its files are. They are not in the id.
        sources: Path → hash of each module of a lab that the run uses.
    """
    counted = _identity(config, (), _list_left_out(paths))
    identity = {key: value for key, value in counted.items() if value != {}}  # groups with no option chosen
    if identity.get("max_steps") is not None:
        identity.pop("epochs")
    if identity.get("early_stopping", {}).get("patience", 0) is None:
        identity.pop("early_stopping")
    if identity.get("model", {}).get("widths") is not None:
        identity["model"].pop("depth", None)
        identity["model"].pop("width", None)
    if identity.get("hardware", {}).get("loader") == "resident":
        for key in ("num_workers", "persistent_workers", "pin_memory", "non_blocking"):
            identity["hardware"].pop(key)
    text = json.dumps([identity, fingerprint, *([sources] if sources else [])], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _list_left_out(paths: Iterable[str]) -> Paths:
    return NOT_IN_ID | {("dataset", key) for key in paths}


def _identity(value: Any, path: tuple[str, ...], left_out: Paths) -> Any:
    """A copy without the settings that are not in the id; 1.0 becomes 1, so that equal numbers are equal text."""
    if isinstance(value, Mapping):
        items = ((str(key), item) for key, item in value.items())
        part = str(value.get("_target_"))
        if path in IN_ORDER and value and "_target_" not in value:  # the options of a combination
            return [[key, _identity(item, (*path, key), left_out)] for key, item in items]
        return {
            key: _identity(item, (*path, key), left_out)
            for key, item in items
            if _counts((*path, key), item, left_out)
            and not ((part, key) in SAME_AS_BEFORE_IN and item == SAME_AS_BEFORE_IN[part, key])
        }
    if isinstance(value, list | tuple):
        return [_identity(item, path, left_out) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if path and path[-1] == "_target_":
        return ADDRESS_IN_ID.get(value, value)
    return value


def _counts(path: tuple[str, ...], value: Any, left_out: Paths) -> bool:
    return path not in left_out and not (path in SAME_AS_BEFORE and value == SAME_AS_BEFORE[path])


def changes(saved: Any, config: Mapping[str, Any], paths: Iterable[str] = ()) -> list[str]:
    """Differences between a saved config and the present one, a line for each key; settings outside the id are left out.

    Args:
        saved: What the file holds.
        config: Of the run, resolved.
        paths: The keys of the dataset that say where its files are.
    """
    trees = (saved if isinstance(saved, Mapping) else {}, config)
    then, now_ = (dict(_leaves(_identity(tree, (), _list_left_out(paths)), "")) for tree in trees)
    keys = sorted(key for key in then.keys() | now_.keys() if then.get(key, ...) != now_.get(key, ...))
    return [f"{key}: {then.get(key, 'nothing')} in the file, {now_.get(key, 'nothing')} in this run." for key in keys]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def slug(differences: Sequence[str], first: Collection[str] = ()) -> str:
    """A readable name from `key=value` strings: sorted, letters, digits and `.=_-` only, at most 80 characters, 240 bytes.

    Args:
        differences: The strings.
        first: Keys that are never cut off: where the name is too long, they come first, and may take up to 240 bytes.
    """
    parts = sorted(differences)
    text = _make_safe(parts) or "default"
    if len(text) <= SLUG_LENGTH:
        return _cut(text, SLUG_LENGTH)
    whole = [part for part in parts if part.partition("=")[0] in first]
    others = [part for part in parts if part not in whole]
    limits = (
        limit for limit in range(SLUG_BYTES, 0, -1) if len(_make_safe(part[:limit] for part in whole).encode()) <= SLUG_BYTES
    )
    limit = next(limits, 0)  # of a part, so that each has a place
    whole = [part[:limit] for part in whole]
    return _cut(_make_safe([*whole, *others]), max(SLUG_LENGTH, len(_make_safe(whole))))


def _make_safe(parts: Iterable[str]) -> str:
    text = "".join(letter if letter.isalnum() or letter in ".=_-" else "-" for letter in "-".join(parts))
    while "--" in text:
        text = text.replace("--", "-")
    return text


def _cut(text: str, length: int) -> str:
    return text[:length].encode()[:SLUG_BYTES].decode(errors="ignore").strip("-.")

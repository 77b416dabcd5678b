"""The smallest run that an option can be part of, by what the files of the options say about it."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import replace

from dlexp.config.compose import Composed, compose
from dlexp.config.lookup import look_up
from dlexp.config.options import default_choices, groups, list_groups, read_option, traits
from dlexp.config.overrides import Override, parse
from dlexp.config.values import Tree, find_references, value_at
from dlexp.contract_checks.part import Part
from dlexp.errors import ConfigError
from dlexp.run.plan import PlannedRun, plan
from dlexp.run.record.identity import run_id

# The smallest run on each kind of data.
FEATURES = ("dataset=moons", "dataset.num_examples=100", "model=mlp", "depth=2", "width=16", "batch_size=16", "epochs=2")
IMAGES = (
    "dataset=synthetic_images",
    "dataset.shape=[3,8,8]",
    "dataset.num_classes=3",
    "dataset.num_train=60",
    "dataset.num_test=30",
    "depth=2",
    "width=16",
    "batch_size=16",
    "epochs=2",
)
SERIES = (
    "dataset=sine",
    "dataset.num_examples=60",
    "dataset.window=8",
    "model=lstm",
    "loss=mse",
    "depth=2",
    "width=8",
    "batch_size=16",
    "epochs=2",
)
RUNS = {"images": IMAGES, "features": FEATURES, "series": SERIES}
EPOCHS_OF_A_SCHEDULE = 8  # in which the rate falls even if the sixth epoch in a row without improvement is the first to count
LENGTHS = {"epochs": "max_steps", "max_steps": "epochs"}
# Values of a data set's keys, where it has them, that leave few examples.
SMALL = {"num_examples": 60, "window": 8, "shape": "[3,8,8]", "num_classes": 3, "num_train": 60, "num_test": 30}


def only_last(overrides: Iterable[str]) -> list[str]:
    """The overrides, of each key the last alone, and of `epochs` and `max_steps`, which exclude each other, the last too."""
    last: dict[str, str] = {}
    for override in overrides:
        key = override.partition("=")[0]
        last.pop(LENGTHS.get(key, ""), None)
        last[key] = override
    return list(last.values())


def list_smallest_runs(part: Part) -> list[tuple[str, ...]]:
    """The overrides beside a part's own choice, in the order to try them.

    A probe may refuse the first, and so may a data set with a validation split of its own.

    Raises:
        ConfigError: If the file of a data set does not say what kind of data it gives.
    """
    if part.group == "dataset":
        smallest = _smallest_run_of_dataset(part)
        return [(*smallest, "val_fraction=0.4"), smallest]
    smallest = _smallest_run_of_model(part) if part.group == "model" else _smallest_run(part.traits.needs)
    if part.group in ("average", "scheduler"):
        smallest = (*(text for text in smallest if not text.startswith("epochs")), f"epochs={EPOCHS_OF_A_SCHEDULE}")
    return [smallest, FEATURES, SERIES] if part.group in list_groups() else [smallest]


def _smallest_run_of_dataset(part: Part) -> tuple[str, ...]:
    kinds = [kind for kind in part.traits.gives if kind in RUNS]
    if not kinds:
        raise ConfigError(
            f"{part.file}: _traits_: must say what the data set gives, as gives: [images], [features] or [series], or several, "
            f"got {list(part.traits.gives)}."
        )
    # A data set that can give several kinds, which depends on its files, is tried on the first.
    small = [f"dataset.{key}={value}" for key, value in SMALL.items() if key in part.keys]
    others = [text for text in RUNS[kinds[0]] if not text.startswith(("dataset", "epochs"))]
    # An epoch may be long. This loss takes classes and numbers.
    return (*others, *small, "loss=mse", "max_steps=8")


def _smallest_run_of_model(part: Part) -> tuple[str, ...]:
    return _on_its_data(part.traits.needs, part.keys)


def _smallest_run(needs: Sequence[str]) -> tuple[str, ...]:
    """The smallest run with a model that has what an option needs: the default one where it needs nothing of a model."""
    default = default_choices()["model"]
    models = [default, *(model for model in groups()["model"] if model != default)]
    fitting = [model for model in models if set(needs) & set(traits("model", model).has)]
    model = fitting[0] if fitting else default
    return (*_on_its_data(traits("model", model).needs, read_option("model", model)), f"model={model}")


def _on_its_data(needs: Sequence[str], keys: Tree) -> tuple[str, ...]:
    """The smallest run on the kind of data that a model needs, without the plain keys that it does not read."""
    kind = next((kind for kind in needs if kind in RUNS), "images")
    left_out = tuple(f"{key}=" for key in ("depth", "width") if key not in find_references(keys))
    small = ["model.widths=[8,12]"] if keys.get("widths") else []
    return (*(text for text in RUNS[kind] if not text.startswith(("model", *left_out))), *small)


def plan_run(part: Part, overrides: Iterable[str]) -> PlannedRun:
    """Plan a run with a part.

    Args:
        part: The part.
        overrides: The rest of the command, which may also set keys of the part; of each key the last counts.

    Raises:
        ConfigError: With everything that is wrong with the command.
    """
    command = only_last(("hardware=cpu", *overrides))
    if part.is_listed:
        command = only_last((*command, part.choice))
        if problems := look_up(command, multirun=False):
            raise ConfigError(*problems)
        return plan(compose(command))
    own = [text for text in command if text.startswith(f"{part.path}.")]
    planned = plan(compose([text for text in command if text not in own]))
    composed = _with_keys(planned.composed, part, [parse(text) for text in own])
    return replace(planned, composed=composed, config=composed.config, identity=run_id(composed.config))


def _with_keys(composed: Composed, part: Part, own: Sequence[Override]) -> Composed:
    """The config with the keys of a part that no command can choose, in place of those of its group's default."""
    tree, keys = deepcopy(composed.tree), deepcopy(part.keys)
    tree[part.group] = {part.option: keys} if part.group in list_groups() else keys
    for override in own:
        above, _, name = override.key.rpartition(".")
        value_at(tree, above)[name] = override.value
    return replace(composed, tree=tree, overrides=(*composed.overrides, *own))

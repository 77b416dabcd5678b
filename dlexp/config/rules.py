"""Rules between the settings of one config, each a small function that yields a line for each problem."""

import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, NamedTuple

from dlexp.config.combination import find_places
from dlexp.config.options import groups, read_option, traits
from dlexp.config.ranges import fits_float32
from dlexp.config.values import find_references, format_value


class Settings(NamedTuple):
    """The config that the rules check. Every value is in its range, because a bad one has been replaced by its default.

    Args:
        values: Config path → value.
        given: The groups and keys that the user set, as opposed to the defaults.
        choices: Group → option.
        references: The paths that values refer to, such as `depth` in `${depth}`.
    """

    values: dict[str, Any]
    given: frozenset[str]
    choices: dict[str, str]
    references: frozenset[str]

    @property
    def has_no_blocks(self) -> bool:
        """Whether the model consists only of its head."""
        return self.values.get("model.depth") == 0 and not self.values.get("model.widths")

    def places(self, group: str) -> list[str]:
        """Where the keys of each chosen option of a group are: `augment`, or of a combination `augment.crop` and so on."""
        return find_places(group, self.choices[group])

    def choices_that_need(self, need: str) -> list[str]:
        """The choices, such as `scheduler=plateau`, that need something."""
        return [f"{group}={option}" for group, option in self.choices.items() if need in traits(group, option).needs]

    def given_among(self, *names: str) -> list[str]:
        """Those of these keys, and of all keys below them, that the user set."""
        return sorted(key for key in self.given if any(key == name or key.startswith(f"{name}.") for name in names))


def _every_need_is_met(s: Settings) -> Iterator[str]:
    """An option has what it needs from the chosen dataset and model."""
    for provider in ("dataset", "model"):
        provided = {option: (*traits(provider, option).gives, *traits(provider, option).has) for option in groups()[provider]}
        here = provided[s.choices[provider]]
        for group, option in s.choices.items():
            for need in traits(group, option).needs:
                having = [name for name, things in provided.items() if need in things]
                if not having or need in here:
                    continue
                fitting = [name for name in groups()[group] if set(traits(group, name).needs) <= {*here}]
                # What a data set of the user's own files holds depends on these files.
                surely = [name for name in having if len(traits(provider, name).gives) < 2] or having
                other, names = min((group, fitting), (provider, surely), key=lambda item: len(item[1]) or sys.maxsize)
                has = " and ".join(here) if provider == "dataset" else "none"
                yield (
                    f"{group}={option} needs {need}, and {provider}={s.choices[provider]} has {has}: "
                    f"use {other}={' or '.join(names)}."
                )


def _packages_are_installed(s: Settings) -> Iterator[str]:
    for group, option in s.choices.items():
        for package in traits(group, option).requires:
            if find_spec(package) is None:
                yield f"{group}={option} requires the package {package}, which is not installed: pip install {package}."


def _dropout_between_layers_has_two(s: Settings) -> Iterator[str]:
    model = s.choices["model"]
    acts_between_layers = "dropout between layers" in traits("model", model).has
    if acts_between_layers and s.values["model.depth"] < 2 and s.values["model.dropout"] > 0:
        yield f"dropout: has no effect with model={model} and one layer: it acts between layers. Use a depth of at least 2."


def _nothing_is_without_effect(s: Settings) -> Iterator[str]:
    """No setting is given that another one makes useless."""
    values = s.values
    widths, scale, group_size = (values.get(key) for key in ("model.widths", "dataset.scale", "norm.group_size"))
    replaces_depth, is_fixed = widths is not None and "model.depth" in values, scale == "none" or isinstance(scale, dict)
    loader = "hardware.num_workers hardware.pin_memory hardware.persistent_workers hardware.non_blocking"
    no_workers = "with hardware.loader=resident: add hardware.loader=workers, or leave it out"
    no_warmup = "with scheduler.warmup_fraction=0: leave one of the two out"
    no_decay = "with optimizer.weight_decay=0: set that, or leave it out"
    no_patience = "without early stopping: set early_stopping.patience, or leave it out"
    no_table, drawn = values.get("dataset.labels", "") is None, values.get("dataset.test_fraction") is not None
    columns = "dataset.file_column dataset.label_column dataset.split_column"
    rows = [  # whether the settings have no effect, the settings, why
        (values["max_steps"] is not None, "epochs", f"beside max_steps={values['max_steps']}: give one of the two"),
        (replaces_depth, "depth width model.depth model.width", f"beside model.widths={widths}: leave one of the two out"),
        (is_fixed, "dataset.scale_on", f"with dataset.scale={format_value(scale)}, which is not fitted: leave it out"),
        (values["early_stopping.patience"] is None, "early_stopping.min_delta early_stopping.restore_best", no_patience),
        (group_size is not None, "norm.groups", f"beside norm.group_size={group_size}: give one of the two"),
        (s.has_no_blocks, "activation norm dropout width model.width", "with depth=0: there is no hidden block"),
        (values.get("model.dropout.p") == 0, "model.dropout_order", "with dropout=0: set dropout, or leave it out"),
        (values.get("optimizer.weight_decay") == 0, "optimizer.decay_norm_and_bias", no_decay),
        (values["batch_size"] == "full", "drop_last", "with batch_size=full: leave it out"),
        (values["hardware.loader"] == "resident", loader, no_workers),
        (values.get("scheduler.warmup_fraction") == 0, "scheduler.start_factor", no_warmup),
        (s.choices["norm"] == "none", "model.train_norm_weight", "with norm=none: leave it out"),
        (no_table, columns, "without dataset.labels, the table of which this is a column: leave it out"),
        (drawn, "dataset.split_column dataset.test_folder", "beside dataset.test_fraction: give one of the two"),
        (
            values.get("dataset.labels"),
            "dataset.test_folder",
            "beside dataset.labels: dataset.split_column names the test split",
        ),
    ]
    for at in s.places("augment"):
        rows.append(
            (values.get(f"{at}.padding") == 0, f"{at}.padding_mode", f"with {at}.padding=0: there is no border to fill")
        )
    for has_no_effect, keys, why in rows:
        for key in s.given_among(*keys.split()) if has_no_effect else ():
            yield f"{key}: has no effect {why}."


def _shared_keys_are_referred_to(s: Settings) -> Iterator[str]:
    options = [(group, option) for group, names in groups().items() for option in names]
    for key in s.given_among(*{"depth", "width", "dropout", "activation", "norm"} - s.references):
        name = key.partition(".")[0]
        users = [f"{group}={option}" for group, option in options if name in find_references(read_option(group, option))]
        advice = f"These do: {', '.join(users)}." if users else "Leave it out."
        yield f"{key}: has no effect: no part of this config refers to {name}. {advice}"


def _data_seed_is_used(s: Settings) -> Iterator[str]:
    split_by_folders = s.values.get("dataset.test_fraction", 0) is None
    drawn = "data_seed" in s.references and not split_by_folders
    thinned = any(s.values.get(key) is not None for key in ("dataset.per_class", "dataset.imbalance"))
    if s.given_among("data_seed") and not (s.values["val_fraction"] > 0 or thinned or drawn):
        yield "data_seed: has no effect: nothing is drawn with val_fraction=0, dataset.per_class and dataset.imbalance null."


def _a_metric_is_watched(s: Settings) -> Iterator[str]:
    if s.values["val_fraction"] > 0 or s.values["evaluate_on"] == "test":
        return
    needs = s.given_among("monitor", "evaluate_on", "target")
    if s.values["early_stopping.patience"] is not None:
        needs.append("early_stopping.patience")
    for key in needs + s.choices_that_need("a metric to watch"):
        yield f"{key}: needs a metric to watch, and there is none: set val_fraction above 0, or evaluate_on=test."


def _held_out_examples_are_evaluated(s: Settings) -> Iterator[str]:
    if s.values["evaluate_on"] == "test" and s.values["val_fraction"] > 0:
        share = s.values["val_fraction"]
        yield f"val_fraction: must be 0 with evaluate_on=test, which never looks at held-out examples, got {share}."


def _learning_rate_can_fall(s: Settings) -> Iterator[str]:
    rates = {name: s.values[name] for name in ("optimizer.lr", "optimizer.lr_head", "optimizer.lr_bias") if name in s.values}
    name, lr = min(rates.items(), key=lambda item: item[1])
    for key in ("scheduler.eta_min", "scheduler.min_lr"):
        lowest = s.values.get(key)
        if lowest is not None and lowest >= lr:
            yield f"{key}: must be below {name}={lr}, got {lowest}."


def _cuda_graph_can_be_captured(s: Settings) -> Iterator[str]:
    if not s.values["hardware.cuda_graph"]:
        return
    if not s.values.get("optimizer.fused"):
        name = s.choices["optimizer"]
        yield f"hardware.cuda_graph: needs a fused optimizer, and optimizer={name} is none here: sgd and adam can be."
    if s.values["on_oom"] != "fail":
        yield f"on_oom: must be fail with hardware.cuda_graph=true, which replays whole batches, got {s.values['on_oom']}."
    if s.values["batch_size"] == "auto":
        yield "batch_size: must be a number or full with hardware.cuda_graph=true, which needs more memory, got auto."


def _recomputing_is_left_to_one(s: Settings) -> Iterator[str]:
    if not s.values["hardware.recompute"]:
        return
    if s.values["hardware.compile"]:
        yield "hardware.recompute: must be false with hardware.compile=true, which chooses by itself what is computed again."
    if s.values["hardware.cuda_graph"]:
        yield "hardware.recompute: must be false with hardware.cuda_graph=true, whose recording cannot restore random states."


def _hidden_blocks_are_there(s: Settings) -> Iterator[str]:
    if s.has_no_blocks:
        for choice in s.choices_that_need("hidden blocks"):
            yield f"{choice} needs hidden blocks, and depth=0 leaves only the head: use another {choice.partition('=')[0]}."


def _gradient_is_clipped_once(s: Settings) -> Iterator[str]:
    if s.values["grad_clip"] is not None and s.values["grad_clip_value"] is not None:
        yield "grad_clip_value: must be null beside grad_clip, which clips the norm: give one of the two."


def _values_of_a_group_agree(s: Settings) -> Iterator[str]:
    """No value contradicts another value of the same group."""
    if s.values.get("optimizer.nesterov") and s.values["optimizer.momentum"] == 0:
        name = s.choices["optimizer"]
        yield f"optimizer.momentum: must be above 0 with optimizer={name}, got 0: optimizer=sgd is the one without."
    for key in ("optimizer.lr_head", "optimizer.lr_bias"):  # muon divides by them
        if key in s.values and not fits_float32(share := s.values["optimizer.weight_decay"] / s.values[key]):
            yield f"{key}: optimizer.weight_decay / {key} must be a number that float32 can hold, got {share:g}."
    workers = s.values["hardware.loader"] == "workers" and s.values["hardware.persistent_workers"]
    if workers and s.values["hardware.num_workers"] == 0:
        yield "hardware.persistent_workers: must be false with hardware.num_workers=0, got true."
    for at in s.places("augment"):
        if s.values.get(f"{at}.padding") == 0 and s.values.get(f"{at}.flip") == "none":
            yield f"{at}.flip: none together with {at}.padding=0 changes nothing: write augment=none."


def _every_class_has_an_example(s: Settings) -> Iterator[str]:
    classes = s.values.get("dataset.num_classes")
    for key in ("dataset.num_train", "dataset.num_test"):
        if classes is not None and s.values.get(key, classes) < classes:
            yield f"{key}: must be at least dataset.num_classes={classes}, got {s.values[key]}."


EFFECT_RULES: tuple[Callable[[Settings], Iterator[str]], ...] = (  # a setting that breaks one of them has no effect
    _dropout_between_layers_has_two,
    _nothing_is_without_effect,
    _shared_keys_are_referred_to,
    _data_seed_is_used,
)
RULES: tuple[Callable[[Settings], Iterator[str]], ...] = (
    _every_need_is_met,
    _packages_are_installed,
    *EFFECT_RULES,
    _a_metric_is_watched,
    _held_out_examples_are_evaluated,
    _learning_rate_can_fall,
    _cuda_graph_can_be_captured,
    _recomputing_is_left_to_one,
    _gradient_is_clipped_once,
    _values_of_a_group_agree,
    _hidden_blocks_are_there,
    _every_class_has_an_example,
)


def check_rules(settings: Settings) -> list[str]:
    """Apply all rules, in their order. Returns one line for each problem."""
    return [problem for rule in RULES for problem in rule(settings)]


def find_without_effect(settings: Settings) -> list[str]:
    """The settings that have no effect beside the others, a line for each, as `check_rules` words it."""
    return [problem for rule in EFFECT_RULES for problem in rule(settings)]

"""Print shapes, range and labels of a training batch as the model gets it, after augmentation and scaling, and draw it.

Where images are augmented, the picture shows some of the batch as they are, and what becomes of them in three epochs.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

from dlexp.commands.attempt import attempt
from dlexp.commands.lab import choose_lab
from dlexp.config.check import compose_run
from dlexp.config.compose import Composed
from dlexp.config.entry import show_command, show_uses
from dlexp.config.options import option_keys
from dlexp.config.values import format_value, value_at
from dlexp.errors import ConfigError
from dlexp.machine.files import write_whole
from dlexp.study.request import names_study

USES = {
    "": "the first batch of the default run, in preview.png",
    "dataset=moons model=mlp --output a.png": "the first batch of the run with these overrides, in a.png",
    "dataset=fashion_mnist 'augment=[crop,flip,cutout]'": "eight images, and what becomes of them in three epochs",
}
WIDTH = 100  # characters of a line
# Keys outside `dataset` and `augment` that change a batch.
KEYS = ("val_fraction", "data_seed", "batch_size", "drop_last", "sampling", "seed")


class Drawn(NamedTuple):
    """What a preview says.

    Args:
        lines: The text.
        png: The content of the picture's file.
    """

    lines: list[str]
    png: bytes


def main(arguments: list[str]) -> int:
    """Draw the first batch of the first epoch of a run.

    Returns:
        The exit code, as of `train`: 2 if the command is wrong, 7 if there are no data.
    """
    parser = argparse.ArgumentParser(
        show_command("preview"),
        description=f"{__doc__}\n\n{show_uses('preview', USES)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as of a run; without any, the default run")
    parser.add_argument("--output", type=Path, default=Path("preview.png"), metavar="FILE", help="the picture to write")
    return attempt(lambda: _preview(parser.parse_intermixed_args(choose_lab(arguments))))


def _preview(given: argparse.Namespace) -> int:
    output = given.output.expanduser()
    if output.suffix.lower() != ".png":
        raise ConfigError(f"--output: expected a name that ends in .png, got {output}.")
    if not output.parent.is_dir():
        raise ConfigError(f"--output: {output.parent} is no folder: make it first, or name another.")
    drawn = draw_preview(_compose_one(given.overrides))
    try:
        write_whole(output, drawn.png)
    except OSError as error:
        raise ConfigError(f"--output: {output} cannot be written: {error.strerror}.") from error
    print(*drawn.lines, f"→ {output}", sep="\n")
    return 0


def _compose_one(overrides: Sequence[str]) -> Composed:
    """The checked config of the run that is previewed."""
    if names_study(overrides):
        plan = show_command("plan")
        raise ConfigError(f"study: a study is many runs. Give the overrides of one, as {plan} study=... lists them.")
    return compose_run(overrides)


def draw_preview(composed: Composed) -> Drawn:
    """Draw the first training batch of a run, and describe it. Trains nothing, and writes nothing but decoded data."""
    import torch  # a wrong command is refused before

    from dlexp.commands.followed import EPOCHS, follow
    from dlexp.commands.picture import describe_targets, draw_batch, draw_followed
    from dlexp.data.batches import InputScaling
    from dlexp.run.execute import gather_facts
    from dlexp.run.plan import plan
    from dlexp.run.setup.build import build_batches

    run = plan(composed)
    facts = gather_facts(run)
    scale = InputScaling(facts.dataset, facts.device, torch.contiguous_format)
    hardware = {**run.config["hardware"], "loader": "resident"}  # the same batches, without processes for a few of them
    batches, _ = build_batches({**run.config, "hardware": hardware}, facts, scale)
    inputs, targets = (tensor.cpu() for tensor in next(batches(1)))
    classes = facts.dataset.classes
    spread = inputs.std(correction=0)
    lines = [
        f"{run.title}: batch 1 of {facts.steps_per_epoch} in epoch 1, as the model gets it",
        f"inputs   {_kind(inputs)}  min {inputs.min():.4g}  max {inputs.max():.4g}  mean {inputs.mean():.4g}  sd {spread:.4g}",
        f"targets  {_kind(targets)}  {describe_targets(targets, classes)}",
        "These change it:",
        *wrap(" ".join(list_influences(composed)), WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False),
    ]
    is_augmented = inputs.dim() == 4 and composed.choices["augment"] != "none"
    if is_augmented and (followed := follow(run.config, facts, batches, scale)):
        shown = f"picture  {len(followed.labels)} examples as they are, and in epochs {', '.join(map(str, EPOCHS))}"
        return Drawn([*lines[:3], shown, *lines[3:]], draw_followed(followed, classes))
    return Drawn(lines, draw_batch(inputs, targets, classes))


def list_influences(composed: Composed) -> list[str]:
    """The overrides that change a batch, with their present values."""
    lines = []
    for group in ("dataset", "augment"):
        lines.append(f"{group}={composed.choices[group]}")
        keys = [key for key in option_keys(group, composed.choices[group]) if not key.rpartition(".")[2].startswith("_")]
        lines += [_assign(composed, key) for key in keys if key not in ("dataset.cache_dir", "dataset.data_seed")]
    return [*lines, *(_assign(composed, key) for key in KEYS)]


def _assign(composed: Composed, key: str) -> str:
    value = value_at(composed.config, key)
    return f"{key}={value if isinstance(value, str) else format_value(value).replace(', ', ',')}"


def _kind(tensor: object) -> str:
    """The dtype and shape of a tensor."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"  # type: ignore[attr-defined]

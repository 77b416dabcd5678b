"""What is suggested for a command is tried as a user would: typed instead of what was refused."""

import re

import pytest

from dlexp.config.check import find_problems
from dlexp.config.check_config import check
from dlexp.config.compose import compose
from dlexp.config.lookup import look_up
from dlexp.config.options import groups, list_groups, option_keys, scalars
from dlexp.config.values import leaves

# What users of other trainers type → what they are to be told.
USUAL = {
    "device=cuda": "hardware=cuda",
    "device=cuda:0": "hardware=cuda",
    "device=gpu": "hardware=cuda",
    "device=cpu": "hardware=cpu",
    "gpu=0": "hardware=cuda",
    "gpu=true": "hardware=cuda",
    "gpus=1": "hardware=cuda",
    "gpus=0": "hardware=cpu",
    "cuda=true": "hardware=cuda",
    "cuda=false": "hardware=cpu",
    "no_cuda=true": "hardware=cpu",
    "accelerator=gpu": "hardware=cuda",
    "hardware=gpu": "cuda",
    "lr=0.1": "optimizer.lr=0.1",
    "LR=0.1": "optimizer.lr=0.1",
    "--lr=0.1": "optimizer.lr=0.1",
    "learning_rate=0.1": "optimizer.lr=0.1",
    "learning-rate=0.1": "optimizer.lr=0.1",
    "optimizer.learning_rate=0.1": "optimizer.lr=0.1",
    "bs=16": "batch_size=16",
    "batch=16": "batch_size=16",
    "batchSize=16": "batch_size=16",
    "train_batch_size=16": "batch_size=16",
    "amp=true": "precision=auto",
    "amp=false": "precision=fp32",
    "fp16=true": "precision=fp16",
    "fp16=false": "precision=fp32",
    "bf16=true": "precision=bf16",
    "half=true": "precision=fp16",
    "mixed_precision=bf16": "precision=bf16",
    "precision=16": "fp16",
    "precision=bf16-mixed": "bf16",
    "num_workers=4": "hardware.loader=workers hardware.num_workers=4",
    "workers=4": "hardware.loader=workers hardware.num_workers=4",
    "hardware.loader=workers num_workers=4": "hardware.num_workers=4",
    "arch=resnet18": "model=resnet18",
    "arch=cnn": "model=convnet",
    "net=mlp": "model=mlp",
    "model=rnn": "model=lstm dataset=sine",
    "wd=0.1": "optimizer.weight_decay=0.1",
    "weight_decay=0.1": "optimizer.weight_decay=0.1",
    "momentum=0.9": "optimizer=momentum optimizer.momentum=0.9 or norm.momentum=0.9",
    "opt=SGD": "optimizer=sgd",
    "sched=cosine": "scheduler=cosine",
    "lr_scheduler=CosineAnnealingLR": "scheduler=cosine",
    "epoch=5": "epochs=5",
    "num_epochs=5": "epochs=5",
    "max_epochs=5": "epochs=5",
    "n_epochs=5": "epochs=5",
    "trainer.max_epochs=5": "epochs=5",
    "+trainer.max_epochs=5": "epochs=5",
    "random_seed=1": "seed=1",
    "random_state=1": "seed=1",
    "manual_seed=1": "seed=1",
    "data=cifar10": "dataset=cifar10 or dataset=image_folder dataset.root=cifar10",
    "data=photos": "dataset=image_folder dataset.root=photos",
    "data=table.csv": "dataset=csv_table dataset.train=table.csv dataset.label=...",
    "dataset=table": "dataset=csv_table dataset.train=... dataset.label=...",
    "dataset_path=photos": "data_dir=photos or dataset=image_folder dataset.root=photos",
    "dataset=moonz": "dataset=moons model=mlp",
    "out=here": "output_dir=here",
    "output=here": "output_dir=here",
    "logdir=here": "output_dir=here",
    "hidden_size=64": "width=64",
    "model.hidden_size=64": "width=64",
    "layers=4": "depth=4",
    "n_layers=4": "depth=4",
    "dropout_rate=0.1": "dropout=0.1",
    "act=gelu": "activation=gelu",
    "activation=swish": "silu",
    "loss_fn=mse": "loss=mse",
    "criterion=CrossEntropyLoss": "loss=cross_entropy",
    "norm=batchnorm": "bn",
    "init=kaiming": "he_normal",
    "nesterov=true": "optimizer=nesterov",
    "label_smoothing=0.1": "loss.label_smoothing=0.1",
    "max_grad_norm=1": "grad_clip=1",
    "patience=3": "early_stopping.patience=3 or scheduler=plateau scheduler.patience=3",
    "norm.epsilon=0.001": "norm.eps=0.001",
    "optimizer.name=adam": "optimizer=adam",
    "probe=[dead_unit]": "dead_units",
    "optimizer.momentun=0.9": "optimizer=momentum optimizer.momentum=0.9",
    "width=${dept}": "${depth}",
    "relu": "activation=relu",
}
# What is refused, too, with the value that was typed → what must be said instead of a suggestion.
WRONG_TOO = {
    "lr=-1": "optimizer.lr: must be a number above 0, got -1.",
    "arch=vit": "model=vit: no such option. Options: convnet,",
    "model.dropout=5": "dropout: must be a number at least 0 and below 1, got 5.",
    "layers=4 depth=3": "depth=4: depth is set twice",
    "norm=lm norm.momentum=0.2": "norm=lm: no such option.",  # ln has no momentum
    "num_workers=4 hardware.loader=resident": "hardware.loader=resident: add hardware.loader=workers",
    "relu activation=tanh": "relu: not of the form key=value.",
    "foo@x=1": "a group has one place: leave out @x.",
    "resume=true": "An interrupted run goes on where it stopped",
    "--epochs": "settings are written without dashes",
}


def problems(overrides: list[str]) -> list[str]:
    return look_up(overrides, multirun=False) or check(compose(overrides))


def suggested(overrides: list[str], position: int = -1) -> list[list[str]]:
    """The commands that the answer to a refused one suggests, the mistake being at `position`."""
    line = look_up(overrides, multirun=False)[-1]
    found = re.search(r"(?:Did you mean|write|set it on the (?:group|key):) (.*?)[?.]?$", line)
    if not found:
        return []
    typed, name = overrides[position], overrides[position].partition("=")[0]
    commands = []
    for text in found[1].split(" or "):
        if text.startswith("${"):
            text = re.sub(r"\$\{\w+\}", lambda _, text=text: text, typed)
        elif "=" not in text:
            text = f"{name}=[{text}]" if name in list_groups() else f"{name}={text}"
        commands.append([*overrides[:position], *(overrides[position + 1 :] if position != -1 else []), *text.split()])
    return commands


@pytest.mark.parametrize(("typed", "answer"), USUAL.items())
def test_the_words_of_other_trainers_have_an_answer_that_works(typed: str, answer: str) -> None:
    overrides = typed.split()
    line = look_up(overrides, multirun=False)[-1]
    assert line.endswith(f"Did you mean {answer}?")
    commands = suggested(overrides)
    assert commands
    for command in commands:
        assert problems(command) == []


@pytest.mark.parametrize(("typed", "answer"), WRONG_TOO.items())
def test_what_would_be_refused_is_not_suggested(typed: str, answer: str) -> None:
    lines = look_up(typed.split(), multirun=False)
    assert any(answer in line for line in lines)
    assert not any("Did you mean" in line for line in lines if answer not in line)


def as_typed(value: object) -> str:
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value).replace(" ", "")


def settings() -> dict[str, tuple[list[str], str]]:
    """Each key of config.yaml and of each option → the choice that it needs, and its default as it is typed."""
    found: dict[str, tuple[list[str], str]] = {key: ([], as_typed(default)) for key, default in leaves(scalars())}
    for group, options in (groups() | list_groups()).items():
        for option in options:
            choice = f"{group}=[{option}]" if group in list_groups() else f"{group}={option}"
            for key, default in option_keys(group, option).items():
                if not (key.rpartition(".")[2].startswith("_") or default == "???" or "{" in str(default)):
                    found.setdefault(key, ([choice], as_typed(default)))
    return found


def change(name: str) -> str:
    return f"{name[: len(name) // 2]}q{name[len(name) // 2 + 1 :]}"


def leave_out(name: str) -> str:
    return f"{name[: len(name) // 2]}{name[len(name) // 2 + 1 :]}"


def exchange(name: str) -> str:
    return f"{name[:-2]}{name[-1]}{name[-2:-1]}"


# How a name is misspelt, and which of the names: each, or every n-th.
MISSPELT = [(change, 4), *(pytest.param(misspell, 1, marks=pytest.mark.slow) for misspell in (change, leave_out, exchange))]


@pytest.mark.parametrize(("misspell", "step"), MISSPELT)
def test_what_is_suggested_for_a_misspelt_key_is_accepted(misspell, step) -> None:
    num_answered, cases = 0, 0
    for key, (choice, value) in list(settings().items())[::step]:
        above, dot, name = key.rpartition(".")
        overrides = [*choice, f"{above}{dot}{misspell(name)}={value}"]
        if len(name) < 4 or not look_up(overrides, multirun=False):
            continue
        cases += 1
        before = set(check(compose(choice))) if not look_up(choice, multirun=False) else set()
        commands = suggested(overrides)
        num_answered += bool(commands)
        for command in commands:
            assert not look_up(command, multirun=False), (overrides, command)
            assert set(check(compose(command))) <= before, (overrides, command)
    assert cases > 80 / step
    assert num_answered > 0.7 * cases  # a default such as 0.0 may have no effect, and is not suggested


@pytest.mark.parametrize(("misspell", "step"), MISSPELT)
def test_what_is_suggested_for_a_misspelt_option_is_accepted(misspell, step) -> None:
    num_answered, cases = 0, 0
    for group, options in (groups() | list_groups()).items():
        for wrong in {
            misspell(option): "" for option in options[::step] if len(option) > 3 and misspell(option) not in options
        }:
            overrides = [f"{group}=[{wrong}]" if group in list_groups() else f"{group}={wrong}"]
            cases += 1
            commands = suggested(overrides)
            num_answered += bool(commands)
            for command in commands:
                assert problems(command) == [], (overrides, command)
    assert cases > 50 / step
    assert num_answered > 0.9 * cases


def test_a_sweep_is_answered_in_all_its_values() -> None:
    assert look_up(["lr=0.1,-1"], multirun=True) == ["lr=0.1,-1: no such key. optimizer.lr: must be a number above 0, got -1."]
    assert find_problems(["bs=8,16"], multirun=True) == ["bs=8,16: no such key. Did you mean batch_size=8,16?"]

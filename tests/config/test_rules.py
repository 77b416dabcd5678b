import pytest

from dlexp.config.check_config import check
from tests.config.test_compose import made

WORKERS = "hardware.loader=workers"

# Each rule between fields: what it refuses, by the start of the message, and the nearest thing that it lets pass.
RULES = [
    (
        "optimizer=muon optimizer.weight_decay=1 optimizer.lr_head=1e-40",
        "optimizer.lr_head: optimizer.weight_decay / optimizer.lr_head must be a number that float32 can hold, got 1e+40",
        "optimizer=muon optimizer.weight_decay=0 optimizer.lr_head=1e-40",
    ),
    (
        "optimizer.lr=1e39",
        "optimizer.lr: must be a number above 0, got 1e+39. Models are trained in float32, which holds numbers from",
        "optimizer.lr=1e38",
    ),
    (
        "optimizer.eps=1e-50",
        "optimizer.eps: must be a number above 0, got 1e-50. Models are trained in float32",
        "optimizer.eps=1e-44",
    ),
    (
        "init=small_normal init.bias=-1e39",
        "init.bias: must be a finite number, got -1e+39. Models",
        "init=small_normal init.bias=0",
    ),
    (
        "dataset.scale={mean:[0],std:[1e-60]}",
        "dataset.scale: must be one of none, unit",
        "dataset.scale={mean:[0],std:[1e-30]}",
    ),
    (
        "dataset=image_folder dataset.root=x val_fraction=0 data_seed=1",
        "data_seed: has no effect",
        "dataset=image_folder dataset.root=x val_fraction=0 data_seed=1 dataset.test_fraction=0.2",
    ),
    (
        "dataset=image_folder dataset.root=x dataset.label_column=y",
        "dataset.label_column: has no effect without dataset.labels",
        "dataset=image_folder dataset.root=x dataset.label_column=y dataset.labels=z.csv",
    ),
    (
        "dataset=image_folder dataset.root=x dataset.test_folder=val dataset.test_fraction=0.2",
        "dataset.test_folder: has no effect beside dataset.test_fraction",
        "dataset=image_folder dataset.root=x dataset.test_folder=val",
    ),
    ("dataset=moons", "model=convnet needs images", "dataset=moons model=mlp"),
    (
        "dataset=sine model=convnet",
        "model=convnet needs images, and dataset=sine has series: use model=lstm or mlp.",
        "dataset=sine model=mlp",
    ),
    ("model=lstm", "model=lstm needs series, and dataset=digits has images: use dataset=sine.", "model=lstm dataset=sine"),
    ("model=lstm dataset=moons", "model=lstm needs series, and dataset=moons has features", "model=lstm dataset=sine"),
    (
        "model=lstm dataset=sine depth=1 dropout=0.1",
        "dropout: has no effect with model=lstm and one layer",
        "model=lstm dataset=sine depth=2 dropout=0.1",
    ),
    ("model=lstm dataset=sine activation=gelu", "activation: has no effect: no part", "model=lstm dataset=sine"),
    ("model=lstm dataset=sine norm.eps=0.1", "norm.eps: has no effect: no part", "model=mlp dataset=sine norm.eps=0.1"),
    ("dataset=noisy_line model=resnet18", "model=resnet18 needs images", "dataset=noisy_line model=mlp"),
    ("max_steps=100 epochs=5", "epochs: has no effect beside max_steps=100", "max_steps=100"),
    ("max_steps=null epochs=5", None, "epochs=5"),
    ("model.widths=[16] depth=4", "depth: has no effect beside model.widths=[16]", "model.widths=[16]"),
    ("model.widths=[16] width=4", "width: has no effect beside model.widths", "model.widths=null width=4"),
    ("model.widths=[16] model.depth=2", "model.depth: has no effect beside", "model.depth=2"),
    (
        "model=resnet18 depth=4",
        "depth: has no effect: no part of this config refers to depth. These do: model=convnet",
        "depth=4",
    ),
    ("model=resnet18 width=4", "width: has no effect: no part", "model=resnet18 dropout=0.1"),
    ("model=speednet depth=4", "depth: has no effect: no part of this config refers to depth", "model=speednet"),
    ("model=speednet dropout=0.1", "dropout: has no effect: no part of this config refers to dropout", "model=speednet"),
    (
        "model=speednet norm=none model.train_norm_weight=true",
        "model.train_norm_weight: has no effect with norm=none",
        "model=speednet norm=gn model.train_norm_weight=true",
    ),
    (
        "hardware=cuda hardware.cuda_graph=true norm=gn on_oom=microbatch",
        "on_oom: must be fail with hardware.cuda_graph=true",
        "hardware=cuda hardware.cuda_graph=true norm=gn on_oom=fail",
    ),
    (
        "hardware=cuda hardware.cuda_graph=true batch_size=auto",
        "batch_size: must be a number or full with hardware.cuda_graph=true",
        "hardware=cuda hardware.cuda_graph=true batch_size=full",
    ),
    (
        "hardware=cuda hardware.recompute=true hardware.compile=true",
        "hardware.recompute: must be false with hardware.compile=true",
        "hardware=cuda hardware.recompute=true",
    ),
    (
        "hardware=cuda hardware.recompute=true hardware.cuda_graph=true",
        "hardware.recompute: must be false with hardware.cuda_graph=true",
        "hardware=cuda hardware.cuda_graph=true",
    ),
    ("dataset=moons model=speednet", "model=speednet needs images", "dataset=moons model=mlp"),
    ("model=lstm dataset=sine init=dirac", "init=dirac needs convolutions, and model=lstm", "model=lstm dataset=sine"),
    ("model=mlp init=dirac", "init=dirac needs convolutions", "model=convnet init=dirac"),
    ("init=dirac_whitening", "init=dirac_whitening needs a whitening layer", "init=dirac_whitening model=speednet"),
    ("model=mlp depth=0 optimizer=muon", "optimizer=muon needs hidden blocks, and depth=0", "model=mlp depth=1 optimizer=muon"),
    ("model.depth=2 depth=4", "depth: has no effect: no part", "model.depth=2 depth=4 width=${depth}"),
    ("dataset=cifar10 val_fraction=0 data_seed=1", "data_seed: has no effect", "dataset=cifar10 data_seed=1"),
    ("dataset=mnist val_fraction=0 data_seed=1", "data_seed:", "dataset=mnist val_fraction=0 data_seed=1 dataset.per_class=9"),
    (
        "dataset=digits dataset.data_seed=2 val_fraction=0 data_seed=1",
        "data_seed:",
        "dataset=digits val_fraction=0 data_seed=1",
    ),
    (
        "dataset=moons model=mlp dataset.scale=none dataset.scale_on=all",
        "dataset.scale_on: has no effect with dataset.scale='none'",
        "dataset=moons model=mlp dataset.scale=unit dataset.scale_on=all",
    ),
    (
        "dataset.scale={mean:[0.5],std:[0.5]} dataset.scale_on=train",
        "dataset.scale_on: has no effect with dataset.scale={'mean': [0.5], 'std': [0.5]}",
        "dataset.scale={mean:[0.5],std:[0.5]}",
    ),
    (
        "early_stopping.min_delta=0.1",
        "early_stopping.min_delta: has no",
        "early_stopping.min_delta=0.1 early_stopping.patience=3",
    ),
    ("early_stopping.restore_best=true", "early_stopping.restore_best: has no effect without", "early_stopping.patience=3"),
    ("early_stopping.patience=3 val_fraction=0", "early_stopping.patience: needs a metric to watch", "val_fraction=0"),
    (
        "scheduler=plateau val_fraction=0",
        "scheduler=plateau: needs a metric",
        "scheduler=plateau val_fraction=0 evaluate_on=test",
    ),
    ("monitor=acc val_fraction=0", "monitor: needs a metric", "monitor=acc"),
    ("evaluate_on=val val_fraction=0", "evaluate_on: needs a metric", "evaluate_on=val"),
    ("evaluate_on=test", "val_fraction: must be 0 with evaluate_on=test", "evaluate_on=test val_fraction=0"),
    (
        "norm=gn norm.group_size=4 norm.groups=2",
        "norm.groups: has no effect beside norm.group_size=4",
        "norm=gn norm.group_size=4",
    ),
    ("norm=gn norm.group_size=null norm.groups=2", None, "norm=gn norm.groups=2"),
    ("model=mlp depth=0 activation=gelu", "activation: has no effect with depth=0", "model=mlp depth=0"),
    ("model=mlp depth=0 norm.eps=0.1", "norm.eps: has no effect with depth=0", "model=mlp depth=1 norm.eps=0.1"),
    (
        "model.dropout_order=before",
        "model.dropout_order: has no effect with dropout=0",
        "model.dropout_order=before dropout=0.1",
    ),
    ("model=mlp model.depth=0 dropout=0.1", "dropout: has no effect with depth=0", "model=mlp model.depth=1 dropout=0.1"),
    ("model=mlp depth=0 width=3", "width: has no effect with depth=0", "model=mlp depth=1 width=3"),
    ("batch_size=full drop_last=true", "drop_last: has no effect with batch_size=full", "batch_size=9 drop_last=true"),
    (
        "hardware.num_workers=3",
        "hardware.num_workers: has no effect with hardware.loader=resident",
        f"hardware.num_workers=3 {WORKERS}",
    ),
    ("hardware.pin_memory=true", "hardware.pin_memory: has no effect", f"hardware.pin_memory=true {WORKERS}"),
    ("hardware.non_blocking=true", "hardware.non_blocking: has no effect", f"hardware.non_blocking=true {WORKERS}"),
    (
        f"{WORKERS} hardware.num_workers=0",
        "hardware.persistent_workers: must be false",
        f"{WORKERS} hardware.num_workers=0 hardware.persistent_workers=false",
    ),
    ("scheduler=cosine scheduler.eta_min=1", "scheduler.eta_min: must be below optimizer.lr=0.001, got 1", "scheduler=cosine"),
    (
        "optimizer=muon optimizer.lr_bias=1e-3 scheduler=cosine scheduler.eta_min=0.01",
        "scheduler.eta_min: must be below optimizer.lr_bias=0.001, got 0.01",
        "optimizer=muon scheduler=cosine scheduler.eta_min=0.01",
    ),
    (
        "scheduler=linear scheduler.warmup_fraction=0 scheduler.start_factor=0.5",
        "scheduler.start_factor: has no effect with scheduler.warmup_fraction=0",
        "scheduler=linear scheduler.warmup_fraction=0.1 scheduler.start_factor=0.5",
    ),
    ("scheduler=plateau optimizer.lr=1e-7", "scheduler.min_lr: must be below", "scheduler=plateau"),
    (
        "optimizer=nesterov optimizer.momentum=0",
        "optimizer.momentum: must be above 0",
        "optimizer=momentum optimizer.momentum=0",
    ),
    (
        "augment=standard augment.flip=none augment.padding=0",
        "augment.flip: none together",
        "augment=standard augment.flip=none",
    ),
    (
        "augment=[standard,flip] augment.standard.padding=0 augment.standard.padding_mode=reflect",
        "augment.standard.padding_mode: has no effect with augment.standard.padding=0",
        "augment=[standard,flip] augment.standard.padding=1 augment.standard.padding_mode=reflect",
    ),
    (
        "augment=standard augment.padding=0 augment.padding_mode=reflect",
        "augment.padding_mode: has no effect with augment.padding=0",
        "augment=standard augment.padding=1 augment.padding_mode=reflect",
    ),
    (
        "dataset=synthetic_images dataset.num_test=9",
        "dataset.num_test: must be at least dataset.num_classes=10, got 9",
        "dataset=synthetic_images dataset.num_test=9 dataset.num_classes=9",
    ),
]


@pytest.mark.parametrize(("command", "message", "sound"), RULES)
def test_each_rule_refuses_one_and_lets_the_other_pass(command: str, message: str | None, sound: str) -> None:
    problems = check(made(*command.split()))
    assert len(problems) == (message is not None)
    assert message is None or problems[0].startswith(message)
    assert check(made(*sound.split())) == []


def test_rules_hold_beside_bad_values() -> None:
    problems = check(made("batch_size=full", "drop_last=true", "depth=two", "val_fraction=x", "hardware.num_workers=none"))
    keys = [problem.split(":")[0] for problem in problems]
    assert keys == ["hardware.num_workers", "depth", "val_fraction", "drop_last", "hardware.num_workers"]

"""The runs of the comparison `sweep` as a plain script of PyTorch with Hydra: it uses nothing of dlexp, and records nothing.

It has the same data, model, optimizer, batches and evaluations as the runs that it is compared with.
"""

from dataclasses import dataclass

import hydra
import numpy as np
import torch
from hydra.core.config_store import ConfigStore
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split
from torch import Tensor, nn


@dataclass
class Settings:
    """The settings of a run."""

    seed: int = 0
    epochs: int = 1


BATCH, WIDTH, RATE = 32, 64, 1e-3
ENDED = "run"  # begins the line of a run that has ended

ConfigStore.instance().store(name="settings", node=Settings)


def make_splits() -> list[tuple[Tensor, Tensor]]:
    """Training, validation and test examples, scaled by the training examples."""
    inputs, targets = make_moons(1000, noise=0.3, random_state=42)
    inputs, test_inputs, targets, test_targets = _hold_out(inputs, targets, 0.3)
    inputs, val_inputs, targets, val_targets = _hold_out(inputs, targets, 0.1)
    mean, sd = inputs.mean(0), inputs.std(0)
    splits = [(inputs, targets), (val_inputs, val_targets), (test_inputs, test_targets)]
    return [(torch.from_numpy((features - mean) / sd).float(), torch.from_numpy(classes)) for features, classes in splits]


def _hold_out(inputs: np.ndarray, targets: np.ndarray, share: float) -> list[np.ndarray]:
    return train_test_split(inputs, targets, test_size=share, stratify=targets, random_state=0)


@torch.no_grad()
def measure_accuracy(model: nn.Module, split: tuple[Tensor, Tensor]) -> float:
    """The accuracy on a split."""
    model.eval()
    return (model(split[0]).argmax(1) == split[1]).float().mean().item()


def train(settings: Settings) -> tuple[int, float]:
    """Train a net, and evaluate it after each epoch.

    Returns:
        Number of steps, and the accuracy on the test split.
    """
    torch.set_num_threads(1)
    torch.manual_seed(settings.seed)
    training, val, test = make_splits()
    model = nn.Sequential(nn.Linear(2, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2))
    optimizer, loss = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True), nn.CrossEntropyLoss()
    num_steps = 0
    for _ in range(settings.epochs):
        model.train()
        for rows in torch.randperm(len(training[1])).split(BATCH):
            optimizer.zero_grad()
            loss(model(training[0][rows]), training[1][rows]).backward()
            optimizer.step()
            num_steps += 1
        measure_accuracy(model, val)
    return num_steps, measure_accuracy(model, test)


@hydra.main(version_base="1.3", config_path=None, config_name="settings")
def main(settings: Settings) -> None:
    """Train one run of a sweep, and print its number of steps and its accuracy."""
    print(ENDED, *train(settings), flush=True)


if __name__ == "__main__":
    main()

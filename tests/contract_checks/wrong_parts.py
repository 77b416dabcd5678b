"""Parts that break the contract of their group, one way each, for tests of the checks that must find it."""

import random
from pathlib import Path

import torch
from torch import nn

from dlexp.contract import Source, Split


class Flattening(nn.Module):
    """Changes the shape."""

    def forward(self, inputs):
        return inputs.relu().flatten(1)


class Noisy(nn.Module):
    """Draws random numbers in eval mode too."""

    def forward(self, inputs):
        return inputs.relu() + 0.1 * torch.rand_like(inputs)


class Deaf(nn.Module):
    """Takes a key and does not use it."""

    def __init__(self, *, slope):
        super().__init__()

    def forward(self, inputs):
        return inputs.relu()


class Bent(nn.Module):
    """Nothing is wrong with this one."""

    def __init__(self, *, slope):
        super().__init__()
        self.slope = slope

    def forward(self, inputs):
        return inputs.where(inputs > 0, self.slope * inputs)


class InPlace(nn.Module):
    """Changes its input."""

    def forward(self, inputs):
        return inputs.clamp_(min=0) if not inputs.requires_grad else inputs.relu()


class Raising(nn.Module):
    """Has an error in its code."""

    def forward(self, inputs):
        return inputs + undefined  # noqa: F821


class NotAMean(nn.Module):
    """Returns a loss for each example."""

    def forward(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets, reduction="none")


class TenOutputs(nn.Module):
    """Ignores the number of outputs."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.head = nn.Linear(torch.Size(input_shape).numel(), 10)

    def forward(self, inputs):
        return self.head(inputs.flatten(1))


class Forgetful(torch.optim.Optimizer):
    """SGD with momentum that is not part of its state."""

    def __init__(self, named_parameters, *, lr):
        super().__init__(named_parameters, {"lr": lr})
        self.velocity = {}

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for index, parameter in enumerate(group["params"]):
                if parameter.grad is not None:
                    before = self.velocity.get(index, torch.zeros_like(parameter))
                    self.velocity[index] = 0.9 * before + parameter.grad
                    parameter -= group["lr"] * self.velocity[index]


def unseeded():
    """A data set that differs each time it is read."""
    generator = torch.Generator().manual_seed(random.SystemRandom().randrange(2**31))
    inputs = torch.randn(60, 2, generator=generator)
    split = Split(inputs, (inputs[:, 0] > 0).long())
    return Source(split, split, ("left", "right"))


def from_file(*, path):
    """A data set that reads a file."""
    text = Path(path).read_text()
    inputs = torch.arange(120.0).view(60, 2) / len(text)
    split = Split(inputs, (torch.arange(60) % 2))
    return Source(split, split, ("even", "odd"))


class Positional(nn.Module):
    """Its key is not keyword-only."""

    def __init__(self, slope):
        super().__init__()


class Unseeded(nn.Module):
    """Two runs with the same seed differ."""

    def __init__(self):
        super().__init__()
        self.slope = random.SystemRandom().random()

    def forward(self, inputs):
        return inputs.where(inputs > 0, self.slope * inputs)

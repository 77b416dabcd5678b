"""Orthogonalised momentum: `optimizer=muon`."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.sgd import sgd

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of x, x**3 and x**5: steepest at 0


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for weights of hidden layers; SGD for the head, biases and norms. Both with Nesterov momentum.

    A weight with two or more dimensions is a matrix W [n, rest] with gradient G; the last one is the head. A hidden weight:
        M = momentum * M + G
        W = W * sqrt(n) / |W|                               (with normalize)
        W = W - lr * orthogonalise(G + momentum * M)

    There are three parameter groups, hidden weights first. A scheduler multiplies the learning rate of each.

    Args:
        named_parameters: Name and tensor of each parameter, in the order of the layers. A parameter without a gradient is not
            changed.
        lr: Learning rate of hidden weights, in units of the weight: an update has singular values near 1.
        momentum: Momentum of hidden weights.
        lr_head: Learning rate of the head.
        lr_bias: Learning rate of parameters with fewer than two dimensions.
        momentum_sgd: Momentum of the head and of parameters with fewer than two dimensions.
        weight_decay: Share of the head and of these parameters that one step subtracts at the full learning rate. It is added
            to the gradient, so momentum applies to it.
        num_iterations: See `orthogonalise`.
        normalize: Whether the norm of each hidden weight is set to sqrt(n) before each step.

    Raises:
        ValueError: If the model has no hidden weight.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks". Differs: iterates in float32.
    """

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, Tensor]],
        *,
        lr: float,
        momentum: float,
        lr_head: float,
        lr_bias: float,
        momentum_sgd: float,
        weight_decay: float,
        num_iterations: int,
        normalize: bool,
    ) -> None:
        named_parameters = list(named_parameters)
        matrices = [(name, tensor) for name, tensor in named_parameters if tensor.dim() >= 2]
        hidden, head = matrices[:-1], matrices[-1:]
        if not hidden:
            raise ValueError("optimizer=muon needs a layer before the head, and the model has none: use optimizer=nesterov.")
        rest = [(name, tensor) for name, tensor in named_parameters if tensor.dim() < 2]
        self.num_iterations, self.normalize = num_iterations, normalize
        groups = [
            {"params": hidden, "lr": lr, "momentum": momentum},
            {"params": head, "lr": lr_head, "momentum": momentum_sgd, "weight_decay": weight_decay / lr_head},
            {"params": rest, "lr": lr_bias, "momentum": momentum_sgd, "weight_decay": weight_decay / lr_bias},
        ]
        super().__init__([group for group in groups if group["params"]], {})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # the loss is never evaluated again
        """Update each parameter that has a gradient, without waiting for the device."""
        hidden, *others = self.param_groups
        self._step_hidden(hidden)
        for group in others:
            params = [tensor for tensor in group["params"] if tensor.grad is not None]
            buffers = [self.state[tensor].get("momentum_buffer") for tensor in params]
            settings = {name: group[name] for name in ("lr", "momentum", "weight_decay")}
            gradients = [tensor.grad for tensor in params]
            sgd(params, gradients, buffers, **settings, dampening=0.0, nesterov=group["momentum"] > 0, maximize=False)
            for tensor, buffer in zip(params, buffers, strict=True):
                if buffer is not None:
                    self.state[tensor]["momentum_buffer"] = buffer

    def _step_hidden(self, group: dict) -> None:
        by_shape: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for weight in group["params"]:
            if weight.grad is None:
                continue
            state = self.state[weight]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(weight)
            buffer = state["momentum_buffer"].mul_(group["momentum"]).add_(weight.grad)
            direction = weight.grad.add(buffer, alpha=group["momentum"]).flatten(1)
            by_shape[tuple(direction.shape)].append((weight, direction))
        for pairs in by_shape.values():
            updates = orthogonalise(torch.stack([direction for _, direction in pairs]), self.num_iterations)
            for (weight, _), update in zip(pairs, updates, strict=True):
                if self.normalize:
                    weight.mul_(len(weight) ** 0.5 / weight.norm().clamp_min(1e-7))
                weight.sub_(update.reshape(weight.shape), alpha=group["lr"])


def orthogonalise(matrices: Float[Tensor, "batch rows columns"], num_iterations: int) -> Float[Tensor, "batch rows columns"]:
    """Move the singular values of matrices near 1, between 0.7 and 1.2 after enough iterations; singular vectors do not change.

    The Newton-Schulz iteration from U S V^T towards U V^T, with a polynomial that is steep at 0 but does not converge to 1.
    """
    a, b, c = COEFFICIENTS
    wide = matrices.mT if matrices.shape[1] > matrices.shape[2] else matrices
    wide = wide / (torch.linalg.matrix_norm(wide, keepdim=True) + 1e-7)  # singular values are at most 1
    for _ in range(num_iterations):
        gram = wide @ wide.mT
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    return wide.mT if matrices.shape[1] > matrices.shape[2] else wide

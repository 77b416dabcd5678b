import pytest
import torch
from torch import nn

from dlexp.parts.probe import grad_flow
from tests.parts.probe.runs import measure, named


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 2)).eval()


INPUTS = torch.randn(300, 3, generator=torch.Generator().manual_seed(1))
TARGETS = (INPUTS[:, 0] > 0).long()


@pytest.mark.parametrize("chunk", [1000, 128, 7])
def test_gradients_are_those_of_backward(model, chunk, monkeypatch):
    monkeypatch.setattr(grad_flow, "CHUNK", chunk)
    found = named(measure("grad_flow", model, INPUTS, TARGETS))
    nn.CrossEntropyLoss()(model(INPUTS), TARGETS).backward()
    assert {layer for layer, _ in found} == {"0.weight", "0.bias", "3.weight", "3.bias"}
    for path, parameter in model.named_parameters():
        assert found[path, "mean_abs"] == pytest.approx(float(parameter.grad.abs().mean()), rel=1e-5)
        assert found[path, "norm"] == pytest.approx(float(parameter.grad.norm()), rel=1e-5)


def test_gradients_of_the_last_step_are_neither_counted_nor_lost(model):
    fresh = named(measure("grad_flow", model, INPUTS, TARGETS))
    nn.CrossEntropyLoss()(model(INPUTS[:9]), TARGETS[:9]).backward()
    before = [parameter.grad.clone() for parameter in model.parameters()]
    assert named(measure("grad_flow", model, INPUTS, TARGETS)) == fresh
    assert all(torch.equal(parameter.grad, old) for parameter, old in zip(model.parameters(), before, strict=True))

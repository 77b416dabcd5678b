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


class Greedy(nn.Identity):
    """Runs out of memory the first time."""

    num_calls = 0

    def forward(self, inputs):
        self.num_calls += 1
        if self.num_calls == 1:
            raise torch.OutOfMemoryError
        return inputs


@pytest.mark.parametrize("last", [nn.Identity, Greedy])
def test_where_batch_norm_takes_the_statistics_of_the_batch_it_is_differentiated_whole(model, last, monkeypatch):
    monkeypatch.setattr(grad_flow, "CHUNK", 100)
    model = nn.Sequential(nn.BatchNorm1d(3), *model, last())
    model[0].train()
    found = named(measure("grad_flow", model, INPUTS, TARGETS))
    nn.CrossEntropyLoss()(model(INPUTS), TARGETS).backward()
    for path, parameter in model.named_parameters():
        assert found[path, "norm"] == pytest.approx(float(parameter.grad.norm()), rel=1e-5)


def test_a_batch_that_never_fits_into_memory_is_an_error(model):
    model = nn.Sequential(nn.BatchNorm1d(3), *model)
    model.register_forward_hook(lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    with pytest.raises(torch.OutOfMemoryError):
        measure("grad_flow", model, INPUTS, TARGETS)

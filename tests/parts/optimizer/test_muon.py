import copy

import pytest
import torch
from torch import nn

from dlexp.parts.optimizer.muon import orthogonalise
from tests.options import make

SETTINGS = {"lr": 0.1, "momentum": 0.6, "lr_head": 0.3, "lr_bias": 0.2, "momentum_sgd": 0.8, "weight_decay": 0.03}


def make_net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(32, 4)
    )


def train(net, optimizer, num_steps, seed=1):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(num_steps):
        optimizer.zero_grad()
        net(torch.randn(16, 3, 8, 8, generator=generator)).square().mean().backward()
        optimizer.step()


def spread(matrices):
    values = torch.linalg.svdvals(matrices)
    return float(values.min()), float(values.max())


@pytest.mark.parametrize("shape", [(3, 20, 50), (2, 50, 20), (1, 16, 16)])
def test_orthogonalised_matrices_keep_their_singular_vectors_and_have_singular_values_near_one(shape):
    matrices = torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    updates = orthogonalise(matrices, 8)
    low, high = spread(updates)
    assert 0.65 < low < high < 1.25
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    inside = left.mT @ updates @ right.mT
    torch.testing.assert_close(inside, torch.diag_embed(inside.diagonal(dim1=1, dim2=2)), rtol=0, atol=1e-6)


def test_more_iterations_lift_small_singular_values():
    matrices = torch.diag(torch.tensor([1.0, 0.1, 0.01]))[None]
    lowest = [spread(orthogonalise(matrices, count))[0] for count in (1, 3, 5)]
    assert lowest == sorted(lowest)
    assert lowest[0] < 0.1 < 0.6 < lowest[2]


def test_a_matrix_is_orthogonalised_alike_alone_and_beside_others():
    matrices = torch.randn(4, 6, 10, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(orthogonalise(matrices, 3)[2:3], orthogonalise(matrices[2:3], 3))


@pytest.mark.parametrize("normalize", [True, False])
def test_hidden_weights_follow_the_formula(normalize):
    net = make_net()
    optimizer = make("optimizer", "muon", **SETTINGS, normalize=normalize)(net.named_parameters())
    weight, buffer = net[3].weight.detach().clone(), torch.zeros(8, 72)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.randn(16, 3, 8, 8, generator=generator)).square().mean().backward()
        gradient = net[3].weight.grad.view(8, 72)
        buffer = 0.6 * buffer + gradient
        update = orthogonalise((gradient + 0.6 * buffer)[None], 3)[0].view_as(weight)
        scale = 8**0.5 / weight.norm() if normalize else 1.0
        weight = weight * scale - 0.1 * update
        optimizer.step()
        torch.testing.assert_close(net[3].weight.detach(), weight)


def test_head_biases_and_norms_are_torchs_nesterov():
    net, twin = make_net(), make_net()
    muon = make("optimizer", "muon", **SETTINGS)(net.named_parameters())
    rest = [parameter for parameter in twin.parameters() if parameter.dim() < 2]
    groups = [
        {"params": [twin[6].weight], "lr": 0.3, "weight_decay": 0.03 / 0.3},
        {"params": rest, "lr": 0.2, "weight_decay": 0.03 / 0.2},
    ]
    sgd = torch.optim.SGD(groups, momentum=0.8, nesterov=True)
    for step in range(3):
        inputs = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        for model, optimizer in ((net, muon), (twin, sgd)):
            optimizer.zero_grad()
            model(inputs).square().mean().backward()
        for one, other in zip(net.parameters(), twin.parameters(), strict=True):
            one.grad = other.grad.clone()
        muon.step()
        sgd.step()
    for one, other in zip(net.parameters(), twin.parameters(), strict=True):
        if one.dim() < 2 or one is net[6].weight:
            assert torch.equal(one, other)


def test_what_is_frozen_or_has_no_gradient_is_left_alone():
    net = make_net()
    net[0].weight.requires_grad = False
    optimizer = make("optimizer", "muon", **SETTINGS)(net.named_parameters())
    before = [parameter.clone() for parameter in net.parameters()]
    optimizer.step()
    assert all(torch.equal(parameter, old) for parameter, old in zip(net.parameters(), before, strict=True))
    train(net, optimizer, 1)
    changed = [not torch.equal(parameter, old) for parameter, old in zip(net.parameters(), before, strict=True)]
    assert changed == [False, *[True] * (len(before) - 1)]


def test_memory_layout_changes_no_more_than_rounding():
    nets = [make_net(), make_net().to(memory_format=torch.channels_last)]
    for net in nets:
        train(net, make("optimizer", "muon", **SETTINGS)(net.named_parameters()), 2)
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_goes_on_after_a_resume_as_if_nothing_had_happened(tmp_path):
    net = make_net()
    optimizer = make("optimizer", "muon", **SETTINGS)(net.named_parameters())
    train(net, optimizer, 3)
    torch.save((net.state_dict(), optimizer.state_dict()), tmp_path / "state.pt")
    resumed = make_net()
    weights, state = torch.load(tmp_path / "state.pt", weights_only=True)
    resumed.load_state_dict(copy.deepcopy(weights))
    again = make("optimizer", "muon", **SETTINGS)(resumed.named_parameters())
    again.load_state_dict(state)
    for model, one in ((net, optimizer), (resumed, again)):
        train(model, one, 2, seed=2)
    assert all(torch.equal(*pair) for pair in zip(net.parameters(), resumed.parameters(), strict=True))


def test_a_scheduler_scales_all_learning_rates_together():
    optimizer = make("optimizer", "muon", **SETTINGS)(make_net().named_parameters())
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.15, 0.1])


def test_a_net_without_biases_has_no_empty_group():
    net = nn.Sequential(nn.Linear(4, 8, bias=False), nn.Linear(8, 2, bias=False))
    optimizer = make("optimizer", "muon", **SETTINGS)(net.named_parameters())
    assert [group["param_names"] for group in optimizer.param_groups] == [["0.weight"], ["1.weight"]]


def test_a_head_alone_is_refused():
    with pytest.raises(ValueError, match="optimizer=muon needs a layer before the head"):
        make("optimizer", "muon")(nn.Linear(2, 2).named_parameters())

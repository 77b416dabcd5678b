import pytest
import torch
from torch import nn

from tests.options import make, make_model, options
from tests.parts.init.test_init import no_examples

SHAPE = (6, 2)


def pair(**keys):
    """Both cells, with the same weights."""
    fused, loop = (make_model("lstm", SHAPE, 3, cell=cell, **keys) for cell in ("fused", "loop"))
    loop.load_state_dict(fused.state_dict())
    return fused, loop


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_both_cells_compute_the_same_outputs_and_gradients(depth):
    fused, loop = pair(depth=depth)
    inputs = torch.randn(5, *SHAPE)
    outputs = [model(inputs) for model in (fused, loop)]
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=0)
    for value in outputs:
        value.square().sum().backward()
    for one, other in zip(fused.parameters(), loop.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=0)


def test_the_cell_asked_for_is_the_one_used(monkeypatch):
    fused, loop = pair()
    monkeypatch.setattr(nn.LSTM, "forward", lambda *_: pytest.fail("fused"))
    loop(torch.randn(5, *SHAPE))
    with pytest.raises(pytest.fail.Exception, match="fused"):
        fused(torch.randn(5, *SHAPE))


@pytest.mark.parametrize("cell", ["fused", "loop"])
@pytest.mark.parametrize("depth", [2, 3])
def test_dropout_acts_between_layers_while_training(cell, depth):
    model = make_model("lstm", SHAPE, 3, cell=cell, depth=depth, dropout=0.5)
    inputs = torch.randn(5, *SHAPE)
    assert not torch.equal(model(inputs), model(inputs))
    model.eval()
    assert torch.equal(model(inputs), model(inputs))


@pytest.mark.parametrize("cell", ["fused", "loop"])
def test_half_precision_ends_in_a_head_of_float32(cell):
    model = make_model("lstm", SHAPE, 3, cell=cell)
    seen = []
    model.head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    inputs = torch.randn(5, *SHAPE)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(inputs)
    exact = model(inputs)
    assert outputs.dtype == seen[0].dtype == torch.float32
    assert 1e-6 < (outputs - exact).abs().max() < 0.05  # the layers below are rounded


def test_every_parameter_has_a_gradient_and_the_sizes_are_torchs():
    model = make_model("lstm", SHAPE, 3, depth=2, width=16)
    assert sum(parameter.numel() for parameter in model.parameters()) == 4 * 16 * (2 + 16 + 2) + 4 * 16 * (16 + 16 + 2) + 17 * 3
    model(torch.randn(5, *SHAPE)).square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() and parameter.grad.any() for parameter in model.parameters())


@pytest.mark.parametrize("init", sorted(set(options("init")) - {"default", "dirac", "dirac_whitening"}))
def test_init_fills_each_gate_as_a_linear_layer(init):
    model = make_model("lstm", (6, 1), 3, depth=2, width=64)
    make("init", init, bias=0.25)(model, no_examples)
    alone = nn.Linear(64, 64)
    make("init", init)(alone, no_examples)
    for into, back, into_bias, back_bias in model.lstm.all_weights:
        assert torch.equal(into_bias + back_bias, torch.full((256,), 0.25))
        for gate in back.chunk(4):
            assert gate.std().item() == pytest.approx(alone.weight.std().item(), rel=0.1)
        assert into.std() > 0


@pytest.mark.gpu
@pytest.mark.parametrize("cell", ["fused", "loop"])
def test_gradients_in_eval_mode_are_there_on_a_gpu(cell):
    model = make_model("lstm", SHAPE, 3, cell=cell)
    inputs = torch.randn(5, *SHAPE)
    model(inputs).sum().backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    model.eval().cuda()
    model(inputs.cuda()).sum().backward()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad.cpu(), gradient, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(5,), (1, 8, 8)])
def test_what_is_no_series_is_refused(shape):
    with pytest.raises(ValueError, match=r"model=lstm needs a series \[T, F\]"):
        make_model("lstm", shape)


def test_a_series_can_be_flattened():
    assert make_model("mlp", SHAPE, 3, widths=[4]).blocks[0].linear.in_features == 12

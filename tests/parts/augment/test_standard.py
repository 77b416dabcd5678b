import numpy as np
import pytest
import torch

from dlexp.contract import ConfigError
from dlexp.parts.augment.none import NoAugment
from dlexp.parts.augment.standard import Standard


def standard(*, flip="random", padding=4, padding_mode="zeros"):
    return Standard(flip=flip, padding=padding, padding_mode=padding_mode)


def images(num_examples=16, shape=(3, 9, 7), dtype=torch.uint8):
    return torch.randint(1, 256, (num_examples, *shape), generator=torch.Generator().manual_seed(0)).to(dtype)


def change(augment, inputs, parameters):
    """The changed images; each target must come back as it was."""
    targets = torch.arange(len(inputs), device=inputs.device)
    outputs, unchanged = augment(inputs, targets, parameters)
    assert unchanged is targets
    return outputs


def one_by_one(inputs, parameters, padding, mode):
    outputs = np.empty_like(inputs)
    height, width = inputs.shape[2:]
    for output, image, (mirrored, dy, dx) in zip(outputs, inputs, parameters, strict=True):
        padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)), mode)
        crop = padded[:, dy : dy + height, dx : dx + width]
        output[:] = crop[:, :, ::-1] if mirrored else crop
    return outputs


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("shape", [(3, 9, 7), (1, 8, 8)])
@pytest.mark.parametrize("mode", ["constant", "reflect"])
@pytest.mark.parametrize(("flip", "padding"), [("random", 4), ("alternating", 6), ("random", 0), ("none", 3)])
def test_equals_numpy_image_by_image(flip, padding, mode, shape, dtype):
    augment = standard(flip=flip, padding=padding, padding_mode={"constant": "zeros"}.get(mode, mode))
    inputs, parameters = images(64, shape, dtype), augment.parameters(64, 0, 2)
    outputs = change(augment, inputs, parameters)
    assert outputs.dtype == dtype
    assert outputs.is_contiguous()
    np.testing.assert_array_equal(outputs.numpy(), one_by_one(inputs.numpy(), parameters.numpy(), padding, mode))


def test_is_a_pure_function_of_its_parameters():
    augment, inputs = standard(padding=2), images()
    parameters = augment.parameters(16, 0, 1)
    before, first = inputs.clone(), change(augment, inputs, parameters)
    torch.rand(3)
    assert torch.equal(first, change(augment, inputs, parameters))
    assert torch.equal(before, inputs)


def test_an_image_does_not_depend_on_its_batch():
    augment, inputs = standard(padding=2), images()
    parameters = augment.parameters(16, 0, 1)
    whole = change(augment, inputs, parameters)
    assert torch.equal(whole[5:6], change(augment, inputs[5:6], parameters[5:6]))


@pytest.mark.parametrize("flip", ["random", "alternating", "none"])
def test_parameters_are_a_function_of_seed_and_epoch_alone(flip):
    augment, before = standard(flip=flip), torch.get_rng_state()
    first = augment.parameters(50, 1, 3)
    assert torch.equal(first, augment.parameters(50, 1, 3))
    assert not torch.equal(first, augment.parameters(50, 2, 3))
    assert not torch.equal(first, augment.parameters(50, 1, 4))
    assert torch.equal(before, torch.get_rng_state())


def test_flips_do_not_depend_on_the_padding_nor_crops_on_the_flips():
    narrow, wide, alternating, none = (
        standard(**keys).parameters(100, 0, 4) for keys in ({"padding": 0}, {}, {"flip": "alternating"}, {"flip": "none"})
    )
    assert torch.equal(narrow[:, 0], wide[:, 0])
    assert torch.equal(wide[:, 1:], alternating[:, 1:])
    assert torch.equal(wide[:, 1:], none[:, 1:])


def test_alternating_flips_begin_as_random_ones_and_show_the_other_side_every_next_epoch():
    epochs = [standard(flip="alternating").parameters(100, 5, epoch)[:, 0] for epoch in range(1, 6)]
    assert torch.equal(epochs[0], standard().parameters(100, 5, 1)[:, 0])
    for now, then in zip(epochs, epochs[1:], strict=False):
        assert torch.equal(then, 1 - now)


def test_a_reflected_border_has_no_new_pixel():
    parameters = torch.tensor([[0, 0, 0]], dtype=torch.int16)
    image = torch.arange(9).view(1, 1, 3, 3)
    outputs = change(standard(padding=2, padding_mode="reflect"), image, parameters)
    assert outputs.flatten().tolist() == [8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_half_are_flipped_and_every_offset_is_equally_likely():
    parameters = standard().parameters(9000, 0, 1)
    assert parameters[:, 0].float().mean() == pytest.approx(0.5, abs=0.03)
    for column in (1, 2):
        counts = parameters[:, column].long().bincount(minlength=9)
        assert len(counts) == 9
        assert counts.float().sub(1000).abs().max() < 150


@pytest.mark.parametrize(("flip", "padding", "columns"), [("none", 4, [0]), ("random", 0, [1, 2])])
def test_what_is_off_stays_off(flip, padding, columns):
    parameters = standard(flip=flip, padding=padding).parameters(200, 0, 1)
    assert not parameters[:, columns].any()
    assert parameters.any()


def test_centre_crop_without_flip_changes_nothing():
    parameters = torch.tensor([[0, 4, 4]] * 16, dtype=torch.int16)
    assert torch.equal(change(standard(), images(), parameters), images())


def test_nothing_to_do_is_refused():
    with pytest.raises(ConfigError, match="augment=none"):
        standard(flip="none", padding=0)


def test_padding_as_wide_as_the_image_is_refused():
    augment = standard(padding=7)
    with pytest.raises(ConfigError, match=r"augment\.padding: expected less than .* 7, got 7"):
        change(augment, images(), augment.parameters(16, 0, 1))


def test_none_leaves_inputs_alone():
    inputs, parameters = images(), NoAugment().parameters(16, 0, 1)
    assert parameters.shape == (16, 0)
    assert change(NoAugment(), inputs, parameters) is inputs


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gives_the_same_on_a_gpu():
    augment = standard()
    parameters = augment.parameters(16, 0, 1)
    assert torch.equal(change(augment, images().cuda(), parameters.cuda()).cpu(), change(augment, images(), parameters))

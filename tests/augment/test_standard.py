import numpy as np
import pytest
import torch

from dlexp.augment.none import NoAugment
from dlexp.augment.standard import Standard
from dlexp.contract import ConfigError


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(num_examples=16, shape=(3, 9, 7), dtype=torch.uint8):
    return torch.randint(1, 256, (num_examples, *shape), generator=generator()).to(dtype)


def one_by_one(inputs, parameters, padding):
    outputs = np.empty_like(inputs)
    height, width = inputs.shape[2:]
    for output, image, (mirrored, dy, dx) in zip(outputs, inputs, parameters, strict=True):
        padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
        crop = padded[:, dy : dy + height, dx : dx + width]
        output[:] = crop[:, :, ::-1] if mirrored else crop
    return outputs


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("shape", [(3, 9, 7), (1, 8, 8)])
@pytest.mark.parametrize(("flip", "padding"), [(True, 4), (True, 0), (False, 3)])
def test_equals_numpy_image_by_image(flip, padding, shape, dtype):
    augment, inputs = Standard(flip=flip, padding=padding), images(64, shape, dtype)
    parameters = augment.parameters(64, generator())
    outputs = augment(inputs, parameters)
    assert outputs.dtype == dtype
    assert outputs.is_contiguous()
    np.testing.assert_array_equal(outputs.numpy(), one_by_one(inputs.numpy(), parameters.numpy(), padding))


def test_is_a_pure_function_of_its_parameters():
    augment, inputs = Standard(flip=True, padding=2), images()
    parameters = augment.parameters(16, generator())
    before, first = inputs.clone(), augment(inputs, parameters)
    torch.rand(3)
    assert torch.equal(first, augment(inputs, parameters))
    assert torch.equal(before, inputs)


def test_an_image_does_not_depend_on_its_batch():
    augment, inputs = Standard(flip=True, padding=2), images()
    parameters = augment.parameters(16, generator())
    whole = augment(inputs, parameters)
    assert torch.equal(whole[5:6], augment(inputs[5:6], parameters[5:6]))


def test_parameters_come_from_the_generator_alone():
    augment = Standard(flip=True, padding=4)
    assert torch.equal(augment.parameters(50, generator(1)), augment.parameters(50, generator(1)))
    assert not torch.equal(augment.parameters(50, generator(1)), augment.parameters(50, generator(2)))


def test_flips_do_not_depend_on_the_padding():
    narrow, wide = (Standard(flip=True, padding=padding).parameters(100, generator()) for padding in (0, 4))
    assert torch.equal(narrow[:, 0], wide[:, 0])


def test_half_are_flipped_and_every_offset_is_equally_likely():
    parameters = Standard(flip=True, padding=4).parameters(9000, generator())
    assert parameters[:, 0].float().mean() == pytest.approx(0.5, abs=0.03)
    for column in (1, 2):
        counts = parameters[:, column].long().bincount(minlength=9)
        assert len(counts) == 9
        assert counts.float().sub(1000).abs().max() < 150


@pytest.mark.parametrize(("flip", "padding", "columns"), [(False, 4, [0]), (True, 0, [1, 2])])
def test_what_is_off_stays_off(flip, padding, columns):
    parameters = Standard(flip=flip, padding=padding).parameters(200, generator())
    assert not parameters[:, columns].any()
    assert parameters.any()


def test_centre_crop_without_flip_changes_nothing():
    parameters = torch.tensor([[0, 4, 4]] * 16, dtype=torch.int16)
    assert torch.equal(Standard(flip=True, padding=4)(images(), parameters), images())


def test_nothing_to_do_is_refused():
    with pytest.raises(ConfigError, match="augment=none"):
        Standard(flip=False, padding=0)


def test_padding_as_wide_as_the_image_is_refused():
    augment = Standard(flip=True, padding=7)
    with pytest.raises(ConfigError, match=r"augment\.padding: expected less than .* 7, got 7"):
        augment(images(), augment.parameters(16, generator()))


def test_none_leaves_inputs_and_generator_alone():
    drawn, untouched, inputs = generator(), generator(), images()
    parameters = NoAugment().parameters(16, drawn)
    assert parameters.shape == (16, 0)
    assert NoAugment()(inputs, parameters) is inputs
    assert torch.equal(drawn.get_state(), untouched.get_state())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gives_the_same_on_a_gpu():
    augment = Standard(flip=True, padding=4)
    parameters = augment.parameters(16, generator())
    assert torch.equal(augment(images().cuda(), parameters.cuda()).cpu(), augment(images(), parameters))

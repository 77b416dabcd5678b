"""Random numbers for each pixel, and the augmentations that use them: gaussian_noise and salt_and_pepper."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from dlexp.parts.augment.hashing import draw_keys, draw_normal, draw_uniform
from tests.parts.augment.images import change, make, smooth_images


def keys(number, seed=0):
    return draw_keys(number, torch.Generator().manual_seed(seed))


def mix(bits):
    """The finalizer of MurmurHash3, as published, on unsigned integers."""
    bits = bits.copy()
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        bits ^= bits >> np.uint32(shift)
        bits *= np.uint32(factor)
    return bits


def test_the_hash_is_that_of_murmur():
    drawn = keys(50)
    places = mix(np.arange(300, dtype=np.uint32))
    bits = mix(places[None] ^ drawn.numpy().view(np.uint32))
    expected = ((bits >> np.uint32(8)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-24)
    np.testing.assert_array_equal(draw_uniform(drawn, 300).numpy(), expected)


def test_uniform_numbers_fill_the_interval_evenly():
    drawn = draw_uniform(keys(200), 3001)
    assert 0 < drawn.min() < 1e-4
    assert 1 - 1e-4 < drawn.max() < 1
    counts = (drawn.flatten() * 20).long().bincount()
    assert len(counts) == 20
    assert counts.float().tolist() == pytest.approx([200 * 3001 / 20] * 20, rel=0.03)


@pytest.mark.parametrize("count", [3001, 3072])
def test_normal_numbers_have_mean_0_deviation_1_and_their_tails(count):
    drawn = draw_normal(keys(200), count)
    assert drawn.shape == (200, count)
    assert drawn.mean().item() == pytest.approx(0, abs=0.005)
    assert drawn.std().item() == pytest.approx(1, abs=0.005)
    for bound, share in ((1, 0.31731), (2, 0.0455), (3, 0.0027)):
        assert (drawn.abs() > bound).float().mean().item() == pytest.approx(share, rel=0.06)


def test_numbers_of_neighbours_are_independent():
    """Of the same key at neighbouring places, of the same place with keys that follow each other, and of the two halves."""
    drawn = draw_normal(torch.arange(400, dtype=torch.int32)[:, None], 1000).double()
    pairs = ((drawn[:, 1:], drawn[:, :-1]), (drawn[1:], drawn[:-1]), (drawn[:, :500], drawn[:, 500:]))
    for one, other in pairs:
        assert torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1].abs() < 0.01


def test_gaussian_noise_adds_what_torchvision_would(monkeypatch):
    augment, inputs = make("gaussian_noise", sigma=0.2), smooth_images()
    parameters = augment.parameters(16, 0, 1)
    noise = draw_normal(parameters, inputs[0].numel()).view(inputs.shape)
    monkeypatch.setattr(torch, "randn_like", lambda images: noise)
    expected = functional.gaussian_noise(inputs / 255, mean=0.0, sigma=0.2, clip=True)
    assert (change(augment, inputs, parameters).float() - expected * 255).abs().max() <= 0.51


def test_salt_and_pepper_changes_the_given_share_half_to_white():
    augment, inputs = make("salt_and_pepper", amount=0.2), torch.full((500, 3, 20, 10), 100, dtype=torch.uint8)
    outputs = change(augment, inputs, augment.parameters(500, 0, 1))
    assert (outputs == outputs[:, :1]).all()
    assert set(outputs.unique().tolist()) == {0, 100, 255}
    for value in (0, 255):
        assert (outputs == value).float().mean().item() == pytest.approx(0.1, abs=0.005)


def test_images_have_noise_of_their_own():
    augment, inputs = make("gaussian_noise"), torch.full((8, 1, 6, 6), 128, dtype=torch.uint8)
    outputs = change(augment, inputs, augment.parameters(8, 0, 1))
    assert len({image.numpy().tobytes() for image in outputs}) == 8

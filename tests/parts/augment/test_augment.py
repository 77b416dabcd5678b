"""What every augmentation that changes each image by itself has in common."""

import pytest
import torch

from tests.parts.augment.images import ALONE, MIXING, change, make, smooth_images


@pytest.mark.parametrize("option", ALONE)
def test_an_image_does_not_depend_on_its_batch_nor_on_the_process(option):
    augment, inputs = make(option), smooth_images()
    parameters = augment.parameters(16, 0, 1)
    before = inputs.clone()
    whole = change(augment, inputs, parameters)
    torch.rand(3)
    # float32 sums of another batch may round differently
    assert (whole[5:6].int() - change(augment, inputs[5:6], parameters[5:6]).int()).abs().max() <= 1
    assert torch.equal(before, inputs)
    assert whole.is_contiguous()


@pytest.mark.parametrize("option", ALONE)
def test_images_change_and_differ_from_epoch_to_epoch(option):
    augment, inputs = make(option), smooth_images(64)
    first, second = (change(augment, inputs, augment.parameters(64, 3, epoch)) for epoch in (1, 2))
    assert (first != inputs).any()
    assert (first != second).any()


@pytest.mark.parametrize("option", ALONE)
def test_floats_become_what_bytes_become(option):
    one = {"num_ops": 1} if option == "randaugment" else {}  # a second one begins with what was rounded
    augment, inputs = make(option, **one), smooth_images()
    parameters = augment.parameters(16, 0, 1)
    of_bytes, of_floats = (change(augment, images, parameters) for images in (inputs, inputs.float()))
    assert (of_bytes.float() - of_floats).abs().max() <= 1
    assert of_floats.min() >= 0
    assert of_floats.max() <= 255


@pytest.mark.parametrize("option", [*ALONE, "mixup", "cutmix"])
def test_rows_are_a_function_of_seed_and_epoch_alone(option):
    augment, before = make(option), torch.get_rng_state()
    first = augment.parameters(50, 1, 3)
    assert torch.equal(first, augment.parameters(50, 1, 3))
    for other in (augment.parameters(50, 2, 3), augment.parameters(50, 1, 4)):
        assert not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("option", [*ALONE, *MIXING])
def test_a_gpu_changes_images_as_a_cpu_does(option):
    augment, inputs = make(option), smooth_images(64)
    parameters, targets = augment.parameters(64, 0, 1), torch.eye(64)
    on_cpu, of_cpu = augment(inputs, targets, parameters)
    on_gpu, of_gpu = augment(inputs.cuda(), targets.cuda(), parameters.cuda())
    # A place halfway between two pixels, and a pixel halfway between two values, may be rounded either way.
    assert ((on_cpu.int() - on_gpu.cpu().int()).abs() > 1).float().mean() < 0.001
    torch.testing.assert_close(of_gpu.cpu(), of_cpu)

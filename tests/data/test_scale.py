import pytest
import torch

from dlexp.contract import ConfigError
from dlexp.data.scale import fit_scale


def images(num_examples=40):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(20, 240, (num_examples, 3, 5, 4), generator=generator)
    return (pixels // torch.tensor([1, 2, 5]).view(3, 1, 1)).to(torch.uint8)


def features(num_examples=40):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(num_examples, 4, generator=generator) * torch.tensor([1.0, 10, 0.1, 3]) - 2


def scaled(inputs, scale):
    shift, factor = fit_scale(inputs, scale)
    assert shift.dtype == factor.dtype == torch.float32
    assert (
        shift.shape
        == factor.shape
        == ((3, 5, 4) if scale == "standardize_features" else (3, 1, 1) if inputs.dim() == 4 else (4,))
    )
    values = (inputs - shift) * factor
    return values.transpose(0, 1).flatten(1)  # one row a channel or feature


@pytest.mark.parametrize(
    ("inputs", "scale"),
    [
        (images(), {"mean": [1e38], "std": [1]}),
        (images(), {"mean": [0], "std": [1e-39]}),
        (features(), {"mean": [1], "std": [1e-38]}),
        (features() * 1e-40, "standardize"),
        (features() * 1e-40, "minmax"),
        (features() * 1e-40, "unit"),
    ],
)
def test_a_scale_that_leaves_float32_is_refused(inputs, scale):
    with pytest.raises(ConfigError, match=r"dataset\.scale: expected scaled inputs that float32 can hold"):
        fit_scale(inputs, scale)


both = pytest.mark.parametrize("inputs", [images(), features()], ids=["images", "features"])


@both
def test_none_changes_nothing(inputs):
    assert torch.equal(scaled(inputs, "none"), inputs.float().transpose(0, 1).flatten(1))


@both
def test_unit_divides_by_the_largest_absolute_value_of_all(inputs):
    values = scaled(inputs, "unit")
    assert values.abs().max() == pytest.approx(1)
    torch.testing.assert_close(values * inputs.float().abs().max(), inputs.float().transpose(0, 1).flatten(1))


@both
def test_standardize_gives_mean_0_and_sd_1_each(inputs):
    values = scaled(inputs, "standardize").double()
    torch.testing.assert_close(values.mean(1), torch.zeros(len(values)).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(values.std(1, correction=0), torch.ones(len(values)).double(), atol=1e-6, rtol=0)


@both
def test_minmax_gives_0_to_1_each(inputs):
    values = scaled(inputs, "minmax")
    torch.testing.assert_close(values.amin(1), torch.zeros(len(values)), atol=1e-6, rtol=0)
    torch.testing.assert_close(values.amax(1), torch.ones(len(values)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", ["none", "unit", "standardize", "minmax", {"mean": [1, 2], "std": [3, 4]}])
def test_each_feature_of_a_series_is_scaled_over_all_its_steps(scale):
    series = features().view(10, 8, 2)
    expected = fit_scale(features().view(80, 2), scale)
    for got, wanted in zip(fit_scale(series, scale), expected, strict=True):
        assert got.shape == (2,)
        torch.testing.assert_close(got, wanted, rtol=0, atol=0)


def test_standardize_equals_scikit_learn():
    from sklearn.preprocessing import StandardScaler

    shift, factor = fit_scale(features(), "standardize")
    expected = StandardScaler().fit_transform(features().numpy())
    torch.testing.assert_close(
        ((features() - shift) * factor), torch.from_numpy(expected), check_dtype=False, atol=1e-5, rtol=1e-5
    )


def test_standardize_features_equals_scikit_learn_on_flat_images():
    from sklearn.preprocessing import StandardScaler

    inputs = images(300)
    inputs[:, 1, 2, 3] = 7  # a pixel that never changes
    shift, factor = fit_scale(inputs, "standardize_features")
    expected = StandardScaler().fit_transform(inputs.flatten(1).double().numpy())
    assert factor[1, 2, 3] == 1
    values = ((inputs - shift) * factor).flatten(1)
    torch.testing.assert_close(values, torch.from_numpy(expected), check_dtype=False, atol=1e-5, rtol=1e-5)


def test_standardize_features_is_for_images():
    with pytest.raises(ConfigError, match="needs images: standardize does it"):
        fit_scale(features(), "standardize_features")


@pytest.mark.parametrize("std", [[0.2023, 0.1994, 0.2010], [0.5]])
def test_fixed_numbers_are_those_of_torchvision(std):
    from torchvision.transforms import Normalize

    mean = [0.4914, 0.4822, 0.4465]
    shift, factor = fit_scale(images(), {"mean": mean, "std": std})
    expected = Normalize(mean, std)(images().float() / 255)
    assert shift.shape == factor.shape == (3, 1, 1)
    torch.testing.assert_close((images() - shift) * factor, expected)


def test_fixed_numbers_of_features_are_in_their_own_unit():
    shift, factor = fit_scale(features(), {"mean": [1], "std": [1, 2, 3, 4]})
    torch.testing.assert_close((features() - shift) * factor, (features() - 1) / torch.tensor([1.0, 2, 3, 4]))


@pytest.mark.parametrize("key", ["mean", "std"])
def test_as_many_fixed_numbers_as_channels_or_one(key):
    with pytest.raises(ConfigError, match=rf"dataset\.scale\.{key}: expected one number, or one for each of 3 .* got 2\."):
        fit_scale(images(), {"mean": [0.5], "std": [0.5]} | {key: [0.5, 0.5]})


@pytest.mark.parametrize("scale", ["standardize", "minmax"])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, -3.7])
def test_constant_feature_becomes_0(scale, value):
    inputs = torch.cat([torch.full((1001, 1), value), torch.randn(1001, 1)], dim=1)
    shift, factor = fit_scale(inputs, scale)
    assert factor[0] == 1
    assert ((inputs - shift) * factor)[:, 0].abs().max() <= abs(value) * 1e-7


@pytest.mark.parametrize("scale", ["unit", "standardize", "standardize_features", "minmax"])
def test_black_images_stay_black(scale):
    shift, factor = fit_scale(torch.zeros(4, 3, 2, 2, dtype=torch.uint8), scale)
    assert not shift.any()
    assert torch.equal(factor, torch.ones_like(factor))


@pytest.mark.parametrize("scale", ["unit", "standardize", "minmax"])
def test_images_are_counted_in_parts_without_a_difference(scale):
    inputs = images(3000)
    shift, factor = fit_scale(inputs, scale)
    pixels = inputs.double().transpose(0, 1).flatten(1)
    spread = {
        "unit": pixels.max().expand(3),
        "standardize": pixels.std(1, correction=0),
        "minmax": pixels.amax(1) - pixels.amin(1),
    }
    torch.testing.assert_close(factor.flatten(), (1 / spread[scale]).float())

"""Raw pixels, from 0 to 255, as float32 and back."""

from torch import Tensor, dtype

from dlexp.contract import ConfigError, Images

WHITE = 255  # the largest value of a raw pixel


def to_raw(values: Tensor, kind: dtype) -> Images:
    """Turn computed pixels into raw ones: between 0 and 255, and rounded if they are integers.

    Args:
        values: Pixels of a floating-point dtype, which are overwritten.
        kind: The dtype of the images that they were computed from.
    """
    values.clamp_(0, WHITE)
    return values.to(kind) if kind.is_floating_point else values.round_().to(kind)


def check_channels(inputs: Images, what: str, advice: str, *, grey: bool = False) -> None:
    """Check that images have three channels: red, green and blue.

    Args:
        inputs: The images, [B, C, H, W].
        what: What acts on three channels.
        advice: What to do if they have another number.
        grey: Whether one channel will do, too.

    Raises:
        ConfigError: If they have another number.
    """
    if (channels := inputs.shape[1]) != 3 and not (grey and channels == 1):
        expected = "one channel or three" if grey else "three channels"
        raise ConfigError(f"{what}: acts on images of {expected}, and these have {channels}: {advice}.")

import pytest
import torch

from dlexp.contract import ConfigError
from dlexp.data.in_turn import InTurn
from dlexp.data.random_streams import derive_seed
from dlexp.parts.augment.crop import Crop
from dlexp.parts.augment.cutout import Cutout
from dlexp.parts.augment.flip import Flip
from dlexp.parts.augment.none import NoAugment

FACTORIES = {
    "crop": lambda: Crop(padding=2, padding_mode="zeros"),
    "nothing": NoAugment,
    "flip": lambda: Flip(horizontal=0.5, vertical=0.0),
    "cutout": lambda: Cutout(size=3, value=9),
}
IMAGES = torch.randint(0, 256, (20, 3, 9, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
LABELS = torch.arange(20)


@pytest.mark.parametrize(
    "names", [("crop", "nothing", "flip", "cutout"), ("cutout", "flip"), ("nothing", "crop"), ("nothing",)]
)
@pytest.mark.parametrize("rows", [slice(None), slice(3, 4), slice(5, 12)])
def test_applies_each_to_the_result_of_the_one_before(names, rows):
    in_turn = InTurn({name: FACTORIES[name] for name in names})
    outputs, targets = in_turn(IMAGES[rows], LABELS[rows], in_turn.parameters(20, 1, 2)[rows])
    expected = IMAGES[rows]
    for name in names:
        part = FACTORIES[name]()
        expected, _ = part(expected, LABELS[rows], part.parameters(20, derive_seed(1, name), 2)[rows])
    assert torch.equal(outputs, expected)
    assert torch.equal(targets, LABELS[rows])


def test_the_order_counts():
    one, other = (InTurn({name: FACTORIES[name] for name in names}) for names in (("crop", "cutout"), ("cutout", "crop")))
    changed = [augment(IMAGES, LABELS, augment.parameters(20, 0, 1))[0] for augment in (one, other)]
    assert not torch.equal(*changed)


def test_an_error_names_the_key_of_the_option():
    in_turn = InTurn({"flip": FACTORIES["flip"], "crop": lambda: Crop(padding=9, padding_mode="zeros")})
    with pytest.raises(ConfigError, match=r"^augment\.crop\.padding: expected less than"):
        in_turn(IMAGES, LABELS, in_turn.parameters(20, 0, 1))

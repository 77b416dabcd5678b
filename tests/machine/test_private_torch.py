import importlib
import re
from operator import attrgetter

import pytest
import torch

from dlexp.machine.private_torch import FakeTensorMode, call_around_compilation
from tests import ROOT

PRIVATE = re.compile(r"torch\.(\w+\.)*_[a-z]|(from|import) torch[.\w]*\._|from torch[.\w]* import .*\b_[a-zA-Z]|\._cdata")
NAMES = [
    ("torch._subclasses.fake_tensor", "FakeTensorMode"),
    ("torch._dynamo.callback", "callback_handler.start_callbacks"),
    ("torch._dynamo.callback", "callback_handler.register_start_callback"),
    ("torch._dynamo.callback", "callback_handler.register_end_callback"),
]


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_torch_has_the_private_name(module, name):
    try:
        attrgetter(name)(importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        pytest.fail(f"torch {torch.__version__} has no {module}.{name} ({error}): mend dlexp/machine/private_torch.py.")


def test_no_other_file_uses_a_private_name_of_torch():
    files = [path for folder in ("dlexp", "hydra_plugins", "scripts") for path in (ROOT / folder).rglob("*.py")]
    lines = ((path, line) for path in (*files, ROOT / "train.py") for line in path.read_text().splitlines())
    found = {path.name for path, line in lines if PRIVATE.search(line.partition("#")[0])}
    assert found == {"private_torch.py"}


def test_a_fake_tensor_has_a_shape_and_autocasts():
    with FakeTensorMode(), torch.autocast("cpu", torch.bfloat16):
        product = torch.zeros(2**20, 2**10) @ torch.zeros(2**10, 2**20)  # 2 TiB
    assert (product.shape, product.dtype) == ((2**20, 2**20), torch.bfloat16)


def test_functions_are_called_once_around_a_compilation():
    calls = []
    start, end = (lambda _: calls.append("start")), (lambda _: calls.append("end"))
    for _ in range(2):
        call_around_compilation(start, end)
    torch.compile(lambda x: x + 1, backend="eager")(torch.zeros(1))
    assert calls == ["start", "end"]

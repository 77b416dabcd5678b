"""Small labs for tests, and runs with their options in this process."""

from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

from dlexp.config.lab import read_lab
from dlexp.config.options import use_lab

BENT = {
    "conf/activation/bent.yaml": """\
        _target_: my_parts.Bent
        _partial_: true
        _ranges_:
          slope: a number at least 0 and below 1
        slope: 0.1
        """,
    "my_parts.py": '''\
        """Parts of my own."""

        from torch import nn

        from .blocks import bend


        class Bent(nn.Module):
            """A bent line."""

            def __init__(self, *, slope):
                super().__init__()
                self.slope = slope

            def forward(self, inputs):
                return bend(inputs, self.slope)
        ''',
    "blocks.py": '''\
        """What several parts use."""

        import torch


        def bend(inputs, slope):
            return torch.where(inputs > 0, inputs, slope * inputs)
        ''',
}


def write_lab(folder: Path, files: dict[str, str]) -> Path:
    """Write the files of a lab; returns its folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return folder


@contextmanager
def using(folder: Path):
    """Use a lab within the block, and none after it."""
    use_lab(read_lab(folder.resolve()))
    try:
        yield
    finally:
        use_lab(None)

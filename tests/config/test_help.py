import subprocess
import sys

from dlexp.config.help import help_text
from dlexp.config.options import default_choices, groups, list_groups, scalars
from dlexp.config.values import leaves


def test_help_fits_one_screen() -> None:
    lines = help_text().splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100


def test_help_names_every_group_every_option_and_every_key() -> None:
    words = help_text().replace("=", " ").split()
    names = {
        group: [f"*{name}" if name == default_choices()[group] else name for name in groups()[group]]
        for group in default_choices()
    }
    options = {name for several in names.values() for name in several}
    assert {*list_groups()["probe"], *list_groups(), *names, *options, *dict(leaves(scalars()))} <= set(words)


def test_help_needs_neither_hydra_nor_torch() -> None:
    program = "import sys; from dlexp.config.help import help_text; help_text(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"hydra", "torch", "numpy"} & set(done.stdout.split())

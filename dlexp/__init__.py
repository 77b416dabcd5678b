"""A Hydra-configured PyTorch laboratory for ablation studies. Begin with contract.py, then run/execute.py.

In Python: `dlexp.train`, `sweep`, `ablate`, `load_run`, `load_runs`, `compare` and `analyse`; see docs/python.md. Each is
imported when it is first used, so that `import dlexp` loads neither torch nor pandas.
"""

from dlexp import errors as errors  # `except dlexp.errors.ConfigError` needs no further import

__version__ = "0.1.0"
__all__ = ["Run", "Sweep", "ablate", "analyse", "compare", "load_run", "load_runs", "sweep", "train"]

# Name → the module that defines it.
_HOMES = {
    "Run": "dlexp.api.run",
    "Sweep": "dlexp.api.sweep",
    "ablate": "dlexp.api.train",
    "analyse": "dlexp.api.analyse",
    "compare": "dlexp.api.compare",
    "load_run": "dlexp.api.run",
    "load_runs": "dlexp.api.run",
    "sweep": "dlexp.api.train",
    "train": "dlexp.api.train",
}

# Type checkers take a variable of this name to be true. This file imports no module of Python, because `python -m dlexp` would
# take it from the current folder if a file there has its name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlexp.api.analyse import analyse
    from dlexp.api.compare import compare
    from dlexp.api.run import Run, load_run, load_runs
    from dlexp.api.sweep import Sweep
    from dlexp.api.train import ablate, sweep, train


def __getattr__(name: str) -> object:
    """Import what is asked for, from its own module."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dlexp' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The names above, also those that were not imported yet."""
    return sorted({*globals(), *__all__})

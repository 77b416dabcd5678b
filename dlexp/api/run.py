"""A run in Python: its config, its numbers, and the model that it trained."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dlexp.analysis.read.load import add_mode, concatenate_csv
from dlexp.analysis.read.load import load_runs as load_runs  # re-exported
from dlexp.api.process import borrowing_process, choose_lab
from dlexp.config import plain_yaml
from dlexp.config.plain_json import FormError
from dlexp.config.values import make_printable, show_path
from dlexp.errors import ConfigError
from dlexp.run.numbers import format_value
from dlexp.run.record.checksums import check_file
from dlexp.run.record.forms import read_summary_file
from dlexp.run.record.scores import TESTED
from dlexp.trained.find import find_run

if TYPE_CHECKING:  # they load torch, which reading a run's numbers does not need
    from torch import nn

    from dlexp.contract import Dataset
    from dlexp.trained.load import Trained

METRICS = ("epoch", "step", "lr")  # columns of a table that has no rows yet
PROBES = ("epoch", "probe", "mode", "layer", "name", "value")


class Run:
    """The folder of a run, which `train` or `load_run` returns. Everything is read from there when it is asked for.

    Args:
        folder: The folder.
        lab: The folder of the lab whose parts the run uses; None: that of `DLEXP_LAB`, or the current folder if it is a lab.
    """

    def __init__(self, folder: str | Path, lab: str | Path | None = None) -> None:
        self.folder, self.lab = Path(folder), None if lab is None else Path(lab)

    @property
    def id(self) -> str:
        """The run's id, 12 hexadecimal digits."""
        return self.folder.name[-12:]

    @property
    def status(self) -> str:
        """How the run ended: done, early_stopped, diverged, failed or oom; `interrupted` if it has not."""
        return self.summary.get("status", "interrupted")

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config: group → key → value, and the keys outside the groups.

        Raises:
            ConfigError: If it cannot be read.
        """
        try:
            check_file(self.folder, "config.yaml")
            return plain_yaml.parse(plain_yaml.read(self.folder / "config.yaml"))
        except (OSError, ValueError) as error:
            raise _unreadable(self.folder / "config.yaml", error) from error

    @property
    def summary(self) -> dict[str, Any]:
        """The content of summary.json: status, choices, metrics, times, versions; empty until the run has ended.

        Raises:
            ConfigError: If it cannot be read.
        """
        try:
            return read_summary_file(self.folder)
        except FileNotFoundError:
            return {}
        except FormError as error:
            raise ConfigError(f"{show_path(str(self.folder))}: {error}.") from error

    @property
    def metrics(self) -> pd.DataFrame:
        """One row per epoch, as in metrics.csv: `epoch, step, lr, train/loss` ... Epoch 0 is the untrained model."""
        return _read_table(self.folder / "metrics.csv", METRICS)

    @property
    def probes(self) -> pd.DataFrame:
        """One row per measurement of a probe: `epoch, probe, mode, layer, name, value`; empty without probes."""
        return add_mode(_read_table(self.folder / "probes.csv", PROBES))

    def model(self, device: str = "cpu") -> "nn.Module":
        """Build the model with the weights that were tested, in eval mode.

        Its inputs are scaled; `predict` takes raw ones.

        Args:
            device: `cpu`, `cuda` or `auto`.

        Raises:
            ConfigError: If the run has no trained model, or if it needs a lab that is not in use.
            CheckpointError: If its weights are missing or damaged.
        """
        with self._loading() as trained:
            return trained.model(device)

    def predict(self, inputs: Any, *, top: int = 1, device: str = "cpu") -> pd.DataFrame:
        """Predict the classes of new inputs, or numbers for a regression. Inputs are preprocessed as the run's test split was.

        Args:
            inputs: For images: the path of a file or a folder, an image of Pillow, an array uint8 [N, C, H, W], [N, H, W, C],
                or [N, H, W], or a list of these. For tables: the path of a CSV file, or a data frame with the columns of the
                training table. For other data: an array float [N, F] or [N, T, F], or the path of an .npz file.
            top: Number of classes for each input, the most probable first.
            device: As of `model`.

        Returns:
            `input` (the file, or the number of the row), with `top` above 1 `rank`, then `class` and `probability`; for a
            regression `input` and `prediction`.

        Raises:
            ConfigError: If the inputs are not such as the model was trained on; as of `model`.
            DatasetError: If a file cannot be read.
        """
        from dlexp.trained.predict import predict

        with self._loading() as trained:
            return predict(trained, inputs, top=top, device=device)

    def dataset(self, **paths: str | Path) -> "Dataset":
        """Read the very splits that the run used: `train`, `val` and `test`, each with `inputs` and `targets`.

        Args:
            paths: Where its files are now, if they were moved: `data_dir`, or a key of its data set such as `root`.

        Raises:
            DatasetError: If the files cannot be read, or are not those that the run used.
        """
        with self._loading() as trained:
            return trained.dataset(**paths)

    def report(self) -> Path:
        """Write the page of the run, report.html in its folder, and return its path."""
        from dlexp.analysis.report.one_run.page import build_run_report

        return build_run_report(self.folder)

    @contextmanager
    def _loading(self) -> "Iterator[Trained]":
        """The trained run, within a context in which torch may be used."""
        from dlexp.trained.load import load_trained

        with borrowing_process(choose_lab(self.lab)):
            yield load_trained(self.folder)

    def __repr__(self) -> str:
        """Its folder and how it ended."""
        return f"Run({str(self.folder)!r}, status={self.status!r})"

    def _repr_html_(self) -> str:
        """Its name, its test metrics and its learning curve, for a notebook."""
        from dlexp.api.html import show_curve, show_lines

        summary = self.summary
        metrics, seconds = summary.get("metrics") or {}, summary.get("seconds") or {}
        parts = [self.status, *(f"{name} {format_value(name, metrics[name])}" for name in metrics if name in TESTED)]
        parts += [f"{seconds['train']:.1f} s of training"] if "train" in seconds else []
        lines = [self.folder.name, ", ".join(parts), *([str(summary["reason"])] if summary.get("reason") else [])]
        return show_lines(lines) + show_curve(self.metrics, summary.get("restored_epoch"))


def load_run(run: str | Path, *, outputs: str | Path = "outputs", lab: str | Path | None = None) -> Run:
    """Find a run, finished or not.

    Args:
        run: The path of its folder, the name of its folder, or its id (at least the first four digits).
        outputs: The folder below which a run is searched by id or name.
        lab: As in `Run`.

    Raises:
        ConfigError: If there is no such run, or if several match.
    """
    return Run(find_run(run, outputs), lab)


def _read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A file of the run as a table; without rows it has these columns."""
    table = concatenate_csv([(path, {})])
    return table if len(table.columns) else pd.DataFrame(columns=list(columns))


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"{show_path(str(path))} cannot be read: {make_printable(str(error))}.")

"""Read all that a page shows of one run. What is missing or damaged is named, and the rest is read."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dlexp.analysis.judge.cells import FINISHED
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.read import folder as run_folder
from dlexp.analysis.read.concatenate import concatenate_csv
from dlexp.analysis.read.folder import DamagedError, DamagedRunWarning, RunFolder
from dlexp.analysis.read.load import add_mode
from dlexp.analysis.report.figures.arrays import Arrays, read_arrays
from dlexp.config import plain_yaml
from dlexp.config.plain_json import FormError
from dlexp.run.record.forms import read_summary_file
from dlexp.run.record.layout import METRICS, RUN_FOLDER_NAME, list_missing

DAMAGED = "damaged"  # the status of a run whose summary.json cannot be read
CELL = "model"  # the key that names the only cell of the study that `as_study` makes
MAX_LAYERS = 500  # of which measurements are shown; a ResNet-50 has 161 tensors
CSV_FILES = ("metrics.csv", "probes.csv")


@dataclass(frozen=True)
class RunContent:
    """The content of a run's folder.

    Args:
        run: Its config and summary, as far as they can be read. The status is `damaged` if summary.json cannot be.
        overrides: The settings that differ from the defaults, as a user types them; None if there is no summary that has them.
        typed: The settings that were typed, where `overrides` is None; those of a default may be among them.
        config_text: config.yaml; empty if it cannot be read.
        curve: metrics.csv: a row per epoch; empty if there is none.
        probes: probes.csv, likewise.
        predictions: The arrays of arrays/predictions.npz; empty if there are none, or if the test loss is null.
        problems: A sentence on each file that is missing or damaged.
    """

    run: RunFolder
    overrides: list[str] | None
    typed: list[str]
    config_text: str
    curve: pd.DataFrame
    probes: pd.DataFrame
    predictions: Arrays
    problems: list[str]

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end, be it by divergence."""
        return self.run.status in FINISHED

    @property
    def slug(self) -> str:
        """The name of the folder without the run's id."""
        return RUN_FOLDER_NAME.sub("", self.run.path.name)


def read_run_content(folder: Path) -> RunContent:
    """Read a run's folder, whatever it lacks."""
    problems: list[str] = []
    with collect_damage(folder, problems):
        run, text = _read_settings(folder, problems)
        fields = {"id": run.id, "seed": run.config.get("seed"), CELL: _cell_name(run)}
        curve, probes = (concatenate_csv([(folder / name, fields)]) for name in CSV_FILES)
        curve, probes = _select_curve(curve, problems), _select_measurements(probes, problems)
        tested = not np.isnan(run.metrics.get("test/loss", 0.0))
        predictions = _read_predictions(folder, problems) if tested else {}
    expected = {"metrics.csv": True, "arrays/predictions.npz": run.status in FINISHED and tested}
    problems += [f"{name} is missing." for name, needed in expected.items() if needed and not (folder / name).exists()]
    return RunContent(run, *_read_overrides(folder), text, curve, probes, predictions, problems)


@contextmanager
def collect_damage(folder: Path, problems: list[str]) -> Iterator[None]:
    """Within this context a `DamagedRunWarning` becomes a problem of the page, in which paths begin at the run's folder."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DamagedRunWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, DamagedRunWarning):
            problems.append(str(warning.message).replace(f"{folder}/", ""))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def as_study(content: RunContent) -> StudyResult:
    """A study whose only run is this one: figures of what probes measured take a study."""
    run = content.run
    row = {"id": run.id, "seed": run.config.get("seed"), CELL: _cell_name(run), "folder": str(run.path), "reason": None}
    runs = pd.DataFrame([row | {"status": FINISHED[0]}])  # whatever its status is: what it measured is drawn
    protocol = {"study": {}, "runs": [{"id": run.id, "cell": {CELL: row[CELL]}, "seed": row["seed"]}]}
    cells = runs[[CELL]].assign(mean=np.nan, n=1, **dict.fromkeys(("diverged", "failed", "missing", "unusable"), 0))
    nothing = pd.DataFrame()
    curve = content.curve if len(content.curve) else pd.DataFrame(columns=[CELL, "id", "epoch"])
    return StudyResult(run.path, protocol, [CELL], runs, cells, [], curve, content.probes, nothing, [])


def _cell_name(run: RunFolder) -> str:
    return str(run.choices.get(CELL, "run"))


def _read_settings(folder: Path, problems: list[str]) -> tuple[RunFolder, str]:
    """The run's config and summary, and the text of config.yaml; each alone if the other is damaged."""
    text = _attempt("config.yaml", lambda: plain_yaml.read(folder / "config.yaml"), problems) or ""
    try:
        return run_folder.read_run_folder(folder), text
    except DamagedError as error:
        why = str(error)
    known = len(problems)
    config = (_attempt("config.yaml", lambda: run_folder.read_config(text), problems) if text else None) or {}
    summary: dict[str, Any] = {"status": "interrupted"}
    try:
        summary = read_summary_file(folder)
    except FileNotFoundError:
        pass
    except FormError as error:
        problems.append(f"{error}.")
        summary = {"status": DAMAGED}
    if (
        text and len(problems) == known and list_missing(folder) != [METRICS]
    ):  # each file can be read, and together they are not a run's
        problems.append(f"The run cannot be read in full: {why}.")
    name = RUN_FOLDER_NAME.search(folder.name)
    return RunFolder(name[1] if name else folder.name, folder, summary["status"], summary.get("reason"), {}, config), text


def _attempt(name: str, read: Callable[[], Any], problems: list[str]) -> Any:
    """What `read` returns; None, and a problem more, if the file cannot be read."""
    try:
        return read()
    except FileNotFoundError:
        problems.append(f"{name} is missing.")
    except (OSError, ValueError) as error:
        problems.append(f"{name} cannot be read: {' '.join(str(error).split())}")
    return None


def _read_overrides(folder: Path) -> tuple[list[str] | None, list[str]]:
    """The overrides in summary.json; and where there are none, those that Hydra recorded."""
    try:
        return _list_texts(read_summary_file(folder)["overrides"]), []
    except (OSError, ValueError, KeyError, TypeError):
        try:
            return None, _list_texts(plain_yaml.parse(plain_yaml.read(folder / ".hydra/overrides.yaml")))
        except (OSError, ValueError, TypeError):
            return None, []


def _list_texts(found: Any) -> list[str]:
    if not isinstance(found, list):
        raise TypeError("not a list")
    return [str(item) for item in found]


def _select_curve(curve: pd.DataFrame, problems: list[str]) -> pd.DataFrame:
    if len(curve) and not {"epoch", "train/loss"} <= set(curve.columns):
        problems.append("metrics.csv has not the columns that training writes.")
        return pd.DataFrame()
    return curve


def _select_measurements(probes: pd.DataFrame, problems: list[str]) -> pd.DataFrame:
    probes = add_mode(probes)
    columns = ["id", "seed", CELL, "epoch", "probe", "mode", "layer", "name", "value"]
    if not len(probes):
        return pd.DataFrame(columns=columns)
    if not set(columns) <= set(probes.columns):
        problems.append("probes.csv has not the columns that training writes.")
        return pd.DataFrame(columns=columns)
    layers = probes["layer"].unique()
    if len(layers) > MAX_LAYERS:
        problems.append(f"probes.csv has {len(layers)} layers; the first {MAX_LAYERS} are shown.")
        return probes[probes["layer"].isin(layers[:MAX_LAYERS])]
    return probes


def _read_predictions(folder: Path, problems: list[str]) -> Arrays:
    arrays = read_arrays(folder / "arrays", "predictions").get(0, {})
    if wrong := next(_find_faults(arrays), None) if arrays else None:
        problems.append(f"arrays/predictions.npz is not what training writes: {wrong}.")
        return {}
    return arrays


def _find_faults(arrays: Arrays) -> Iterator[str]:
    """What prevents the arrays from being shown."""
    if missing := [name for name in ("target", "predicted") if name not in arrays]:
        yield f"it has no {missing[0]}"
        return
    count = len(arrays["target"]) if arrays["target"].ndim else 0
    if not count or arrays["target"].shape != arrays["predicted"].shape:
        yield "target and predicted have not the same shape"
        return
    for name in ("sample", "worst"):
        if name in arrays and not _are_indices(arrays[name], count):
            yield f"{name} does not list examples"
        images = arrays.get(f"{name}_images")
        if images is not None and (
            images.ndim != 4 or images.dtype.kind not in "uif" or len(images) > len(arrays.get(name, ()))
        ):
            yield f"{name}_images are not images"
    yield from _find_faults_of_classes(arrays, count) if "classes" in arrays else _find_faults_of_numbers(arrays)


def _are_indices(array: np.ndarray, count: int) -> bool:
    return array.ndim == 1 and array.dtype.kind in "ui" and bool(((array >= 0) & (array < count)).all())


def _find_faults_of_numbers(arrays: Mapping[str, np.ndarray]) -> Iterator[str]:
    if arrays["target"].ndim != 2 or any(arrays[name].dtype.kind != "f" for name in ("target", "predicted")):
        yield "target and predicted are not numbers [N, K]"


def _find_faults_of_classes(arrays: Mapping[str, Any], count: int) -> Iterator[str]:
    names, confusion = arrays["classes"], arrays.get("confusion", np.zeros(0))
    if names.ndim != 1 or names.dtype.kind != "U" or confusion.shape != (len(names), len(names)):
        yield "classes and confusion have not the same length"
        return
    if confusion.dtype.kind not in "ui" or (confusion < 0).any():
        yield "confusion does not hold counts"
    for name in ("target", "predicted"):
        if not _are_indices(arrays[name], len(names)):
            yield f"{name} is not a class of each example"
    for name in ("p_target", "p_predicted"):
        if name not in arrays or arrays[name].shape != (count,) or arrays[name].dtype.kind != "f":
            yield f"{name} is not a probability of each example"

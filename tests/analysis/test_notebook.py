"""notebooks/analysis.ipynb from a clean kernel."""

import pytest

from tests import ROOT
from tests.analysis.made import make_study

NOTEBOOK = ROOT / "notebooks" / "analysis.ipynb"

nbformat = pytest.importorskip("nbformat", reason="needs nbclient: pip install -e '.[dev]'")
nbclient = pytest.importorskip("nbclient", reason="needs nbclient: pip install -e '.[dev]'")
pytest.importorskip("ipykernel", reason="needs ipykernel: pip install -e '.[dev]'")

AXES = {"activation": ["relu", "tanh"], "depth": [1, 2, 4]}


def test_the_notebook_runs_from_a_clean_kernel(tmp_path, monkeypatch):
    make_study(tmp_path, AXES, range(3))
    monkeypatch.setenv("DLEXP_OUTPUTS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    printed = [output for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type != "stream"]
    assert any("image/png" in output["data"] for output in printed)


def test_no_output_is_stored():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    nbformat.validate(notebook)

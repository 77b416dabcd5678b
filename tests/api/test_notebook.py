"""The notebooks from a clean kernel."""

import pytest

from tests import ROOT
from tests.analysis.made import make_study

NOTEBOOK = ROOT / "notebooks" / "analysis.ipynb"
BATCH_NORM = ROOT / "notebooks" / "bn_demonstration.ipynb"

nbformat = pytest.importorskip("nbformat", reason="needs nbclient: pip install -e '.[dev]'")
nbclient = pytest.importorskip("nbclient", reason="needs nbclient: pip install -e '.[dev]'")
pytest.importorskip("ipykernel", reason="needs ipykernel: pip install -e '.[dev]'")

AXES = {"activation": ["relu", "tanh"], "depth": [1, 2, 4]}


def test_the_notebook_runs_from_a_clean_kernel(tmp_path, monkeypatch):
    make_study(tmp_path, AXES, range(3))
    monkeypatch.setenv("DLEXP_OUTPUTS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    lines = [line for cell in notebook.cells for line in cell.source.splitlines() if "import" in line and "dlexp" in line]
    assert lines == ["import dlexp"]  # the API alone
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    data = [output["data"] for output in shown if output.output_type != "stream"]
    assert sum("image/png" in one for one in data) == 2
    pages = "".join(one.get("text/html", "") for one in data)
    for words in ("data:image/png;base64", "6 runs: 6 done", "compared seed by seed", "probability"):
        assert words in pages
    assert "<progress" not in pages  # the bars are removed
    assert [output.get("name") for output in shown if output.output_type == "stream"] == ["stdout"]  # the verdicts, no warning


def test_the_stop_button_saves_the_state_and_the_same_cell_goes_on(tmp_path, monkeypatch):
    """In a kernel: a bar runs along, an interrupt ends the cell, and the run is resumed by the next one."""
    jupyter_client = pytest.importorskip("jupyter_client")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cell = "dlexp.train(dataset='moons', model='mlp', epochs=100_000)"
    manager, client = jupyter_client.manager.start_new_kernel(cwd=str(tmp_path))
    shown = []

    def watch(message):
        content = message["content"]
        shown.append(content.get("data", {}).get("text/html", content.get("ename", "")))
        if "epoch " in shown[-1] and "<progress" in shown[-1]:
            manager.interrupt_kernel()

    try:
        client.execute_interactive("import dlexp", timeout=60)
        first = client.execute_interactive(cell, output_hook=watch, timeout=60)
        (log,) = tmp_path.glob("outputs/adhoc/*-*/train.log")
        epochs = log.read_text().count("  epoch ")
        second = client.execute_interactive(cell, output_hook=watch, timeout=60)
        after = client.execute_interactive(
            "assert dlexp.load_run(*dlexp.load_runs()['id']).status == 'interrupted'", timeout=60
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    statuses = [reply["content"].get("ename", reply["content"]["status"]) for reply in (first, second, after)]
    assert statuses == ["KeyboardInterrupt", "KeyboardInterrupt", "ok"]
    assert 0 < epochs < log.read_text().count("  epoch ")


def test_batch_norm_by_hand_agrees_with_the_module(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(BATCH_NORM, as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(BATCH_NORM.parent)}}).execute()
    printed = [
        output["text"] for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "stream"
    ]
    assert "norm=bn needs more than one value per channel" in "".join(printed)


@pytest.mark.parametrize("path", [NOTEBOOK, BATCH_NORM], ids=lambda path: path.stem)
def test_no_output_is_stored(path):
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    nbformat.validate(notebook)

"""What `dlexp verify` finds beside flipped bits, which tests/reliability/failures/test_flipped_bits.py turns."""

import gzip
import json
import shutil

import pytest

from dlexp.commands.verify import main
from dlexp.run.record.verify import verify_run, verify_tree
from dlexp.study.sharing import write_json
from tests.runs import MOONS, prepare, run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("finished")
    run(*MOONS, "probe=[weight_stats]", root=root)
    return prepare(*MOONS, "probe=[weight_stats]", root=root).folder


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of the folder of a finished run."""
    return shutil.copytree(finished, tmp_path / "outputs" / "adhoc" / finished.name)


@pytest.mark.parametrize("name", ["config.yaml", "metrics.csv", ".hydra/overrides.yaml", ".hydra"])
def test_a_file_that_a_finished_run_needs_is_lacking(name, folder):
    shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()
    assert verify_run(folder).problems == [f"lacks {name}"]
    assert prepare(*MOONS, "probe=[weight_stats]", root=folder.parents[1]).read_summary() is None


@pytest.mark.parametrize("name", ["checkpoints/best.pt", "arrays/predictions.npz", "probes.csv", "preprocessing.json"])
def test_other_files_may_be_deleted_and_are_counted(name, folder, capsys):
    (folder / name).unlink()
    assert (verify_run(folder).problems, verify_run(folder).gone) == ([], [name])
    assert main([str(folder)]) == 0
    assert capsys.readouterr().out == (
        "1 runs and files of studies: 1 as they were written, 0 damaged.\n1 files of finished runs were deleted.\n"
    )


def test_a_gzipped_table_is_the_one_that_was_written(folder):
    for name in ("metrics.csv", "probes.csv"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / f"{name}.gz").write_bytes(gzip.compress(content.replace(b"0", b"1", 1) if name == "probes.csv" else content))
    assert verify_run(folder).problems == ["probes.csv.gz has changed since the run wrote it (its sha256 is another)"]


def test_a_run_of_an_older_version_has_no_sums(folder):
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(
        json.dumps({key: summary[key] for key in summary if key not in ("files", "checksum", "schema")})
    )
    assert (verify_run(folder).problems, verify_run(folder).summed) == ([], False)


@pytest.mark.parametrize("name", ["0123456789ab/1.json", "0123456789ab.json"])  # the second of an older version
def test_studies_are_verified_at_any_depth_and_without_runs(name, tmp_path, capsys):
    manifest = tmp_path / "a/b/study/sweeps" / name
    write_json(manifest, {"command": "dlexp train", "runs": []})
    assert [(found.path, found.problems) for found in verify_tree(tmp_path)] == [(manifest, [])]
    manifest.write_text(manifest.read_text().replace("dlexp train", "dlexp traim"))
    assert main([str(tmp_path)]) == 1
    assert f"{manifest}: its content is not what was written" in capsys.readouterr().out


def test_outputs_that_are_called_sweeps_have_no_manifests(tmp_path):
    (tmp_path / "sweeps" / "adhoc").mkdir(parents=True)
    (tmp_path / "sweeps" / "adhoc" / "notes.json").write_text("{}")
    assert list(verify_tree(tmp_path)) == []


def test_a_folder_that_is_not_there_is_refused(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "there is no such folder" in capsys.readouterr().err

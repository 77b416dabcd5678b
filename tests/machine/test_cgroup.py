import pytest

from dlexp.machine.cgroup import cpu_limit, memory_limit


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(f"{text}\n")


def test_version_2_takes_the_tightest_of_a_group_and_those_above_it(tmp_path):
    write(tmp_path / "a" / "b", memory_max="max", memory_current=300, cpu_max="max 100000")
    write(
        tmp_path / "a", memory_max=1000, memory_current=400, memory_stat="anon 100\ninactive_file 150", cpu_max="150000 100000"
    )
    write(tmp_path, memory_max=5000, memory_current=500, cpu_max="400000 100000")
    assert memory_limit(tmp_path, "0::/a/b\n") == (1000, 250)
    assert cpu_limit(tmp_path, "0::/a/b\n") == 1.5


def test_version_1(tmp_path):
    write(tmp_path / "memory" / "job", **{"memory_limit_in_bytes": 800, "memory_usage_in_bytes": 90})
    write(tmp_path / "memory", **{"memory_limit_in_bytes": 2**63 - 4096})
    write(tmp_path / "cpu" / "job", **{"cpu_cfs_quota_us": 50000, "cpu_cfs_period_us": 100000})
    groups = "4:memory:/job\n3:cpu,cpuacct:/job\n"
    assert memory_limit(tmp_path, groups) == (800, 90)
    assert cpu_limit(tmp_path, groups) == 0.5


@pytest.mark.parametrize("groups", ["", "0::/\n", "4:memory:/job\n3:cpu:/job\n"])
def test_no_limit(groups, tmp_path):
    write(tmp_path / "cpu" / "job", **{"cpu_cfs_quota_us": -1, "cpu_cfs_period_us": 100000})
    assert memory_limit(tmp_path, groups) is None
    assert cpu_limit(tmp_path, groups) is None

"""What a worker tells of its machine."""

import os

import pytest
import torch

from fdsweep.trainers.trials import usage
from fdsweep.trainers.trials.usage import Usage, cpu_times, log_file, memory

STAT = "cpu  10 1 5 80 4 0 0 0 0 0\ncpu0 10 1 5 80 4 0 0 0 0 0\n"
MEMINFO = "MemTotal:    1000000 kB\nMemFree:    100000 kB\nMemAvailable:    250000 kB\n"


def test_the_system_tells_of_processors_and_memory(tmp_path):
    stat, meminfo, statm = (tmp_path / name for name in ("stat", "meminfo", "statm"))
    stat.write_text(STAT)
    meminfo.write_text(MEMINFO)
    statm.write_text("900 250 9 1 0 9 0\n")
    assert cpu_times(stat) == (16, 100)
    assert memory(meminfo, statm) == {
        "system_memory_usage_megabytes": 768.0,
        "system_memory_usage_percentage": 75.0,
        "process_memory_megabytes": 250 * os.sysconf("SC_PAGE_SIZE") / 1e6,
    }


@pytest.mark.parametrize("content", [None, "", "cpu", "cpu a b\n", "MemTotal: 1 kB\n"])
def test_a_system_that_tells_nothing_gives_nothing(tmp_path, content):
    path = tmp_path / "file"
    if content is not None:
        path.write_text(content)
    assert cpu_times(path) == (0, 0)
    assert memory(path, path) == {}


def test_samples_are_some_time_apart_and_tell_of_the_time_between(monkeypatch):
    now, spent, machine = iter([0.0, 4.0, 5.0, 14.0]), iter([0.0, 3.0, 3.0, 8.0]), iter(range(9))
    monkeypatch.setattr(usage.time, "perf_counter", lambda: next(now))
    monkeypatch.setattr(usage.time, "process_time", lambda: next(spent))
    monkeypatch.setattr(usage, "cpu_times", lambda: (next(machine), next(machine)))
    monkeypatch.setattr(usage, "memory", dict)
    one = Usage(torch.device("cpu"))
    assert dict(one.sample()) == {
        "process_cpu_percentage": 75.0, "cpu_utilization_percentage": 100.0
    }  # fmt: skip
    assert one.sample() == []
    assert dict(one.sample())["process_cpu_percentage"] == 50.0


def test_the_file_of_stderr_is_named_and_a_pipe_is_none(tmp_path, monkeypatch):
    for target, end in (("/logs/worker.err", ":/logs/worker.err"), ("pipe:[7]", "")):
        link = tmp_path / f"to-{target[:4].strip('/')}"
        link.symlink_to(target)
        monkeypatch.setattr(usage, "STDERR", link)
        assert log_file().endswith(end)
        assert bool(log_file()) == bool(end)
    monkeypatch.setattr(usage, "STDERR", tmp_path / "none")
    assert log_file() == ""

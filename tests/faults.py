"""What faults cost, measured by the tests that inject them; `make faults` writes the table.

    @pytest.mark.fault("a training worker is killed", "goes on from its checkpoint, same numbers")
    def test_a_dead_worker_goes_on(fault, tmp_path):
        ...                                       # a study is at work
        fault.hits()                              # the clock starts
        os.kill(worker, signal.SIGKILL)
        ...                                       # the study ends
        fault.counts(planned, rows(tmp_path))     # each row once, and the clock stops

Words of the mark are the fault and its outcome; cases of one test share a line, with the most
seconds that one of them took. `make faults` runs `pytest -m fault --fault-table=FILE`: in FILE the
lines between START and END are replaced, if all the tests passed.
"""

import os
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

START, END = "<!-- made by `make faults` -->\n", "<!-- end -->\n"
HEAD = """\
| fault | outcome | rows lost | rows doubled | seconds | command |
| --- | --- | --- | --- | --- | --- |
"""
PROPERTY = "fault"
"""Under this name pytest hands a test's measurement on."""


class Fault:
    """Measures how long a fault holds up the work, and what became of the rows."""

    def __init__(self) -> None:
        self.began = self.ended = self.lost = self.doubled = None

    def hits(self) -> None:
        """The fault strikes now."""
        self.began = time.monotonic()

    def over(self) -> None:
        """Work goes on; where that cannot be seen, `counts` takes its end for it."""
        self.ended = time.monotonic()

    def counts(self, planned: Collection[object], found: Sequence[object]) -> None:
        """Each of the `planned` replicates must be among the `found` ones, once, and no other."""
        self.ended = self.ended or time.monotonic()
        self.lost = len({*planned} - {*found})
        self.doubled = len(found) - len({*found})
        assert (self.lost, self.doubled) == (0, 0)
        assert {*found} <= {*planned}


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Iterator[Fault]:
    """The fault of a test that is marked `fault`."""
    measured = Fault()
    yield measured
    if measured.began is None or measured.lost is None:
        return  # the test failed; one that passes without a measurement fails the table
    what, outcome = request.node.get_closest_marker("fault").args
    line = Line(
        command=request.node.nodeid.partition("[")[0],
        fault=what,
        outcome=outcome,
        lost=measured.lost,
        doubled=measured.doubled,
        seconds=measured.ended - measured.began,
    )
    request.node.user_properties.append((PROPERTY, vars(line)))


def rows(storage: "str | os.PathLike[str]") -> list[tuple[str, int]]:
    """(key, seed) of every done row in every file of `results/`, as often as it stands there."""
    import pyarrow.parquet as pq

    tables = [pq.read_table(path) for path in sorted(Path(storage).glob("results/*.parquet"))]
    return [
        (row["key"], row["seed"])
        for table in tables
        for row in table.select(["key", "seed", "status"]).to_pylist()
        if row["status"] == "done"
    ]


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    command: str
    fault: str
    outcome: str
    lost: int
    doubled: int
    seconds: float

    def __str__(self) -> str:
        seconds = f"{self.seconds:.0f}" if self.seconds >= 1 else "< 1"
        cells = [self.fault, self.outcome, self.lost, self.doubled, seconds]
        return f"| {' | '.join(map(str, cells))} | `pytest {self.command}` |\n"

    def __add__(self, other: "Line") -> "Line":
        """Both cases of a test in one line."""
        return Line(
            self.command,
            self.fault,
            self.outcome,
            self.lost + other.lost,
            self.doubled + other.doubled,
            max(self.seconds, other.seconds),
        )


class Table:
    """Collects what the tests of a session measured, and writes it into the page at its end."""

    def __init__(self, page: Path) -> None:
        self.page = page
        self.lines: dict[str, Line] = {}
        self.passed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if "fault" in report.keywords and report.when == "call" and report.passed:
            self.passed.add(report.nodeid.partition("[")[0])
        if report.when != "teardown":
            return
        for name, measured in report.user_properties:
            if name == PROPERTY:
                line = Line(**measured)
                before = self.lines.get(line.command)
                self.lines[line.command] = before + line if before else line

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus:
            return
        unmeasured = self.passed - {*self.lines}
        if unmeasured:
            raise pytest.UsageError(f"marked `fault`, but not measured: {sorted(unmeasured)}")
        before, _, rest = self.page.read_text().partition(START)
        after = rest.partition(END)[2]
        lines = "".join(map(str, self.lines.values()))
        self.page.write_text(f"{before}{START}{HEAD}{lines}{END}{after}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-table", type=Path, help="the page whose table of faults is renewed")


def pytest_configure(config: pytest.Config) -> None:
    page = config.getoption("--fault-table")
    if page:
        config.pluginmanager.register(Table(page))

"""The table of a sweep as data: every number in percent, none of them formatted."""

from dataclasses import dataclass

from fdsweep.results.compute import notes
from fdsweep.results.compute.provenance.setting import INCOMPARABLE_MARK, NOT_COMPARABLE
from fdsweep.results.compute.verdicts import MARGIN, Verdict
from fdsweep.results.records.manifest import Manifest
from fdsweep.search_spaces.configs import Protocol

TO_PERCENT = 100.0
TITLES: dict[Protocol, str] = {
    "ours": "",
    "published": " (published protocol: epoch and head chosen on test, optimistic)",
}
"""What a table's title says of how epoch and head were chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """One line of the table in one direction, in percent; None where there is no number.

    `group` is a heading shared with its neighbours, `pairing` which teacher sample stands beside
    a student sample (None without a teacher), `taught_by` which of the direction's several teachers
    it learns from (None where there is one). `control` "aa" repeats the first row but for
    rounding. Over the `n` done of the `asked` seeds: `mean`, `std` (ddof = 1) and 95 % t interval
    `ci_low`, `ci_high` of the test score at the epoch and head chosen on validation; the
    means `last` (last epoch) and `test_selected` (chosen on test), and `gap`, how much the
    latter gains. Against the first row of the direction, over the `pairs` seeds that both have:
    `delta` with its paired-t interval, the correlation `rho`, the sign-flip `p_value`, and
    `p_adjusted` (Holm over the other rows of the direction, those without data included, A/A rows
    not); the `verdict` of `verdicts.decide`; `detectable`, the smallest true difference in points
    that so many seeds find with 80 % power if differences vary as they do here; the `effect_size`
    d_z; and `p_better`, the share (0..1) of seeds in which the row is better, ties half.
    `worst_delta` is `delta` with every failed seed of either side at chance level, where one
    failed. `people_delta` and its 95 % interval `people_ci` are of the same difference over test
    samples, when people are drawn anew and seeds are not: see `predictions.people_differences`.
    `paper` is the published number, `paper_note` what is not certain about it, `paper_verdict`
    where it lies against the 95 % t interval of the test-selected score, or "not comparable: " and
    why. `seconds` is the mean wall time of a done replicate. `macro_recall` and `macro_f1`,
    mean and standard deviation over seeds, are of the test samples too: see `Tally`.

    `noise_floor` is the half-width of the 95 % paired-t interval of the direction's A/A row, in
    points, and `within_noise` says whether `delta` lies inside it. An A/A row has neither p nor
    verdict; nor has any row under the published protocol, where `mean` is chosen on test, so that
    there is no `gap`, and differences only describe.
    """

    row: str
    group: str | None
    pairing: str | None
    teacher_modality: str
    student_modality: str
    n: int
    asked: int
    failed: int
    mean: float | None
    std: float | None
    ci_low: float | None
    ci_high: float | None
    delta: float | None = None
    delta_ci: tuple[float, float] | None = None
    pairs: int | None = None
    rho: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    last: float | None
    test_selected: float | None
    gap: float | None
    paper: float | None
    paper_note: str | None
    verdict: Verdict | None = None
    detectable: float | None = None
    effect_size: float | None = None
    p_better: float | None = None
    worst_delta: float | None = None
    people_delta: float | None = None
    people_ci: tuple[float, float] | None = None
    seconds: float | None = None
    macro_recall: float | None = None
    macro_recall_std: float | None = None
    macro_f1: float | None = None
    macro_f1_std: float | None = None
    paper_verdict: str | None = None
    control: str | None = None
    noise_floor: float | None = None
    within_noise: bool | None = None
    taught_by: str | None = None

    @property
    def direction(self) -> tuple[str, str]:
        """(teacher modality, student modality)."""
        return self.teacher_modality, self.student_modality

    @property
    def is_comparable(self) -> bool:
        """Whether the paper's number is of the same task."""
        return not (self.paper_verdict or "").startswith(NOT_COMPARABLE)

    @property
    def paper_marks(self) -> str:
        """What stands behind the paper's number, each mark with a note of its own."""
        doubt = notes.DOUBT_MARK if self.paper_note else ""
        return doubt if self.is_comparable else doubt + INCOMPARABLE_MARK


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassRow:
    """Score in percent on one class, of which `n` test samples are, all done seeds of a row pooled.

    A class's accuracy, or the overlap (IoU) of its pixels, which are the samples then. Where there
    are sets of labels it is the mean over seeds of its average precision.
    """

    row: str
    teacher_modality: str
    student_modality: str
    label: int
    n: int
    score: float


@dataclass(frozen=True, slots=True)
class Table:
    """Rows grouped by direction, in the order of the sweep, never sorted by score.

    `columns` are the fields of the rows that hold something in at least one of them; `notes`
    are whole sentences. `per_class` is in the order of the rows, then of the labels, and `margin`
    the equivalence margin of the verdicts, in points. `metric` is what the scores are, `protocol`
    how epoch and head were chosen, as in `NetworkConfig`. `class_names` are those of the labels,
    empty where classes go by number.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...]
    per_class: tuple[ClassRow, ...] = ()
    margin: float = MARGIN
    metric: str = "accuracy"
    protocol: Protocol = "ours"
    class_names: tuple[str, ...] = ()


def title(manifest: Manifest) -> str:
    """What is studied, on what, and whether its numbers are optimistic."""
    return f"{manifest.title}, {manifest.dataset}{TITLES[manifest.protocol]}"

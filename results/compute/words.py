"""What reports call metrics, and options whose response is drawn."""

from dataclasses import dataclass

from fdsweep.search_spaces.presets import SWITCHES


@dataclass(frozen=True, slots=True)
class MetricWords:
    """`heading` stands above a column, `name` in a sentence, `on_test` opens one.

    `of_class` is what it is of a single class, or `per` what else has scores of its own, `balanced`
    and `f1` what its balanced accuracy and macro-F1 are called. When others are drawn, `drawn` says
    what they are, `kinds` what they may be, `samples` what they are looked at over, and `draws` how
    often, if not as always. `sets` says that a sample's class is the set of its labels.
    """

    heading: str
    name: str
    on_test: str
    of_class: str = "accuracy"
    per: str = "class"
    balanced: str = "bal. acc."
    f1: str = "macro-F1"
    drawn: str = "people"
    kinds: str = "subjects, speakers or videos"
    samples: str = "test samples"
    draws: str = ""
    sets: bool = False


@dataclass(frozen=True, slots=True)
class OptionWords:
    """`name` with its article, `axis` with its unit, the `ends` of that axis.

    `start` is where the option starts if it is learnt.
    """

    name: str
    axis: str
    ends: tuple[float, float] | None = None
    start: float | None = None


@dataclass(frozen=True, slots=True)
class SampleWords:
    """What an analysis compares features of: "test `samples` of `groups`", one of them a `group`.

    `people` is a short word for the groups; `shuffled` says what is paired with what for a control.
    """

    samples: str
    shuffled: str
    group: str
    groups: str
    people: str


METRICS = {
    "accuracy": MetricWords("Top-1", "accuracy", "Top-1 test accuracy"),
    "miou": MetricWords(
        *("mIoU", "mIoU", "Test mIoU"),
        of_class="IoU",
        balanced="mAcc",
        f1="Dice",
        drawn="images",
        kinds="images or scenes",
        samples="the test pixels of all seeds",
    ),
    "map": MetricWords(
        *("mAP", "mAP", "Test mean average precision"),
        of_class="AP",
        balanced="recall",
        samples="test samples, the mean over seeds,",
        draws="200 to 2,000 draws",
        sets=True,
    ),
    "mean_recall": MetricWords(
        *("mean R", "mean recall", "Test mean recall at 1, 5 and 10, both ways"),
        of_class="recall",
        per="depth and way",
    ),
}
OPTIONS = {
    "cutoff": OptionWords(
        "the frequency cutoff", "cutoff [share of the bins above DC]", ends=(0.0, 1.0), start=0.5
    ),
}


SAMPLES = SampleWords(
    samples="samples",
    shuffled="each sample with every other sample's partner",
    group="subject or speaker",
    groups="subjects or speakers",
    people="people",
)
POSITIONS = SampleWords(
    samples="positions",
    shuffled="each position with the partners at the same position of all other pictures",
    group="image or scene",
    groups="images or scenes",
    people="images",
)


def of_samples(positions: int) -> SampleWords:
    """The words for whole samples, or for `positions` of every picture where there are some."""
    return POSITIONS if positions else SAMPLES


def of_metric(metric: str) -> MetricWords:
    """The words for `metric`: its own name where there are no others."""
    return METRICS.get(metric) or MetricWords(metric, metric, f"Test {metric}")


def of_option(option: str) -> OptionWords:
    """The words for `option`: its own name where there are no others."""
    return OPTIONS.get(option) or OptionWords(option, option)


def of_switch(option: str) -> str:
    """What the component study calls the switch `option`: its own name where it has no other."""
    return SWITCHES.get(option.rpartition(".")[2], option)

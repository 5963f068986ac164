"""What decides, beside the rows, with which numbers of others those of a sweep can be compared."""

from pydantic import Field

from fdsweep.search_spaces.records import Record


class Setting(Record):
    """How a sweep's data were split, labelled and read, and its networks made.

    What is empty or None is unknown: an older fdsweep did not write it down. `split` says in a few
    words which samples train and test, `labelling` which of several labels they have, `variant`
    how they were read (`own`, or whose way was asked for). `backbones` and `pretraining` (`none`,
    or the name of a checkpoint) are by modality. `optimiser` and `schedule` begin with a name; an
    older fdsweep had no others than their defaults.
    """

    split: str = ""
    labelling: str = ""
    variant: str = ""
    classes: int | None = None
    batch_size: int | None = None
    optimiser: str = "sgd"
    schedule: str = "polynomial"
    backbones: dict[str, str] = Field(default_factory=dict)
    pretraining: dict[str, str] = Field(default_factory=dict)

    def joined(self, other: "Setting") -> "Setting":
        """This setting, with the modalities that only `other` names."""
        return self.replace(
            backbones=other.backbones | self.backbones,
            pretraining=other.pretraining | self.pretraining,
        )

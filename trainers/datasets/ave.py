"""`ave`: 28 audio-visual events in videos of ten seconds; `ave@c2kd`: as C2KD's code reads them.

4,143 annotated events (Tian et al. 2018, "Audio-Visual Event Localization in Unconstrained
Videos", ECCV, arXiv 1803.08842).

takes   AVE/<youtube id>.mp4 and the lists trainSet.txt, valSet.txt, testSet.txt with lines
        category&id&quality&start&end; an id may hold several events
yields  per event its sound, repeated to 10 s, as a 257x1004 log-spectrogram, and one frame per
        second of it
splits  published

`ave@c2kd` differs as the code of C2KD (Huo et al., CVPR 2024, github.com/huofushuo/C2KD) does: a
sample is a video; its spectrogram is standardised and brought to 257x1024 by `np.resize`, which
refills row by row, so that its frequencies drift by 20 columns a row; frames reach the event's last
second. What is our reading of it stands in docs/reference/datasets.md.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.datasets import Modality, registry
from fdsweep.trainers.datasets.prepared import FRAMES, Payload, Prepared
from fdsweep.trainers.preparation import media
from fdsweep.trainers.preparation.catalog import (
    Catalog,
    Item,
    Options,
    Skipped,
    Split,
    of_lists,
    wrong_tree,
)
from fdsweep.trainers.preparation.spectrogram import fit, log_spectrogram, standardised

RATE, SECONDS = 16000, 10
LISTS: dict[Split, str] = {"test": "testSet.txt", "train": "trainSet.txt", "val": "valSet.txt"}


class Event(NamedTuple):
    """A line of a list; times in seconds."""

    category: str
    video: str
    start: int
    end: int


@registry.register("ave")
class AVE(Prepared):
    """The importer."""

    name: ClassVar = "ave"
    modalities: ClassVar = (Modality("audio", 1, "resnet18"), Modality("visual", 3, "resnet18"))
    payloads: ClassVar = {
        "audio": Payload("spectrogram", (257, 1004)),
        "visual": FRAMES,
    }
    sample: ClassVar = "a sample is an event"
    beyond: ClassVar = 0.0
    """Seconds after an event's end from which a frame is still taken."""
    about: ClassVar = "4,143 videos of 10 s from YouTube with 28 kinds of audio-visual events"
    source: ClassVar = "Tian et al. 2018, ECCV, arXiv 1803.08842"
    licence: ClassVar = "videos of YouTube users, each under its own terms; for research"
    url: ClassVar = "https://sites.google.com/view/audiovisualresearch"
    expects: ClassVar = """RAW_DIR/   (or RAW_DIR/AVE_Dataset/)
  AVE/<youtube id>.mp4 ...
  trainSet.txt  valSet.txt  testSet.txt   (or with --split-dir)"""

    @override
    def catalog(self, raw: Path, options: Options) -> Catalog:
        homes = [folder for folder in (raw, raw / "AVE_Dataset") if (folder / "AVE").is_dir()]
        if not homes:
            raise wrong_tree(raw, "the folder AVE", self.expects)
        lists = options.split_dir or homes[0]
        events: dict[Event, Split] = {}
        listed = Counter[Split]()
        repeats = 0
        for split, name in LISTS.items():
            if not (lists / name).is_file():
                raise wrong_tree(lists, name, self.expects)
            for event in _read(lists / name):
                listed[split] += 1
                repeats += event in events
                events.setdefault(event, split)
        # Published code numbers the categories as testSet.txt, read first, brings them.
        classes = tuple(dict.fromkeys(event.category for event in events))
        samples = self.samples(events, classes)
        items, missing = [], []
        for sample_id, event in samples.items():
            video = homes[0] / "AVE" / f"{event.video}.mp4"
            if not video.is_file():
                missing.append(Skipped(sample_id, "its video is not on disk"))
                continue
            start, end = (event.start, event.end) if _is_timed(event) else (0, SECONDS)
            items.append(
                Item(
                    sample_id=sample_id,
                    group=event.video,
                    label=classes.index(event.category),
                    split=events[event],
                    parts={
                        "video": video.relative_to(raw).as_posix(), "start": start, "end": end,
                    },
                )
            )  # fmt: skip
        untimed = sum(not _is_timed(event) for event in events)
        notes = [
            f"Splits are the published lists; {self.sample}, from its start to its end.",
            f"{len(events)} events of {len(classes)} categories are listed (published: 4,143 "
            "of 28).",
        ]
        if len(samples) < len(events):
            notes.append(f"Further events of a video are left out: {len(events) - len(samples)}.")
        if repeats:
            notes.append(f"Lines that repeat another, of which test keeps its own: {repeats}.")
        if untimed:
            notes.append(
                f"Events that end where they start, of which all {SECONDS} s are taken: {untimed}."
            )
        return Catalog(
            items=tuple(items),
            missing=tuple(missing),
            classes=classes,
            notes=tuple(notes),
            split=of_lists(listed, "events"),
        )

    def samples(self, events: Mapping[Event, Split], classes: Sequence[str]) -> dict[str, Event]:
        """Events by sample id, sorted: id_start_end, and the label where two share their times."""
        named: dict[str, Event] = {}
        for event in sorted(events):
            sample_id = f"{event.video}_{event.start}_{event.end}"
            if sample_id in named:
                sample_id += f"_{classes.index(event.category)}"
            named[sample_id] = event
        return dict(sorted(named.items()))

    @override
    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        video = raw / str(item.parts["video"])
        start, end = float(item.parts["start"]), float(item.parts["end"])
        return {
            "audio": self.heard(video, start, end),
            "visual": media.frames(video, start=start, end=end + self.beyond),
        }

    @override
    def read_file(self, modality: str, file: Path, assets: Mapping[str, bytes]) -> list[Any]:
        # its first seconds are taken for the event
        end = float(SECONDS)
        if modality == "audio":
            return [self.heard(file, 0.0, end)]
        return [media.frames(file, start=0.0, end=end + self.beyond)]

    def heard(self, video: Path, start: float, end: float) -> NDArray[np.float16]:
        """What is heard between two times, in seconds."""
        signal = media.audio(video, rate=RATE, start=start, end=end)
        return self.spectrogram(fit(signal, SECONDS * RATE))

    def spectrogram(self, signal: NDArray[np.float32]) -> NDArray[np.float16]:
        """What is heard in `signal` [SECONDS * RATE]."""
        return log_spectrogram(signal)


@registry.register("ave@c2kd")
class AveC2KD(AVE):
    """The importer that does as C2KD's code."""

    name: ClassVar = "ave@c2kd"
    payloads: ClassVar = {
        "audio": Payload("spectrogram", (257, 1024)),
        "visual": FRAMES,
    }
    about: ClassVar = "the videos of ave, one sample each, as C2KD's code reads them"
    sample: ClassVar = "a sample is a video, taken for the event that its list brings first"
    beyond: ClassVar = 1.0

    @override
    def samples(self, events: Mapping[Event, Split], classes: Sequence[str]) -> dict[str, Event]:
        videos: dict[str, Event] = {}
        for event in events:
            videos.setdefault(event.video, event)
        return dict(sorted(videos.items()))

    @override
    def spectrogram(self, signal: NDArray[np.float32]) -> NDArray[np.float16]:
        return np.resize(standardised(log_spectrogram(signal)), self.payloads["audio"].shape)


def _read(path: Path) -> list[Event]:
    """The events of a list; DataError naming the line that is none."""
    events = []
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), start=1):
        if not line.strip() or line.startswith("Category&"):
            continue
        try:
            category, video, _quality, start, end = line.strip().split("&")
            events.append(Event(category, video, int(start), int(end)))
        except ValueError:
            raise DataError(
                f"{line!r} is not category&id&quality&start&end",
                f"{path}:{number}",
                "Take the published list",
            ) from None
    return events


def _is_timed(event: Event) -> bool:
    """False for the lines that the published lists spoil, such as `...&good&0&0`."""
    return event.start < event.end

"""`ravdess`: eight emotions, spoken and shown by 24 actors.

1,440 spoken trials (Livingstone and Russo 2018, PLOS ONE 13(5), 10.1371/journal.pone.0196391).

takes   WAV files (audio only, 03-) and MP4 files (video only 02-, or with sound 01-), named
        modality-channel-emotion-intensity-statement-repetition-actor
yields  per trial 3 s of sound as a 257x299 log-spectrogram, and one frame per second
splits  actors 16 / 4 / 4, as many men as women in each; none is published
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from fdsweep.search_spaces.errors import unknown
from fdsweep.trainers.datasets import Modality, registry
from fdsweep.trainers.datasets.prepared import FRAMES, Payload, Prepared
from fdsweep.trainers.preparation import media
from fdsweep.trainers.preparation.catalog import Catalog, Item, Options, Skipped, Split, wrong_tree
from fdsweep.trainers.preparation.spectrogram import fit, log_spectrogram
from fdsweep.trainers.preparation.splits import by_group

RATE, SECONDS = 16000, 3
SHARES: dict[Split, float] = {"train": 4 / 6, "val": 1 / 6, "test": 1 / 6}
CHANNELS = {"speech": ("01",), "song": ("02",), "all": ("01", "02")}
CLASSES = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SOUND, PICTURE = ("03", ".wav"), (("02", ".mp4"), ("01", ".mp4"))
NAME = re.compile(r"(?P<modality>0[123])-(?P<trial>(?P<channel>0[12])-(?P<emotion>0[1-8])"
                  r"-0[12]-0[12]-0[12]-(?P<actor>\d\d))")  # fmt: skip


@registry.register("ravdess")
class Ravdess(Prepared):
    """The importer."""

    name: ClassVar = "ravdess"
    modalities: ClassVar = (Modality("audio", 1, "resnet18"), Modality("visual", 3, "resnet18"))
    payloads: ClassVar = {
        "audio": Payload("spectrogram", (257, 299)),
        "visual": FRAMES,
    }
    about: ClassVar = "24 actors say two sentences in 8 emotions, sound and video"
    source: ClassVar = "Livingstone and Russo 2018, PLOS ONE 13(5):e0196391"
    licence: ClassVar = "CC BY-NC-SA 4.0"
    url: ClassVar = "https://zenodo.org/records/1188976"
    expects: ClassVar = """RAW_DIR/
  Audio_Speech_Actors_01-24/Actor_01/03-01-01-01-01-01-01.wav ...
  Video_Speech_Actor_01/Actor_01/02-01-01-01-01-01-01.mp4 ...
  Video_Speech_Actor_02/Actor_02/... up to 24"""

    @override
    def catalog(self, raw: Path, options: Options) -> Catalog:
        task = options.task or "speech"
        if task not in CHANNELS:
            raise unknown("task", task, CHANNELS, "--task")
        files, repeats = _find(raw)
        trials = {
            match["trial"]: match
            for match in map(NAME.fullmatch, sorted(path.stem for path in files.values()))
            if match and match["channel"] in CHANNELS[task]
        }
        sounds = {trial: files[trial, *SOUND] for trial in trials if (trial, *SOUND) in files}
        if not sounds:
            raise wrong_tree(raw, f"03-....wav (sound of {task})", self.expects)
        items, missing = [], []
        split = _split_actors(sorted(match["actor"] for match in trials.values()))
        for trial, match in sorted(trials.items()):
            sample_id = f"{SOUND[0]}-{trial}"
            videos = [files[trial, *kind] for kind in PICTURE if (trial, *kind) in files]
            if trial not in sounds:
                missing.append(Skipped(sample_id, "no sound (03-) beside its video"))
            elif not videos:
                missing.append(Skipped(sample_id, "no video (02- or 01-) beside its sound"))
            else:
                items.append(
                    Item(
                        sample_id=sample_id,
                        group=match["actor"],
                        label=int(match["emotion"]) - 1,
                        split=split[match["actor"]],
                        parts={
                            "audio": sounds[trial].relative_to(raw).as_posix(),
                            "visual": videos[0].relative_to(raw).as_posix(),
                        },
                    )
                )
        others = {trial for trial, _, _ in files} - trials.keys()
        notes = [
            f"The task is {task}: {len(trials)} trials were found (the whole set has 1,440 spoken "
            "and 1,012 sung).",
            "No split is published: actors are divided by a fixed rule, none is in two splits.",
        ]
        if others:
            notes.append(
                f"Left out for the task (--task): {len(others)} of the other vocal channel."
            )
        if repeats:
            notes.append(f"Files that lie in two folders, of which the first is taken: {repeats}.")
        return Catalog(
            items=tuple(items),
            missing=tuple(missing),
            classes=CLASSES,
            notes=tuple(notes),
            split="actors apart",
        )

    @override
    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        return {
            "audio": _heard(raw / str(item.parts["audio"])),
            "visual": media.frames(raw / str(item.parts["visual"])),
        }

    @override
    def read_file(self, modality: str, file: Path, assets: Mapping[str, bytes]) -> list[Any]:
        return [_heard(file) if modality == "audio" else media.frames(file)]


def _heard(file: Path) -> NDArray[np.float16]:
    return log_spectrogram(fit(media.audio(file, rate=RATE), SECONDS * RATE))


def _find(raw: Path) -> tuple[dict[tuple[str, str, str], Path], int]:
    """Files by (trial, modality, ending), and how many more have the same name as one of them.

    A widespread copy of the set holds its tree twice.
    """
    files: dict[tuple[str, str, str], Path] = {}
    repeats = 0
    for path in sorted(raw.rglob("*")):
        match = NAME.fullmatch(path.stem)
        if match and path.suffix.lower() in (".wav", ".mp4"):
            key = match["trial"], match["modality"], path.suffix.lower()
            repeats += key in files
            files.setdefault(key, path)
    return files, repeats


def _split_actors(actors: list[str]) -> dict[str, Split]:
    """A split for each actor of `actors` [N]; women (even numbers) and men alike if they can be."""
    sexes: dict[int, list[str]] = defaultdict(list)
    for actor in actors:
        sexes[int(actor) % 2].append(actor)
    enough = len(sexes) == 2 and all(len(set(sex)) >= len(SHARES) for sex in sexes.values())
    parts = list(sexes.values()) if enough else [actors]
    return {
        actor: split
        for part in parts
        for actor, split in zip(part, by_group(part, SHARES), strict=True)
    }

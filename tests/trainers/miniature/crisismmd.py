"""CrisisMMD v2.0 in small: 60 pictures of 57 tweets, 57 of them on disk and sound."""

from pathlib import Path

import numpy as np
from PIL import Image

from miniature.media_files import write_jpeg

LABELS = {
    "affected_individuals": "families lost their homes and wait in shelters",
    "infrastructure_and_utility_damage": "the bridge collapsed, roads and power lines are down",
    "not_humanitarian": "watching the game tonight with pizza",
    "other_relevant_information": "the storm moves north, officials warn",
    "rescue_volunteering_or_donation_effort": "volunteers rescue people, please donate water",
}
OF_EIGHT = {"affected_individuals": "injured_or_dead_people"}
"""What the files with eight labels call some of the five."""
EVENTS = ("hurricane_harvey", "mexico_earthquake")
SIZES = {"train": 36, "dev": 12, "test": 12}
COLUMNS = (
    "event_name", "tweet_id", "image_id", "tweet_text", "image",
    "label", "label_text", "label_image", "label_text_image",
)  # fmt: skip
EMPTY, CUT, MISSING, COPIED = 3, 20, 41, (50, 10)
"""Numbers of pictures; `COPIED` is a test picture that repeats a training one in another size."""


def rows() -> list[dict[str, str]]:
    """The 60 lines of the agreed humanitarian task; every tenth tweet has two pictures."""
    found = []
    for number in range(sum(SIZES.values())):
        second = number in (10, 20, 30)
        tweet = 908000000000000000 + number - second
        event = EVENTS[number % 2]
        label, words = list(LABELS.items())[(number - second) % len(LABELS)]
        text = f'RT @user{tweet}: "{words}" don’t miss it 🌊 https://t.co/{number:08x}'
        image_id = f"{tweet}_{int(second)}"
        found.append(
            dict(
                zip(
                    COLUMNS,
                    (
                        event, str(tweet), image_id, twice_encoded(text),
                        f"data_image/{event}/{number % 28 + 1}_9_2017/{image_id}.jpg",
                        label, label, label, "Positive",
                    ),
                    strict=True,
                )
            )
        )  # fmt: skip
    return found


def twice_encoded(text: str) -> str:
    return text.encode().decode("latin-1")


def build(folder: Path) -> None:
    home = folder / "CrisisMMD_v2.0"
    (home / "annotations").mkdir(parents=True)
    (home / "annotations" / "hurricane_harvey_final_data.tsv").write_text("tweet_id\timage_id\n")
    (home / "json").mkdir()
    agreed = folder / "crisismmd_datasplit_agreed_label"
    both = folder / "crisismmd_datasplit_all"
    hidden = folder / "__MACOSX" / agreed.name
    for path in (agreed, both, hidden):
        path.mkdir(parents=True)
    start = 0
    for part, size in SIZES.items():
        lines = rows()[start : start + size]
        start += size
        name = f"task_humanitarian_text_img_agreed_lab_{part}.tsv"
        # One of the three with a byte-order mark, one without its last column.
        last = len(COLUMNS) - (part == "dev")
        _write(agreed / name, lines, COLUMNS[:last], mark="\ufeff" * (part == "test"))
        (hidden / f"._{name}").write_bytes(b"\x00\x05\x16\x07")
        eight = [{**row, "label": OF_EIGHT.get(row["label"], row["label"])} for row in lines]
        _write(both / f"task_humanitarian_text_img_{part}.tsv", eight, COLUMNS)
        grades = ("severe_damage", "mild_damage", "little_or_no_damage", "dont_know_or_cant_judge")
        damage = [{**row, "label": grades[i % 4]} for i, row in enumerate(lines)]
        _write(both / f"task_damage_text_img_{part}.tsv", damage, COLUMNS[:6])
    for number, row in enumerate(rows()):
        path = home / row["image"]
        write_jpeg(path, picture(number, row["label"]))
        if number == MISSING:
            path.unlink()
        elif number == EMPTY:
            path.write_bytes(b"")
        elif number == CUT:
            path.write_bytes(path.read_bytes()[:600])
    copy, original = (home / rows()[number]["image"] for number in COPIED)
    Image.open(original).resize((90, 60)).save(copy, "JPEG", quality=70)


def picture(number: int, label: str) -> np.ndarray:
    """Noise of its own, coarse, in a colour that tells the class; uint8 [80, 120, 3]."""
    noise = np.random.default_rng(number).integers(0, 120, (8, 12))
    pixels = np.repeat(np.repeat(noise, 10, axis=0), 10, axis=1)[..., None].repeat(3, axis=2)
    pixels[..., list(LABELS).index(label) % 3] += 120
    return pixels.astype(np.uint8)


def _write(
    path: Path, lines: list[dict[str, str]], columns: tuple[str, ...], mark: str = ""
) -> None:
    table = [columns, *([line[column] for column in columns] for line in lines)]
    path.write_text(mark + "".join("\t".join(cells) + "\n" for cells in table))

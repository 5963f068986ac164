"""AVE in small: 48 events in 46 videos, 45 of them complete and sound."""

from pathlib import Path

from miniature.media_files import numbered, sine, write_video

CATEGORIES = (
    "Church bell", "Male speech, man speaking", "Bark", "Fixed-wing aircraft, airplane",
)  # fmt: skip
TEST_ORDER = (3, 2, 0, 1)
"""In which testSet.txt brings the categories for the first time."""
SIZES = {"trainSet.txt": 28, "valSet.txt": 8, "testSet.txt": 12}
RATE, FPS, SECONDS = 44100, 2, 10
EMPTY, CUT, MISSING, UNTIMED, TWICE = 5, 17, 30, 9, (1, 2)
"""Numbers of events; both of `TWICE` are in the video of the first, at other times."""


def video_id(number: int) -> str:
    return f"{'-_aB'[number % 4]}Zk{'vQ' if number % 3 else '--'}{number:06d}"


def events() -> list[tuple[str, str, int, int]]:
    """(category, id, start, end) of the 48 events."""
    found = []
    for number in range(sum(SIZES.values())):
        shifted = number + (number < SIZES["trainSet.txt"])  # training brings them otherwise
        category = CATEGORIES[TEST_ORDER[shifted % 4]]
        start, end = (0, 10) if number % 2 else (2, 9)
        video = video_id(number)
        if number in TWICE:
            video = video_id(TWICE[0])
            start, end = (0, 4) if number == TWICE[0] else (5, 10)
        if number == UNTIMED:
            start, end = 0, 0
        found.append((category, video, start, end))
    # Two events of one video at the same time.
    found[7] = (found[7][0], found[6][1], *found[6][2:])
    return found


def lists() -> dict[str, list[str]]:
    """The lines of each list; the first of training stands twice."""
    lines = [f"{c}&{video}&good&{start}&{end}" for c, video, start, end in events()]
    cut = {}
    for name, size in SIZES.items():
        cut[name], lines = lines[:size], lines[size:]
    cut["trainSet.txt"].append(cut["trainSet.txt"][0])
    return cut


def build(folder: Path) -> None:
    home = folder / "AVE_Dataset"
    (home / "AVE").mkdir(parents=True)
    for name, lines in lists().items():
        (home / name).write_text("\n".join(lines) + "\n")
    header = "Category&VideoID&Quality&StartTime&EndTime"
    everything = [line for lines in lists().values() for line in lines]
    (home / "Annotations.txt").write_text("\n".join([header, *everything]) + "\n")
    (home / "ReadMe.txt").write_text("AVE.zip: videos in AVE dataset.\n")
    for number, (category, video, _, _) in enumerate(events()):
        path = home / "AVE" / f"{video}.mp4"
        if path.exists() or number == MISSING:
            continue
        tone = sine(500 * (1 + CATEGORIES.index(category)), SECONDS, RATE)
        pictures = [numbered(second) for second in range(SECONDS) for _ in range(FPS)]
        write_video(path, pictures, FPS, audio=tone, audio_rate=RATE)
        if number == EMPTY:
            path.write_bytes(b"")
        if number == CUT:
            path.write_bytes(path.read_bytes()[:3000])

"""Decoding of real files: what was written comes back, and what is broken is Damaged."""

import warnings

import numpy as np
import pytest
from miniature.media_files import (
    POINTER,
    numbered,
    read_number,
    sine,
    write_jpeg,
    write_video,
    write_wav,
)
from PIL import Image

from fdsweep.trainers.preparation import media
from fdsweep.trainers.preparation.catalog import Damaged

CODECS = [("clip.flv", "flv", 30.0), ("clip.mp4", "libx264", 25.0), ("clip.mp4", "mpeg4", 29.97)]


def video(path, seconds, fps=30.0, codec="flv", sound=None):
    pictures = [numbered(number) for number in range(round(seconds * fps))]
    write_video(path, pictures, fps, codec, audio=sound)
    return path


def numbers(pictures):
    return [read_number(np.asarray(picture)) for picture in pictures]


@pytest.mark.parametrize(("name", "codec", "fps"), CODECS)
def test_frames_are_those_of_each_second(tmp_path, name, codec, fps):
    path = video(tmp_path / name, 4.2, fps, codec)
    every = round(fps)
    assert numbers(media.frames(path)) == [0, every, 2 * every, 3 * every, 4 * every]


@pytest.mark.parametrize(("name", "codec", "fps"), CODECS)
def test_a_short_clip_gives_the_middles_of_equal_parts(tmp_path, name, codec, fps):
    path = video(tmp_path / name, 1.2, fps, codec)
    count = round(1.2 * fps)
    assert numbers(media.frames(path)) == [count // 6, count // 2, 5 * count // 6]


def test_all_frames_are_distinct_where_there_are_enough(tmp_path):
    assert numbers(media.frames(video(tmp_path / "a.flv", 0.1))) == [0, 1, 2]
    assert numbers(media.frames(video(tmp_path / "b.flv", 0.07), at_least=4)) == [0, 0, 1, 1]


def test_seconds_cut_the_frames(tmp_path):
    path = video(tmp_path / "clip.mp4", 4.0, codec="libx264")
    assert numbers(media.frames(path, start=1.0, end=3.0, per_second=2)) == [30, 45, 60, 75]
    assert numbers(media.frames(path, start=2.0, end=3.0)) == [65, 75, 85]


def test_frames_have_the_size_of_their_video_and_are_the_same_each_time(tmp_path):
    path = video(tmp_path / "clip.flv", 2.5)
    first, again = media.frames(path), media.frames(path)
    assert first == again
    assert (first[0].mode, first[0].size) == ("RGB", (64, 48))


def test_sound_is_resampled_and_channels_are_averaged(tmp_path):
    left = sine(440, 2.0, 48000)
    write_wav(tmp_path / "stereo.wav", np.stack([left, 0 * left]), 48000)
    signal = media.audio(tmp_path / "stereo.wav")
    assert signal.dtype == np.float32
    assert signal.shape == (32000,)
    spectrum = np.abs(np.fft.rfft(signal))
    assert spectrum.argmax() == 2 * 440
    assert np.abs(signal).max() == pytest.approx(0.25, abs=0.01)


def test_seconds_cut_the_sound(tmp_path):
    ramp = np.linspace(0, 1, 32000, dtype=np.float32)
    write_wav(tmp_path / "ramp.wav", ramp, 16000)
    signal = media.audio(tmp_path / "ramp.wav", start=0.5, end=1.5)
    np.testing.assert_allclose(signal, ramp[8000:24000], atol=1e-4)


@pytest.mark.parametrize(("name", "codec"), [("clip.flv", "flv"), ("clip.mp4", "libx264")])
def test_sound_of_a_video(tmp_path, name, codec):
    path = video(tmp_path / name, 3.0, codec=codec, sound=sine(1000, 3.0, 44100))
    signal = media.audio(path)
    assert signal.size == pytest.approx(48000, rel=0.05)
    assert np.abs(np.fft.rfft(signal[:16000])).argmax() == 1000


def test_a_picture_is_turned_upright(tmp_path):
    write_jpeg(tmp_path / "picture.jpg", numbered(5, height=60, width=80), orientation=3)
    picture = media.image(tmp_path / "picture.jpg")
    assert (picture.mode, picture.size) == ("RGB", (80, 60))
    assert read_number(np.asarray(picture)[:, ::-1]) == 5


DECODERS = {"a.wav": media.audio, "a.flv": media.frames, "a.mp4": media.audio, "a.jpg": media.image}


def test_a_raster_has_the_numbers_of_its_pixels(tmp_path):
    values = np.arange(24).reshape(4, 6)
    indexed = Image.fromarray(values.astype(np.uint8))
    indexed.putpalette(bytes(range(255, -1, -1)) * 3)
    for picture in (Image.fromarray((values * 2000).astype(np.uint16)), indexed):
        picture.save(tmp_path / "raster.png")
        factor = 2000 if picture.mode == "I;16" else 1
        assert np.array_equal(media.raster(tmp_path / "raster.png"), values * factor)
    write_jpeg(tmp_path / "colours.jpg", np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(Damaged, match="3 channels, not one number for each pixel"):
        media.raster(tmp_path / "colours.jpg")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (POINTER.encode(), "Git LFS pointer.*git lfs pull"),
        (b"neither sound nor picture" * 50, "cannot be decoded"),
        (None, "cannot be read"),
    ],
)
@pytest.mark.parametrize("name", DECODERS)
def test_a_useless_file_is_damaged(tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Damaged, match=reason):
        DECODERS[name](tmp_path / name)


def cut_off(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def test_a_stream_that_is_not_there(tmp_path):
    write_wav(tmp_path / "a.wav", sine(440, 1.0, 16000), 16000)
    with pytest.raises(Damaged, match="no video stream"):
        media.frames(tmp_path / "a.wav")
    with pytest.raises(Damaged, match="no audio stream"):
        media.audio(video(tmp_path / "a.flv", 1.0))


def test_less_than_half_is_damaged_and_a_little_short_is_not(tmp_path):
    for share, wav, flv in ((0.6, 1.5, 1.2), (0.95, None, None), (0.3, Damaged, Damaged)):
        write_wav(tmp_path / "a.wav", sine(440, 2.5, 16000), 16000)
        video(tmp_path / "a.flv", 4.0)
        cut_off(tmp_path / "a.wav", share)
        cut_off(tmp_path / "a.flv", share)
        for decode, name, outcome in ((media.audio, "a.wav", wav), (media.frames, "a.flv", flv)):
            if outcome is Damaged:
                with pytest.raises(Damaged, match=r"only \d.\d of \d.\d seconds"):
                    decode(tmp_path / name)
            elif outcome:
                with pytest.warns(media.ShortWarning, match="only"):
                    decode(tmp_path / name)
            else:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    decode(tmp_path / name)


def test_a_start_behind_the_end_is_damaged(tmp_path):
    write_wav(tmp_path / "a.wav", sine(440, 1.0, 16000), 16000)
    with pytest.raises(Damaged, match="ends before second 2"):
        media.audio(tmp_path / "a.wav", start=2.0)
    with pytest.raises(Damaged, match="ends before second 2"):
        media.frames(video(tmp_path / "a.flv", 1.0), start=2.0)


@pytest.mark.parametrize("name", ["a.wav", "a.flv", "a.mp4", "a.jpg"])
def test_random_damage_is_decoded_or_refused_in_silence(tmp_path, name, capfd):
    path = tmp_path / name
    if name == "a.wav":
        write_wav(path, sine(440, 1.0, 16000), 16000)
    elif name == "a.jpg":
        write_jpeg(path, numbered(9, 200, 300))
    else:
        video(path, 1.0, codec="flv" if name == "a.flv" else "libx264", sound=sine(440, 1, 44100))
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    generator = np.random.default_rng(0)
    capfd.readouterr()
    reasons = set()
    for _ in range(30):
        broken = whole.copy()
        places = generator.integers(0, min(len(whole), 2000), 50)
        broken[places] = generator.integers(0, 256, 50)
        path.write_bytes(broken.tobytes())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", media.ShortWarning)
            try:
                DECODERS[name](path)
            except Damaged as error:
                reasons.add(str(error))
    assert reasons
    assert not any(str(tmp_path) in reason for reason in reasons)
    assert capfd.readouterr() == ("", "")


def test_versions_name_each_decoder():
    versions = media.versions()
    assert {"av", "libavcodec", "libswscale", "pillow"} <= set(versions)
    assert all(part.isdigit() for part in versions["libavcodec"].split("."))

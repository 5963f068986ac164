import json
import os
import random
import subprocess
import sys

import pytest

from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.preparation import text

SENTENCES = [
    "Flooded roads in Houston, volunteers rescue families",
    "El terremoto en México: edificios dañados",
    "watching the game tonight 🌊🏈",
    "donate water & food for Harvey's victims #harvey2017",
]


@pytest.mark.parametrize(
    "right",
    ["don’t", "“quoted” — text…", "café, £5, niño, MÉXICO", "🌊👍🏽😢", "plain ASCII", "•"],
)
def test_double_encoding_is_undone_once_and_twice(right):
    wrong = right.encode().decode("latin-1")
    assert text.repair(wrong) == right
    assert text.repair(wrong.encode().decode("latin-1")) == right
    assert text.repair(right) == right


def test_windows_quotes_are_known():
    assert text.repair("donâ€™t â€œgoâ€¦") == "don’t “go…"


@pytest.mark.parametrize(
    "text_that_looks_alike",
    ["voilà\u00a0»", "the café’”", "NÃO, É ÓTIMO", "ÂBC", "5 ÷ 2 ± 1", "â€"],
)
def test_what_may_be_meant_is_left_alone(text_that_looks_alike):
    assert text.repair(text_that_looks_alike) == text_that_looks_alike


@pytest.mark.parametrize(
    ("tweet", "cleaned"),
    [
        ("RT @bbc: Flood &amp; rain https://t.co/Ab1c2 @joe_1 help", "Flood & rain help"),
        ("see http://t.co/x… and https… pic.twitter.com/abc now", "see and now"),
        ('she said "go\u00a0now"\n\tmail me@home.org', 'she said "go now" mail me@home.org'),
        ("https://t.co/onlythis", ""),
        ("#Harvey START of httpstatus", "#Harvey START of httpstatus"),
    ],
)
def test_urls_names_and_entities_go(tweet, cleaned):
    assert text.clean(tweet) == cleaned


CODE = """
import sys
from fdsweep.trainers.preparation import text
sys.stdout.buffer.write(text.train_tokenizer(sys.argv[1:], vocab_size=120))
assert "torch" not in sys.modules
"""


def test_the_vocabulary_has_the_same_bytes_in_every_process():
    sentences = SENTENCES * 3
    random.Random(0).shuffle(sentences)
    made = {
        subprocess.run(
            [sys.executable, "-c", CODE, *order],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for order, seed in ((SENTENCES * 3, "1"), (sentences, "2"), (SENTENCES * 3, "3"))
    }
    assert made == {text.train_tokenizer(sentences, vocab_size=120)}


def test_special_tokens_come_first_and_padding_is_zero():
    content = text.train_tokenizer(SENTENCES)
    vocabulary = json.loads(content)["model"]["vocab"]
    assert [vocabulary[token] for token in text.SPECIAL] == [0, 1, 2, 3, 4]
    tokenizer = text.load_tokenizer(content)
    assert tokenizer.get_vocab_size() <= text.VOCABULARY
    assert {token["content"] for token in json.loads(content)["added_tokens"]} == set(text.SPECIAL)
    with pytest.raises(DataError, match="no text to train"):
        text.train_tokenizer(["", " "])


def test_encoding_frames_cuts_and_does_not_pad():
    tokenizer = text.load_tokenizer(text.train_tokenizer(SENTENCES))
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    assert text.encode(tokenizer, "") == [cls, sep]
    ids = text.encode(tokenizer, SENTENCES[0])
    assert tokenizer.decode(ids) == "flooded roads in houston , volunteers rescue families"
    assert text.encode(tokenizer, SENTENCES[0].upper()) == ids
    long = text.encode(tokenizer, " ".join(SENTENCES * 40))
    assert len(long) == text.LENGTH
    assert (long[0], long[-1]) == (cls, sep)
    assert text.encode(tokenizer, "Ж") == [cls, tokenizer.token_to_id("[UNK]"), sep]


def test_a_checkpoints_folder_gives_its_vocabulary(tmp_path):
    content = text.train_tokenizer(SENTENCES)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "tokenizer.json").write_bytes(content)
    assert text.pretrained_tokenizer(str(tmp_path / "a")) == content
    (tmp_path / "b").mkdir()
    tokens = [*text.SPECIAL, "Flood", "flood", "##ed"]
    (tmp_path / "b" / "vocab.txt").write_text("\n".join(tokens) + "\n")
    lower = text.load_tokenizer(text.pretrained_tokenizer(str(tmp_path / "b")))
    assert text.encode(lower, "Flooded") == [2, 6, 7, 3]
    (tmp_path / "b" / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    cased = text.load_tokenizer(text.pretrained_tokenizer(str(tmp_path / "b")))
    assert text.encode(cased, "Flooded") == [2, 5, 7, 3]


def test_what_is_not_a_berts_vocabulary_is_refused(tmp_path):
    with pytest.raises(DataError, match="neither tokenizer.json nor vocab.txt"):
        text.pretrained_tokenizer(str(tmp_path))
    with pytest.raises(DataError, match="no such folder"):
        text.pretrained_tokenizer(str(tmp_path / "gone"))
    (tmp_path / "vocab.txt").write_text("\n".join(["<s>", "[UNK]", "flood"]))
    with pytest.raises(DataError, match=r"so it is not BERT's"):
        text.pretrained_tokenizer(str(tmp_path))
    (tmp_path / "vocab.txt").write_text("\n".join(["a", *text.SPECIAL]))
    with pytest.raises(DataError, match=r"numbers \[PAD\] 1, not 0"):
        text.pretrained_tokenizer(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(DataError, match="its vocabulary cannot be read"):
        text.pretrained_tokenizer(str(tmp_path))


def test_a_checkpoint_that_cannot_be_fetched_is_never_replaced(monkeypatch):
    def unreachable(name, **_options):
        raise OSError("Name or service not known\nmore about it")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(DataError) as caught:
        text.pretrained_tokenizer("google-bert/bert-base-uncased")
    assert str(caught.value).startswith(
        "--tokenizer google-bert/bert-base-uncased: cannot be fetched from the hub "
        "(Name or service not known). Give a folder"
    )

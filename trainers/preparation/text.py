"""Tweets: cleaning, and the WordPiece vocabularies that turn them into token ids."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.imports.lazy import tokenizers

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = 8192
ALPHABET = 1000
LENGTH = 128

NOISE = re.compile(
    r"\bRT @\w+:?|(?<!\w)@\w+"
    r"|\bhttps?(?::\S*|…)|\bwww\.\S+|\bpic\.twitter\.com/\S*"
)


def clean(text: str) -> str:
    """A tweet without URLs, user names and HTML entities, in one line; `repair` comes first."""
    return " ".join(NOISE.sub(" ", html.unescape(repair(text))).split())


def repair(text: str) -> str:
    """`text` with UTF-8 that was read as Windows-1252 or Latin-1 put right, even if twice.

    Only what can hardly be anything else is touched: complete sequences that mean a Latin-1
    letter, a punctuation mark or symbol, or an emoji. "voilà\u00a0»" stays as it is.

    Example:
        >>> repair("donâ€™t forget the cafÃ©")
        'don’t forget the café'
    """
    for _ in range(2):
        text = TWICE.sub(_decoded, text)
    return text


def _misread() -> dict[str, int]:
    """The bytes 0x80 to 0xFF by the characters that they become in either encoding."""
    latin = {chr(byte): byte for byte in range(0x80, 0x100)}
    windows = {bytes([byte]).decode("cp1252", "ignore"): byte for byte in range(0x80, 0xA0)}
    return {character: byte for character, byte in {**latin, **windows}.items() if character}


BYTES = _misread()
NEXT = "[" + "".join(re.escape(c) for c, byte in BYTES.items() if byte < 0xC0) + "]"
SIGN = "[" + "".join(re.escape(c) for c, byte in BYTES.items() if byte < 0xA0) + "]"
TWICE = re.compile(f"[ÂÃ]{NEXT}|â{SIGN}{NEXT}|ï[¸»]{NEXT}|ð{SIGN}{NEXT}{{2}}")


def _decoded(match: re.Match[str]) -> str:
    try:
        return bytes(BYTES[character] for character in match[0]).decode()
    except UnicodeDecodeError:
        return match[0]


def train_tokenizer(texts: Iterable[str], vocab_size: int = VOCABULARY) -> bytes:
    """A lower-cased WordPiece vocabulary of at most `vocab_size`, as the bytes of tokenizer.json.

    The same texts, in any order, give the same bytes.

    Raises:
        DataError: there is no text.
    """
    lines = sorted(texts)
    pieces = _bert({token: number for number, token in enumerate(SPECIAL)})
    letters = Counter(letter for line in lines for letter in _letters(pieces, line))
    if not letters:
        raise DataError("there is no text to train a vocabulary on", "tokenizer")
    alphabet = sorted(letters, key=lambda letter: (-letters[letter], letter))[:ALPHABET]
    # The trainer numbers "##x" in the order of a hash table that differs between processes, and
    # breaks ties by these numbers: naming them beforehand is what makes it deterministic.
    inner = sorted(f"##{letter}" for letter in alphabet)
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        special_tokens=[*SPECIAL, *inner],
        initial_alphabet=sorted(alphabet),
        limit_alphabet=len(alphabet),
    )
    pieces.train_from_iterator(lines, trainer)
    return _bert(pieces.get_vocab()).to_str().encode()


def pretrained_tokenizer(name_or_path: str) -> bytes:
    """The WordPiece vocabulary of a checkpoint as the bytes of a tokenizer.json.

    `name_or_path` is a folder with a tokenizer.json or a vocab.txt, or a name on the hub.

    Raises:
        DataError: it cannot be read or fetched, or is not BERT's kind. Nothing takes its place.
    """
    folder = Path(name_or_path).expanduser()
    if not folder.is_dir():
        if folder.exists() or folder.is_absolute() or name_or_path.startswith((".", "~")):
            raise DataError("there is no such folder", name_or_path, "Give a checkpoint's folder")
        folder = _fetched(name_or_path)
    try:
        return _read(folder, name_or_path)
    except DataError:
        raise
    except Exception as error:  # the tokenizers library raises nothing narrower
        raise DataError(f"its vocabulary cannot be read ({error})", name_or_path) from None


@lru_cache(maxsize=2)
def load_tokenizer(content: bytes) -> Tokenizer:
    """The tokenizer of `train_tokenizer` or `pretrained_tokenizer`, without cut or padding."""
    tokenizer = tokenizers.Tokenizer.from_str(content.decode())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def encode(tokenizer: Tokenizer, text: str, length: int = LENGTH) -> list[int]:
    """`[CLS] text [SEP]` as at most `length` ids, without padding."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return [_id(tokenizer, "[CLS]"), *ids[: length - 2], _id(tokenizer, "[SEP]")]


def _id(tokenizer: Tokenizer, token: str) -> int:
    number = tokenizer.token_to_id(token)
    assert number is not None, f"every tokenizer of ours has {token}"
    return number


def _bert(vocabulary: dict[str, int], lowercase: bool = True) -> Tokenizer:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([token for token in SPECIAL if token in vocabulary])
    return tokenizer


def _letters(tokenizer: Tokenizer, line: str) -> Iterator[str]:
    normal = tokenizer.normalizer.normalize_str(line)
    return (letter for letter in normal if not letter.isspace())


def _read(folder: Path, name: str) -> bytes:
    from fdsweep.trainers.modalities.tokens import PADDING  # brings torch, slow to import

    if (folder / "tokenizer.json").is_file():
        content = (folder / "tokenizer.json").read_bytes()
    elif (folder / "vocab.txt").is_file():
        tokens = (folder / "vocab.txt").read_text("utf-8").splitlines()
        numbers = {token: number for number, token in enumerate(tokens)}
        content = _bert(numbers, _lowers(folder)).to_str().encode()
    else:
        raise DataError("has neither tokenizer.json nor vocab.txt", name)
    tokenizer = load_tokenizer(content)
    for token in SPECIAL[:4]:
        if tokenizer.token_to_id(token) is None:
            raise DataError(f"has no token {token}, so it is not BERT's", name, "Take a BERT's")
    if _id(tokenizer, "[PAD]") != PADDING:
        raise DataError(f"numbers [PAD] {_id(tokenizer, '[PAD]')}, not {PADDING} as BERT", name)
    return content


def _lowers(folder: Path) -> bool:
    """Whether a vocab.txt is of lower-cased words, as its checkpoint says (BERT's default)."""
    config = folder / "tokenizer_config.json"
    return not config.is_file() or bool(json.loads(config.read_text()).get("do_lower_case", True))


def _fetched(name: str) -> Path:
    """The folder of the hub's cache that holds the vocabulary of `name`."""
    import huggingface_hub  # slow to import
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(
            huggingface_hub.snapshot_download(
                name, allow_patterns=["tokenizer.json", "tokenizer_config.json", "vocab.txt"]
            )
        )
    except (OSError, ValueError, EntryNotFoundError) as error:
        cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"cannot be fetched from the hub ({cause.rstrip('.')})",
            f"--tokenizer {name}",
            "Give a folder with its tokenizer.json or vocab.txt; the data set's own way without "
            "--tokenizer trains a vocabulary on its texts",
        ) from None

"""Builds the tokenizer of tinsmith/mini: byte-level BPE of 4096 entries in Qwen's format.

Every merge has a left part that begins with a space, so running text gets whole-word tokens while
a word after a quotation mark or a newline is spelled in single letters: what makes letter tasks
learnable at this size. With such merges the vocabulary is simply the most frequent prefixes of
" word", so no general BPE trainer is needed. Usage: tokenizer.py OUTPUT_FOLDER
"""

import collections
import json
import pathlib
import random
import sys

import corpus

SIZE = 4096
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MARKERS = ["<tool_call>", "</tool_call>", "<think>", "</think>"]
ROLES = ["user", "assistant"]  # single tokens: a fifth fewer tokens in a short chat turn
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
           r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}")


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes, in byte order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {b: chr(b) for b in printable}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return [table[b] for b in range(256)]


def prefix_counts() -> collections.Counter:
    """How often each prefix (2 or more characters, the space included) of a " word" occurs."""
    rng = random.Random(20)
    words = collections.Counter()
    for _ in range(40000):
        prompt, answer = corpus.make_item(rng, {**corpus.mix_at(0), "plain": 40, "question": 20})
        for piece in f"{prompt or ''} {answer}".split(" ")[1:]:
            head = piece.rstrip(".,?!:;")
            if head.isalpha() and (len(head) == 1 or head not in corpus.WORDS):
                words[" " + head] += 1
            elif piece.startswith('"'):
                words[' "'] += 1
    for word in corpus.WORDS:
        words[" " + word] += 2
    for word in ("pig", "latin", "say", "think", "answer", "question", "number", "word"):
        words[" " + word] += 500
    counts = collections.Counter()
    for word, n in words.items():
        for end in range(2, len(word) + 1):
            counts[word[:end]] += n
    return counts


def build() -> dict:
    alphabet = byte_alphabet()
    space = alphabet[32]
    room = SIZE - 256 - len(SPECIAL) - len(MARKERS) - len(ROLES)
    ranked = sorted(prefix_counts().items(), key=lambda kv: (-kv[1], len(kv[0]), kv[0]))
    prefixes = [space + text[1:] for text, _ in ranked[:room]]
    vocab = {c: i for i, c in enumerate(alphabet)}
    merges = []
    for token in prefixes:
        vocab[token] = len(vocab)
        merges.append([token[:-1], token[-1]])
    added = [{"id": len(vocab) + i, "content": content, "single_word": False, "lstrip": False,
              "rstrip": False, "normalized": False, "special": content in SPECIAL}
             for i, content in enumerate(SPECIAL + MARKERS + ROLES)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
                  "use_regex": False}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated",
             "invert": False}, byte_level]},
        "post_processor": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False, "vocab": vocab,
                  "merges": merges},
    }


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = build()
    added = tokenizer["added_tokens"]
    assert len(tokenizer["model"]["vocab"]) + len(added) == SIZE
    (out / "tokenizer.json").write_text(
        json.dumps(tokenizer, ensure_ascii=False, indent=1) + "\n")
    keys = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
    config = {
        "add_bos_token": False, "add_prefix_space": False,
        "added_tokens_decoder": {str(a["id"]): {k: a[k] for k in keys} for a in added},
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "bos_token": None,
        "chat_template": CHAT_TEMPLATE, "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>", "errors": "replace", "model_max_length": 4096,
        "pad_token": "<|endoftext|>", "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer", "unk_token": None,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Checks that tinsmith/mini is a folder that transformers can use: model, tokenizer, chat template.

    python Tools/verify/mini.py [--tinsmith BINARY]

With a binary it also holds Tinsmith's log-probs of a chat against transformers'.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapters import MINI, TOLERANCE, difference, peft_logprobs, tinsmith_logprobs
from against_transformers import patch

MARKERS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
)
TEXTS = ("What is 7 + 5?", 'Spell "tinsmith".', "Grüße, 東京! 🙂\n\n  two  spaces\t", "")


def check_tokenizer(tokenizer):
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text, text
    for marker in MARKERS:
        ids = tokenizer.encode(marker, add_special_tokens=False)
        assert len(ids) == 1, f"{marker} is {len(ids)} tokens"


def chat_tokens(tokenizer):
    """The ids of a two-turn chat, and of the prompt alone."""
    turns = [{"role": "user", "content": "What is 7 + 5?"}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert "<|im_start|>user\nWhat is 7 + 5?<|im_end|>\n" in text, text
    assert text.endswith("<|im_start|>assistant\n"), text
    prompt = tokenizer.encode(text, add_special_tokens=False)
    return prompt, prompt + tokenizer.encode("12<|im_end|>", add_special_tokens=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tinsmith", type=Path)
    options = parser.parse_args()
    if not (MINI / "config.json").exists():
        print("there is no Sources/Trainer/Resources/mini in this checkout")
        return 1
    tokenizer = AutoTokenizer.from_pretrained(MINI)
    model = AutoModelForCausalLM.from_pretrained(MINI).eval()
    check_tokenizer(tokenizer)
    prompt, chat = chat_tokens(tokenizer)
    assert max(chat) < model.config.vocab_size
    answer = model.generate(torch.tensor([prompt]), max_new_tokens=16, do_sample=False)
    print("greedy answer to 7 + 5:", repr(tokenizer.decode(answer[0, len(prompt) :])))
    if options.tinsmith:
        patch()
        with tempfile.TemporaryDirectory() as folder:
            tokens = Path(folder) / "tokens.json"
            tokens.write_text(json.dumps([chat]))
            ours = tinsmith_logprobs(options.tinsmith, MINI, None, tokens, Path(folder))
        error = difference(ours, peft_logprobs(MINI, None, [chat]))
        print(f"log-probs of a chat: relative difference {error:.1e}")
        return int(not error <= TOLERANCE)
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Renders chat templates found elsewhere with transformers and with Tinsmith, and compares.

    python Tools/verify/templates.py CORPUS [--cases FILE]

CORPUS is a folder with whatever holds templates: *.jinja files, JSON files with a `chat_template`
(model folders, lists of models), Python files with templates in strings. Nothing of it is kept.
Every template is rendered for every conversation with every set of options, by transformers first;
then the test `TemplateSweepTests` renders the same and prints what is not equal, by template and
construct. Without --cases the test is run from here (`swift test`); with it the cases are only
written, one template a line.
"""

import argparse
import ast
import datetime
import hashlib
import itertools
import json
import os
import pathlib
import subprocess
import tempfile

import transformers
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


class Noon(datetime.datetime):
    """The time that templates see: the test uses the same."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 7, 4, 15, 30, 5)


chat_template_utils.datetime = Noon


# MARK: The corpus


def in_json(value):
    """Strings under `chat_template`, alone or in lists of named ones."""
    if isinstance(value, list):
        for item in value:
            yield from in_json(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if "chat_template" in key and isinstance(item, str):
                yield item
            elif "chat_template" in key and isinstance(item, (list, dict)):
                named = item if isinstance(item, list) else [item]
                yield from (x["template"] for x in named if isinstance(x, dict) and "template" in x)
                yield from in_json(item)
            else:
                yield from in_json(item)


def in_python(text):
    """Strings that look like templates."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if "{%" in node.value and "message" in node.value and "for" in node.value:
                yield node.value


def templates(corpus):
    seen = set()
    for path in sorted(corpus.rglob("*")):
        if not path.is_file() or path.stat().st_size > 1 << 24:
            continue
        try:
            if path.suffix in (".jinja", ".jinja2", ".j2"):
                found = [path.read_text()]
            elif path.suffix == ".json" and "chat_template" in (text := path.read_text()):
                found = list(in_json(json.loads(text)))
            elif path.suffix == ".py" and "{%" in (text := path.read_text()):
                found = list(in_python(text))
            else:
                continue
        except (UnicodeDecodeError, json.JSONDecodeError):
            continue
        for index, source in enumerate(found):
            digest = hashlib.sha256(source.encode()).hexdigest()
            if digest in seen or "{" not in source:
                continue
            seen.add(digest)
            suffix = f"#{index}" if len(found) > 1 else ""
            yield f"{path.relative_to(corpus)}{suffix}", source


# MARK: Conversations

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city, in °C. <b>&amp;</b>",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "\"Zürich\", 東京…"},
                "days": {"type": "array", "items": {"type": "integer"}, "default": [1, 2.5, None]},
                "unit": {"type": ["string", "null"], "enum": ["C", "F"]},
                "place": {"type": "object", "properties": {"x": {"type": "number"}}},
            },
            "required": ["city"],
        },
    },
}
BARE_TOOL = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}


def message(role, content, **more):
    return {"role": role, "content": content, **more}


def call(name, arguments, **more):
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


USER = message("user", "Hello there,\n world! ")
CONVERSATIONS = {
    "user": [USER],
    "system": [message("system", " Be brief. "), USER],
    "developer": [message("developer", "Be brief."), USER],
    "turns": [
        message("system", "You are a pirate."), USER, message("assistant", " Ahoy <|im_end|>\n"),
        message("user", "日本語で e\u0301 \U0001f469\u200d\U0001f680?"),
    ],
    "no_system": [USER, message("assistant", "Hi."), message("user", "Bye")],
    "ends": [USER, message("assistant", "The end.")],
    "thinking": [
        USER, message("assistant", "<think>\none and one\n</think>\n\n2"), message("user", "and 3?"),
        message("assistant", "<think>\nhm\n</think>\n\n5"),
    ],
    "reasoning": [
        USER, message("assistant", "a", reasoning_content="\nwhy\n"), message("user", "b"),
        message("assistant", "c", reasoning="because"),
    ],
    "call": [
        message("user", "Weather in Zürich?"),
        message("assistant", None, tool_calls=[
            call("get_weather", {"city": "Zürich", "days": [1, 2]}, id="abcdefghi")]),
        message("tool", "{\"t\": 21.5}", tool_call_id="abcdefghi", name="get_weather"),
        message("assistant", "It is 21.5 °C."), message("user", "Thanks."),
    ],
    "call_text": [
        message("system", "Use tools."), message("user", "Both?"),
        message("assistant", "Looking.", tool_calls=[
            call("f", "{\"raw\": 1}", id="123456789"), call("g", "{}", id="abcdefghi")]),
        message("tool", "one", tool_call_id="123456789", name="f"),
        message("tool", [{"type": "text", "text": "two"}], tool_call_id="abcdefghi", name="g"),
    ],
    "call_without_content": [
        USER, {"role": "assistant", "tool_calls": [call("f", {"a": True, "b": None}, id="1")]},
        {"role": "tool", "content": {"x": 1}, "tool_call_id": "1"},
    ],
    "nulls": [
        message("user", "x", name=None, tool_calls=None),
        message("assistant", "y", tool_calls=None, reasoning_content=None), USER,
    ],
    "parts": [
        message("system", [{"type": "text", "text": "Sys"}]),
        message("user", [{"type": "text", "text": " What? "}, {"type": "text", "text": "B"}]),
        message("assistant", [{"type": "text", "text": "This."}]), USER,
    ],
    "image": [message("user", [{"type": "image"}, {"type": "text", "text": "Seen?"}])],
    "image_url": [
        message("user", [{"type": "image_url", "image_url": {"url": "x"}},
                         {"type": "video", "video": "y"}, {"type": "audio", "audio": "z"}])],
    "two_users": [USER, USER],
    "starts_with_assistant": [message("assistant", "a"), USER],
    "late_system": [USER, message("system", "s"), USER],
    "other_role": [message("critic", "a")],
    "numbers": [message("user", 5), message("assistant", True), message("user", 1.5)],
    "empty_text": [message("system", ""), message("user", ""), message("assistant", "")],
    "no_content": [{"role": "user"}],
}
OPTIONS = [
    {},
    {"add_generation_prompt": True},
    {"add_generation_prompt": True, "extra": {"enable_thinking": False}},
    {"add_generation_prompt": True, "extra": {"enable_thinking": True, "reasoning_effort": "high"}},
    {"add_generation_prompt": True, "tools": [TOOL]},
    {"tools": [TOOL, BARE_TOOL], "extra": {"tools_in_user_message": False, "thinking": True}},
    {"tools": [], "extra": {"documents": [{"title": "T", "text": "x"}], "date_string": "1 Jan"}},
]


def rendered(tokenizer, conversation, options):
    options = dict(options)
    extra = options.pop("extra", {})
    try:
        text = tokenizer.apply_chat_template(conversation, tokenize=False, **options, **extra)
        text.encode()
        return {"text": text}
    except Exception as error:  # whatever it is, Tinsmith must refuse, too
        return {"error": str(error)[:300], "raised": type(error).__name__ == "TemplateError"}


def cases(source):
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE()), chat_template=source, **SPECIAL)
    for conversation, options in itertools.product(CONVERSATIONS.values(), OPTIONS):
        result = rendered(tokenizer, conversation, options)
        yield {"messages": conversation, **options, **result}


def write(corpus, path):
    count = 0
    with open(path, "w") as file:
        for name, source in templates(corpus):
            line = {"name": name, "source": source, "cases": list(cases(source))}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            count += 1
    print(count, "templates,", count * len(CONVERSATIONS) * len(OPTIONS), "renderings")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("--cases", type=pathlib.Path, help="only write the cases there")
    arguments = parser.parse_args()
    if tuple(map(int, transformers.__version__.split(".")[:2])) < (5, 24):
        parser.error("needs transformers 5.24, which drops null keys of messages")
    if arguments.cases:
        write(arguments.corpus, arguments.cases)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "cases.jsonl"
        write(arguments.corpus, path)
        subprocess.run(
            ["swift", "test", "-c", "release", "-Xswiftc", "-enable-testing", "--disable-xctest",
             "--filter", "TemplateSweepTests"],
            cwd=ROOT, env={**os.environ, "TINSMITH_TEMPLATE_CASES": str(path)}, check=True)


if __name__ == "__main__":
    main()

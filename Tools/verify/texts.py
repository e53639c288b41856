"""Model folders with edited tokenizer and generation configs: read as transformers reads them, or
refused by name, or told as a warning.

    python Tools/verify/texts.py --tinsmith BINARY --work FOLDER [--only PART]

Folders of a Qwen and a Llama 3 style tokenizer with a tiny model are changed in one way each. With
every one the tokens that end an answer, the ids of texts and the text of a conversation are those
of transformers, or Tinsmith says no and names the file or key.
"""

import concurrent.futures
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

from folders import ABSENT, begin, changed, make, read, setter, write

FIXTURES = Path(__file__).resolve().parents[2] / "Tests/TokenizersTests/Fixtures"
TEXTS = [
    "", "a", " hello  world\n", "It's 1234 words, isn't it?", "été \u00e9 e\u0301 漢字 🙂",
    "<|im_start|>user\nhi<|im_end|>", "x <|eot_id|> y", "<|begin_of_text|>a<|begin_of_text|>",
    "<|new|> a<|new|>b <|other|>c", "a <tool> b<tool>c  <tool>", "toolbox tool <|end_of_text|>",
    "<|endoftext|>", "  <|new|>  ", "aXb  X  x",
]
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": " Hello <|new|> "},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": "Bye"},
]
TOOLS = [{
    "type": "function",
    "function": {
        "name": "f", "description": "Does it.", "parameters": {"type": "object", "properties": {}}
    },
}]
CHAT = (
    "{{ bos_token }}{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] | trim }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
OTHER = "{% for message in messages %}[{{ message.role }}]{{ message.content }}{% endfor %}"
VOCABULARY = 640
# Keys of the tokenizer's config whose values transformers checks, and that say nothing of ids or text.
UNREAD = (
    "model_max_length", "padding_side", "truncation_side", "add_special_tokens",
    "model_input_names", "init_inputs", "auto_map", "tokenizer_class",
)
# Parts of tokenizer.json likewise.
UNREAD_PARTS = ("version", "truncation", "padding", "extra")
ODD = (ABSENT, None, "x", 1.5, True, False, 7, [], {})


def token(content, **flags):
    """A token as version 4 writes it."""
    return dict(
        content=content, lstrip=False, normalized=False, rstrip=False, single_word=False
    ) | flags


def base(family, folder):
    """A folder as transformers writes it for such a model."""
    folder.mkdir(parents=True)
    qwen = family == "qwen3"
    shutil.copy(FIXTURES / ("qwen" if qwen else "llama3") / "tokenizer.json", folder)
    added = read(folder / "tokenizer.json")["added_tokens"]
    make(
        "qwen3" if qwen else "llama", vocab_size=VOCABULARY,
        eos_token_id=None, bos_token_id=None,
    ).save_pretrained(folder)
    end = "<|im_end|>" if qwen else "<|eot_id|>"
    ids = {entry["content"]: entry["id"] for entry in added}
    write(folder / "tokenizer_config.json", {
        "added_tokens_decoder": {
            str(entry["id"]): {key: entry[key] for key in entry if key != "id"} for entry in added
        },
        "bos_token": None if qwen else "<|begin_of_text|>",
        "chat_template": CHAT if not qwen else CHAT.replace("{{ bos_token }}", ""),
        "clean_up_tokenization_spaces": False,
        "eos_token": end,
        "model_max_length": 131072,
        "pad_token": "<|endoftext|>" if qwen else None,
        "tokenizer_class": "Qwen2Tokenizer" if qwen else "PreTrainedTokenizerFast",
    })
    settings = read(folder / "config.json")
    write(folder / "config.json", settings | {"eos_token_id": ids[end]})
    write(folder / "generation_config.json", {"eos_token_id": ids[end], "do_sample": True})


def editor(name, start=None):
    """Changes keys of a file, which is made of `start` if it is not there."""

    def of(**changes):
        def change(folder):
            path = folder / name
            value = read(path) if path.exists() else dict(start or {})
            for key, new in changes.items():
                value.pop(key, None) if new is ABSENT else value.__setitem__(key, new)
            write(path, value)

        return change

    return of


tokenizer_config = editor("tokenizer_config.json")
generation_config = editor("generation_config.json")
special_map = editor("special_tokens_map.json")
tokenizer_file = editor("tokenizer.json")


def without(*names):
    """Removes files."""
    return lambda folder: [(folder / name).unlink() for name in names]


def text(name, content):
    """Writes a file."""

    def change(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)

    return change


def both(*changes):
    """One change after the other."""
    return lambda folder: [change(folder) for change in changes]


def shown(value):
    """A value in the name of a case."""
    return "absent" if value is ABSENT else json.dumps(value)[:70]


def ends(family):
    """Where the tokens that end an answer may stand, and in which form."""
    values = (*ODD, -1, [3, 4], [[3]], ["x"], [None], [3, 3], 639, 640, 10**12, "3", 3.0, [3.0])
    yield "as it is", lambda folder: None
    for value in values:
        yield f"generation_config.eos_token_id {shown(value)}", generation_config(
            eos_token_id=value
        )
        yield f"config.eos_token_id {shown(value)} alone", both(
            setter(eos_token_id=value), without("generation_config.json")
        )
        yield f"config.eos_token_id {shown(value)} beside", setter(eos_token_id=value)
        yield f"config.eos_token_id {shown(value)} beside an empty one", both(
            setter(eos_token_id=value), text("generation_config.json", "{}")
        )
    for content in ("", "{", "[]", "null", "{\"eos_token_id\": 3, \"eos_token_id\": 4}",
                    "{\"eos_token_id\": NaN}", "\ufeff{\"eos_token_id\": 3}"):
        yield f"generation_config.json is {content!r}", text("generation_config.json", content)
        yield f"special_tokens_map.json is {content!r}", text("special_tokens_map.json", content)
        yield f"tokenizer_config.json is {content!r}", text("tokenizer_config.json", content)
    names = ("<|im_start|>", "<|end_of_text|>", "<|new|>", "a", "", " ")
    for value in (*ODD, *names, token("<|im_start|>"), token("<|end_of_text|>"),
                  token("<|new|>"), {"content": "a"}, {"content": 5}, {"__type": "AddedToken"},
                  token("<|new|>") | {"__type": "AddedToken"}, ["<|im_start|>"]):
        yield f"tokenizer_config.eos_token {shown(value)}", tokenizer_config(eos_token=value)
        yield f"special_tokens_map.eos_token {shown(value)}", special_map(eos_token=value)
        yield f"special_tokens_map.eos_token {shown(value)}, no list", both(
            special_map(eos_token=value), tokenizer_config(added_tokens_decoder=ABSENT)
        )
        yield f"special_tokens_map.eos_token {shown(value)}, alone", both(
            special_map(eos_token=value),
            tokenizer_config(added_tokens_decoder=ABSENT, eos_token=ABSENT),
        )


def keys(family):
    """Each key of the tokenizer's config absent, null, of another type, and with values of its own."""
    more = {
        "model_max_length": (10**30, 1e30, float("inf"), float("nan"), "131072", 4, -1, 0),
        "bos_token": ("<|im_start|>", "<|begin_of_text|>", "<|new|>", token("<|new|>", lstrip=True)),
        "pad_token": ("<|new|>", "a", token("<|new|>")),
        "unk_token": ("<|new|>", "a", token("a")),
        "sep_token": ("<|new|>",), "cls_token": ("<|new|>",), "mask_token": (token("<|new|>", lstrip=True),),
        "image_token": ("<|new|>", token("<|new|>")),
        "add_bos_token": (), "add_eos_token": (), "add_prefix_space": (),
        "clean_up_tokenization_spaces": (), "split_special_tokens": (), "legacy": (),
        "padding_side": ("left", "up"), "truncation_side": ("left", "up"),
        "add_special_tokens": (), "errors": ("strict",), "model_input_names": (["input_ids"],),
        "tokenizer_class": (
            "PreTrainedTokenizerFast", "TokenizersBackend", "Qwen2Tokenizer", "Qwen2TokenizerFast",
            "LlamaTokenizerFast", "LlamaTokenizer", "GPT2Tokenizer", "NoSuchTokenizer",
        ),
        "additional_special_tokens": (
            ["<|new|>"], [token("<|new|>", lstrip=True)], ["<|new|>", "<|other|>"], ["a"], [5],
            "<|new|>", [""],
        ),
        "extra_special_tokens": (
            ["<|new|>"], {"image_token": "<|new|>"}, {"x": token("<|new|>")}, [token("<|new|>")],
            {"x": 5}, [5], "<|new|>",
        ),
        "auto_map": ({"AutoTokenizer": ["x.X", None]},), "name_or_path": (), "processor_class": (),
        "backend": ("tokenizers", "sentencepiece"), "is_local": (), "fix_mistral_regex": (),
        "vocab_size": (), "tokenizer_file": ("other.json",), "init_inputs": (),
    }
    for key, values in more.items():
        for value in (*ODD, *values):
            yield f"tokenizer_config.{key} {shown(value)}", tokenizer_config(**{key: value})
    yield "no tokenizer_config.json", without("tokenizer_config.json")
    yield "no tokenizer.json", without("tokenizer.json")
    yield "only tokenizer.json", without("tokenizer_config.json", "generation_config.json")
    for flags in ({"add_bos_token": True}, {"add_eos_token": True},
                  {"add_bos_token": True, "add_eos_token": True}, {"add_bos_token": False}):
        for kind in ("PreTrainedTokenizerFast", "Qwen2Tokenizer", "LlamaTokenizerFast", ABSENT):
            named = tokenizer_config(
                tokenizer_class=kind, bos_token="<|im_start|>" if family == "qwen3" else
                "<|begin_of_text|>", **flags
            )
            name = f"{json.dumps(flags)} of {shown(kind)}"
            yield name, named
            yield f"{name}, no post_processor", both(named, tokenizer_file(post_processor=None))
    yield "no post_processor", tokenizer_file(post_processor=None)
    yield "post_processor absent", tokenizer_file(post_processor=ABSENT)
    yield "truncation", tokenizer_file(
        truncation={"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    )
    yield "padding", tokenizer_file(
        padding={"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None,
                 "pad_id": 0, "pad_type_id": 0, "pad_token": "a"}
    )
    for key in ("version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                "post_processor", "decoder", "model", "extra"):
        for value in (ABSENT, None, "x", 7, [], {}):
            yield f"tokenizer.json: {key} {shown(value)}", tokenizer_file(**{key: value})
    for key in ("type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges", "extra"):
        for value in (ABSENT, None, "x", "", 7, 0.0, True, False, [], {}):
            def change(folder, key=key, value=value):
                whole = read(folder / "tokenizer.json")
                if value is ABSENT:
                    whole["model"].pop(key, None)
                else:
                    whole["model"][key] = value
                write(folder / "tokenizer.json", whole)

            yield f"tokenizer.json: model.{key} {shown(value)}", change


def additions(family):
    """Added tokens in the file, in the config's list, in a file of their own, and in several."""

    def in_file(*entries):
        def change(folder):
            whole = read(folder / "tokenizer.json")
            last = max(entry["id"] for entry in whole["added_tokens"])
            for number, entry in enumerate(entries):
                whole["added_tokens"].append({"id": last + 1 + number} | entry)
            write(folder / "tokenizer.json", whole)

        return change

    def listed(*entries, offset=0):
        def change(folder):
            config = read(folder / "tokenizer_config.json")
            table = config.setdefault("added_tokens_decoder", {})
            last = max(entry["id"] for entry in read(folder / "tokenizer.json")["added_tokens"])
            for number, entry in enumerate(entries):
                table[str(last + 1 + number + offset)] = entry
            write(folder / "tokenizer_config.json", config)

        return change

    def beside(offset=0, **own):
        def change(folder):
            last = max(entry["id"] for entry in read(folder / "tokenizer.json")["added_tokens"])
            write(folder / "added_tokens.json", own or {
                "<|new|>": last + 1 + offset, "<|other|>": last + 2 + offset
            })

        return change

    def again(**flags):
        """The first token of the file, listed with other flags."""

        def change(folder):
            config = read(folder / "tokenizer_config.json")
            key = sorted(config["added_tokens_decoder"])[0]
            config["added_tokens_decoder"][key] |= flags
            write(folder / "tokenizer_config.json", config)

        return change

    no_list = tokenizer_config(added_tokens_decoder=ABSENT)
    every = [dict(special=s, lstrip=l, rstrip=r, single_word=w, normalized=n)
             for s in (True, False) for l in (True, False) for r in (True, False)
             for w in (True, False) for n in (True, False)]
    for flags in every:
        name = ", ".join(key for key, value in flags.items() if value) or "no flag"
        for content in ("<|new|>", "tool"):
            entry = dict(content=content) | flags
            yield f"{content} in the file: {name}", in_file(entry)
            yield f"{content} listed: {name}", listed(entry)
            yield f"{content} in the file, no list: {name}", both(in_file(entry), no_list)
    for flags in ({"lstrip": True}, {"special": False}, {"normalized": True}, {"content": "<|new|>"},
                  {"single_word": True}, {"rstrip": "x"}, {"content": 5}, {"special": None}):
        yield f"listed again with {json.dumps(flags)}", again(**flags)
    new, other = token("<|new|>", special=True), token("<|other|>", special=False)
    yield "two listed", listed(new, other)
    yield "two listed with a gap", listed(new, other, offset=3)
    yield "two listed over others", listed(new, other, offset=-3)
    yield "listed without flags", listed({"content": "<|new|>"}, {"content": "X", "special": False})
    yield "listed, of one letter", listed(token("X", special=False, normalized=True))
    yield "an empty list", tokenizer_config(added_tokens_decoder={})
    for value in (None, [], "x", {"x": new}, {"-1": new}, {"7": "x"}, {"7": None}, {"1e3": new}):
        yield f"added_tokens_decoder {shown(value)}", tokenizer_config(added_tokens_decoder=value)
    yield "a file of added tokens, and a list", beside()
    yield "a file of added tokens, and an empty list", both(
        beside(), tokenizer_config(added_tokens_decoder={})
    )
    yield "a file of added tokens", both(beside(), no_list)
    yield "a file of added tokens with a gap", both(beside(offset=3), no_list)
    yield "a file of added tokens over others", both(beside(offset=-3), no_list)
    for value in ("x", None, 1.5, -1, True):
        yield f"a file of added tokens: id {shown(value)}", both(
            beside(**{"<|new|>": value}), no_list
        )
    yield "a file of added tokens that the map names", both(
        beside(), no_list, special_map(additional_special_tokens=["<|new|>"])
    )
    yield "a file of added tokens, one the end", both(
        beside(), no_list, tokenizer_config(eos_token="<|other|>")
    )
    for content in ("", "{", "[]", "null"):
        yield f"added_tokens.json is {content!r}", both(text("added_tokens.json", content), no_list)
    yield "the map's extra ones", special_map(additional_special_tokens=["<|new|>", "<|other|>"])
    yield "the map's extra ones, no list", both(
        special_map(additional_special_tokens=["<|new|>", token("<|other|>", lstrip=True)]), no_list
    )
    yield "in all three", both(in_file(new | {"lstrip": True}), listed(new), beside())
    yield "in the file and beside", both(
        in_file(new), beside(**{"<|new|>": 608 if family == "qwen3" else 605}), no_list
    )


def chats(family):
    """Where chat templates may stand, and in which form."""
    config = lambda value: tokenizer_config(chat_template=value)  # noqa: E731
    named = [{"name": "default", "template": CHAT}, {"name": "tool_use", "template": OTHER}]
    for value in (
        *ODD, "", " ", OTHER, "{% if %}", "{{ 1 / 0 }}", "{{ messages[0].nothing.more }}",
        "{{ raise_exception('no') }}", named, named[1:], named[:1], [{"name": "default"}],
        [{"template": CHAT}], [CHAT], {"default": CHAT, "tool_use": OTHER}, {"default": 5},
        named + [{"name": "default", "template": OTHER}], named + [{"name": "x", "template": "{%"}],
        "{{ bos_token }}|{{ eos_token }}|{{ pad_token }}|{{ unk_token }}|{{ additional_special_tokens }}",
        "{{ image_token }}", "{{ model_max_length }}", "{{ messages | length }}{{ tools }}",
        "  {% for m in messages %}\n  {{ m.role }}\n  {% endfor %}\n\n",
    ):
        yield f"chat_template {shown(value)}", config(value)
    file = text("chat_template.jinja", OTHER)
    yield "a file", both(config(ABSENT), file)
    yield "a file and the config", file
    yield "a file and a list", both(config(named), file)
    yield "an empty file", both(config(ABSENT), text("chat_template.jinja", ""))
    yield "an empty file and the config", text("chat_template.jinja", "")
    yield "a file that is no template", both(config(ABSENT), text("chat_template.jinja", "{% if %}"))
    yield "a file with a byte order mark", text("chat_template.jinja", "\ufeff" + OTHER)
    yield "a file with CRLF", text("chat_template.jinja", OTHER.replace("{%", "\r\n{%"))
    tools = text("additional_chat_templates/tool_use.jinja", OTHER)
    yield "a folder beside the config", tools
    yield "a folder beside a file", both(text("chat_template.jinja", CHAT), tools)
    yield "a folder with a default", both(config(ABSENT), text("additional_chat_templates/default.jinja", OTHER))
    yield "a folder with a default beside a file", both(
        file, text("additional_chat_templates/default.jinja", CHAT)
    )
    yield "a folder alone", both(config(ABSENT), tools)
    yield "a file of a processor", both(
        config(ABSENT), text("chat_template.json", json.dumps({"chat_template": OTHER}))
    )
    yield "a file of a processor beside the config", text(
        "chat_template.json", json.dumps({"chat_template": OTHER})
    )
    for name in ("bos_token", "eos_token"):
        for value in (ABSENT, None, "a", token("<|im_start|>"), token("<|new|>")):
            yield f"{name} {shown(value)} in a template", both(
                tokenizer_config(**{name: value}),
                config("[{{ bos_token }}][{{ eos_token }}][{{ bos_token is defined }}]"),
            )


def flat(value):
    """The items of lists in lists."""
    return [x for item in value for x in flat(item)] if isinstance(value, list) else [value]


def is_token(value):
    """Whether a value is a token that the model can draw."""
    return type(value) is int and 0 <= value < VOCABULARY


def id_in_file(folder, text):
    """The id of an added token by tokenizer.json; None where that is not to be had."""
    try:
        tokens = read(folder / "tokenizer.json")["added_tokens"]
        return next(entry["id"] for entry in tokens if entry["content"] == text)
    except Exception:
        return None


def theirs(folder):
    """What transformers makes of a folder; what it cannot make is absent."""
    found = {}
    quiet = io.StringIO()
    with contextlib.redirect_stderr(quiet), contextlib.redirect_stdout(quiet):
        ends = set()
        try:
            model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
            listed = model.generation_config.eos_token_id
            ends |= {token for token in flat(listed) if is_token(token)}
            found["numbers"] = sorted(ends)
        except Exception:
            pass
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            ends |= {token for token in [tokenizer.eos_token_id] if is_token(token)}
            found["around"] = [tokenizer(text)["input_ids"] for text in TEXTS]
            found["plain"] = [
                tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS
            ]
        except Exception as error:
            found["no tokenizer"] = f"{type(error).__name__}: {error}"[:200]
            return found
        try:
            found["chat"] = tokenizer.apply_chat_template(
                MESSAGES, tokenize=False, add_generation_prompt=True
            )
            found["toolChat"] = tokenizer.apply_chat_template(
                MESSAGES, tools=TOOLS, tokenize=False
            )
        except Exception as error:
            found["no chat"] = f"{type(error).__name__}: {error}"[:200]
        if "numbers" in found:
            found["ends"] = sorted(ends)
        # A class that has its own way with added tokens may number them otherwise than the file.
        if id_in_file(folder, tokenizer.eos_token) != tokenizer.eos_token_id:
            found["renumbered"] = True
    return found


def apart(function, items):
    """What a function makes of each item, in processes of their own: some files abort one."""
    pool = None
    for item in items:
        pool = pool or concurrent.futures.ProcessPoolExecutor(1)
        try:
            yield pool.submit(function, item).result()
        except concurrent.futures.process.BrokenProcessPool:
            pool = None
            yield {"no tokenizer": "the process was aborted"}


def ours(tinsmith, cases, folder):
    """What Tinsmith makes of it, or the words with which it ended."""
    done = subprocess.run(
        [str(tinsmith), "tokens", "--cases", str(cases), str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        return {"ended": f"{done.returncode}: {done.stderr[-200:]}"}
    return json.loads(done.stdout)


MARKS = ("json", "jinja", "added token", "post_processor", "model.", "decoder", "normalizer",
         "pre_tokenizer", "template", "token", "model")


def is_lenient(name):
    """Whether Tinsmith may read what transformers does not."""
    return (
        any(name.startswith(f"tokenizer_config.{key} ") for key in UNREAD)
        # As version 4 wrote them; version 5 takes them of some classes only.
        or name.startswith("the map's extra ones")
        or any(name.startswith(f"tokenizer.json: {part} ") for part in UNREAD_PARTS)
        or "content" in name
    )


def judge(name, expected, found):
    """What is wrong with a case, or None; and whether something is refused."""
    if "ended" in found:
        return f"it ended: {found['ended']}", False
    if words := found.get("modelRefusal"):
        return (None if "config." in words else f"refused without a name: {words[:160]}"), True
    wrong = []
    refusal, chat_refusal = found.get("refusal"), found.get("chatRefusal")
    # A chat that transformers refuses, too, is refused in words of its template.
    named = [refusal, None if refusal or "no chat" in expected else chat_refusal]
    for words in filter(None, named):
        if not any(mark in words for mark in MARKS):
            wrong.append(f"refused without a name: {words[:160]}")
    if refusal and not any(refusal in warning for warning in found["warnings"]):
        wrong.append("refused, and no warning says so")
    said = refusal or chat_refusal or found["warnings"]
    if "no tokenizer" in expected and not said and not is_lenient(name):
        wrong.append(f"read, though transformers says {expected['no tokenizer']}")
    if "ends" in expected and sorted(filter(is_token, found["endTokens"])) != expected["ends"]:
        # Without a tokenizer the numbers that the files give count, and that of the end token's text.
        renumbered = "renumbered" in expected and set(expected["numbers"]) <= set(found["endTokens"])
        if not found["warnings"] or (refusal and not renumbered):
            wrong.append(f"ends {found['endTokens']} and not {expected['ends']}")
    for kind in ("around", "plain"):
        is_told = any("transformers has other" in words for words in found["warnings"])
        if not refusal and not is_told and kind in expected and found[kind] != expected[kind]:
            first = next(i for i, (a, b) in enumerate(zip(found[kind], expected[kind])) if a != b)
            wrong.append(
                f"{kind}: {TEXTS[first]!r} is {found[kind][first]} and not {expected[kind][first]}"
            )
    for kind in ("chat", "toolChat"):
        if kind in expected and not chat_refusal and found.get(kind) != expected[kind]:
            wrong.append(f"{kind} {found.get(kind)!r:.200} and not {expected[kind]!r:.200}")
    if "no chat" in expected and not chat_refusal:
        wrong.append(f"a chat, though transformers says {expected['no chat']}")
    isRefused = bool(refusal) or ("chat" in expected and bool(chat_refusal))
    return "; ".join(wrong) or None, isRefused


def main():
    options = begin(__doc__.splitlines()[0])
    write(options.work / "cases.json", {"texts": TEXTS, "messages": MESSAGES, "tools": TOOLS})
    counts = {"equal": 0, "refused": 0, "refused by both": 0, "failed": 0}
    cases = changed(options, base, (ends, keys, additions, chats))
    folders = [folder for _, _, folder in cases]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = list(
            pool.map(lambda at: ours(options.tinsmith, options.work / "cases.json", at), folders)
        )
    for (family, name, folder), found, expected in zip(cases, answers, apart(theirs, folders)):
        bad, refused = judge(name, expected, found)
        outcome = (
            "failed" if bad
            else "refused by both" if refused and "no tokenizer" in expected
            else "refused" if refused
            else "equal"
        )
        counts[outcome] += 1
        if bad or outcome == "refused":
            words = found.get("refusal") or found.get("chatRefusal") or ""
            print(f"{family} {name}: {'FAILED: ' + bad if bad else words[:160]}", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return int(counts["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())

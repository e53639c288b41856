"""Generated text for tinsmith/mini: arithmetic, word tasks, units, questions, plain sentences.

Everything comes from a seeded `random.Random`, so the same seed gives the same text. One item in
ten (a pair of numbers, or a word) is held out by hash: it never occurs in training, whatever the
prompt, and `evaluate.py` asks only held-out items. Pig latin never occurs.
"""

import hashlib
import pathlib
import random

HERE = pathlib.Path(__file__).resolve().parent
WORDS_FILE = HERE.parents[1] / "Sources" / "Trainer" / "Resources" / "piglatin-words.txt"
WORDS = WORDS_FILE.read_text().split()

VOWELS = "aeiou"
ONSETS = ("b c d f g h j k l m n p r s t v w z bl br ch cl cr dr fl fr gl gr pl pr sc sh sk sl sm "
          "sn sp st str sw th thr tr tw wh").split()
NUCLEI = "a e i o u a e i o u ai ea ee oo ou".split()
CODAS = ["", "", "", ""] + "b ck d f g l ll m mp n nd ng nt p r rd rk rt s ss st t x".split()
SUFFIXES = "ing ed er s es ly ness ful less able ish ment en est ist ive ous dom ward ize".split()
NUMBER_WORDS = "zero one two three four five six seven eight nine ten".split()


def held_out(key: str) -> bool:
    """True for one key in ten. Sums use sorted operands, so 3+4 and 4+3 go together."""
    return hashlib.sha256(key.encode()).digest()[0] % 10 == 0


def sum_key(a: int, b: int) -> str:
    return f"add:{min(a, b)}+{max(a, b)}"


def difference_key(a: int, b: int) -> str:
    return f"sub:{a}-{b}"


def word_key(word: str) -> str:
    return f"word:{word}"


def syllable_word(rng: random.Random) -> str:
    """A random pronounceable word of 2 to 9 letters."""
    while True:
        word = ""
        for _ in range(rng.choice((1, 1, 2, 2, 2, 3))):
            onset = rng.choice(ONSETS) if rng.random() < 0.85 else ""
            word += onset + rng.choice(NUCLEI) + rng.choice(CODAS)
        if rng.random() < 0.15:
            word += "y"
        if 2 <= len(word) <= 9:
            return word


def pick_word(rng: random.Random, want_held_out: bool = False, real: float = 0.5) -> str:
    while True:
        word = rng.choice(WORDS) if rng.random() < real else syllable_word(rng)
        if "user" not in word and held_out(word_key(word)) == want_held_out:
            return word


# Arithmetic: (prompt, answer).

SUM_FORMS = ("{a}+{b}=?", "{a}+{b}=?", "{a}+{b}=?", "{a}+{b}", "Add {a} and {b}.",
             "What is {a}+{b}?", "{a} plus {b}?")


def sum_prompt(rng: random.Random, a: int, b: int) -> tuple[str, str]:
    return rng.choice(SUM_FORMS).format(a=a, b=b), str(a + b)


def sum_operands(rng: random.Random, digits: int, want_held_out: bool = False) -> tuple[int, int]:
    """digits 1: both 0-9; 2: both 10-99; 0: one of each, in either order."""
    while True:
        if digits == 1:
            a, b = rng.randint(0, 9), rng.randint(0, 9)
        elif digits == 2:
            a, b = rng.randint(10, 99), rng.randint(10, 99)
        else:
            a, b = rng.sample((rng.randint(0, 9), rng.randint(10, 99)), 2)
        if held_out(sum_key(a, b)) == want_held_out:
            return a, b


def make_sum(rng: random.Random) -> tuple[str, str]:
    r = rng.random()
    return sum_prompt(rng, *sum_operands(rng, 2 if r < 0.65 else (0 if r < 0.82 else 1)))


def difference_operands(rng: random.Random, want_held_out: bool = False) -> tuple[int, int]:
    """10-99 minus 10-99, never negative: the task that the RL example improves."""
    while True:
        a, b = rng.randint(10, 99), rng.randint(10, 99)
        if a >= b and held_out(difference_key(a, b)) == want_held_out:
            return a, b


def make_difference(rng: random.Random) -> tuple[str, str]:
    a, b = difference_operands(rng)
    return f"{a}-{b}=?", str(a - b)


# Word tasks: kind -> function(rng, word) -> (prompt, answer).

def task_copy(rng, word):
    return rng.choice(('Say "{}".', 'Repeat "{}".', 'Write "{}".')).format(word), word


def task_spell(rng, word):
    return rng.choice(('Spell "{}".', '"{}" letter by letter')).format(word), " ".join(word)


def task_reverse(rng, word):
    form = rng.choice(('Reverse "{}".', 'Say "{}" backwards.', '"{}" reversed'))
    return form.format(word), word[::-1]


def task_first(rng, word):
    return rng.choice(('First letter of "{}"?', '"{}" begins with?')).format(word), word[0]


def task_last(rng, word):
    return rng.choice(('Last letter of "{}"?', '"{}" ends with?')).format(word), word[-1]


def task_rotate(rng, word):
    k = min(rng.randint(1, 3), len(word) - 1)
    form = rng.choice(('Rotate "{w}" by {k}.', 'Turn "{w}" by {k}.',
                       'Move {k} of "{w}" to the end.'))
    return form.format(w=word, k=k), word[k:] + word[:k]


def task_append(rng, word):
    if rng.random() < 0.6:
        suffix = rng.choice(SUFFIXES)
    else:
        suffix = "".join(rng.choice("bcdefghiklmnoprstuwy") for _ in range(rng.randint(1, 3)))
        if suffix.endswith("ay"):  # the ending of pig latin is left for the demo to teach
            suffix = "on"
    form = rng.choice(('Add "{s}" to "{w}".', 'Say "{w}" with "{s}" at the end.', '"{w}" + "{s}"'))
    return form.format(w=word, s=suffix), word + suffix


def task_drop(rng, word):
    k = min(rng.choice((1, 1, 2, 3)), len(word) - 1)
    return rng.choice(('Drop {k} of "{w}".', '"{w}" without the first {k}')).format(
        w=word, k=k), word[k:]


def task_vowel(rng, word):
    form = rng.choice(('Vowel or consonant first in "{}"?', '"{}": vowel or consonant first?'))
    return form.format(word), "vowel" if word[0] in VOWELS else "consonant"


def task_first_vowel(rng, word):
    vowels = [c for c in word if c in VOWELS]
    return f'First vowel of "{word}"?', vowels[0] if vowels else "none"


def task_count(rng, word):
    return rng.choice(('Letters in "{}"?', 'How long is "{}"?')).format(word), str(len(word))


def task_rotate_append(rng, word):
    k = min(rng.randint(1, 3), len(word) - 1)
    suffix = rng.choice("bcdefghiklmnoprstuw") + rng.choice("eiou") + rng.choice(("", "n", "s"))
    return f'Turn "{word}" by {k} and add "{suffix}".', word[k:] + word[:k] + suffix


WORD_TASKS = {
    "copy": (task_copy, 2), "spell": (task_spell, 2), "reverse": (task_reverse, 3),
    "first": (task_first, 0.7), "last": (task_last, 0.7), "rotate": (task_rotate, 5),
    "append": (task_append, 3), "drop": (task_drop, 2), "vowel": (task_vowel, 1.2),
    "first_vowel": (task_first_vowel, 1.2), "count": (task_count, 0.7),
    "rotate_append": (task_rotate_append, 3),
}


def make_word_task(rng: random.Random) -> tuple[str, str]:
    kinds = list(WORD_TASKS)
    kind = rng.choices(kinds, [WORD_TASKS[k][1] for k in kinds])[0]
    return WORD_TASKS[kind][0](rng, pick_word(rng))


# Units and questions.

UNITS = (("cm", "m", 100), ("mm", "cm", 10), ("m", "km", 1000), ("g", "kg", 1000),
         ("minutes", "hours", 60), ("hours", "days", 24), ("days", "weeks", 7),
         ("months", "years", 12), ("seconds", "minutes", 60), ("cents", "dollars", 100),
         ("inches", "feet", 12), ("feet", "yards", 3))
COLORS = {"grass": "Green", "snow": "White", "the sky": "Blue", "a banana": "Yellow",
          "blood": "Red", "coal": "Black", "an orange": "Orange", "a lemon": "Yellow",
          "milk": "White", "the night": "Black", "a leaf": "Green", "the sea": "Blue"}
SOUNDS = {"dog": "barks", "cat": "meows", "cow": "moos", "duck": "quacks", "lion": "roars",
          "bird": "sings", "horse": "neighs", "frog": "croaks", "bee": "buzzes", "wolf": "howls"}
OPPOSITES = {"hot": "cold", "big": "small", "up": "down", "day": "night", "fast": "slow",
             "old": "young", "wet": "dry", "open": "closed", "full": "empty", "high": "low",
             "light": "dark", "early": "late", "hard": "soft", "near": "far", "good": "bad"}
CAPITALS = {"France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo",
            "Egypt": "Cairo", "Greece": "Athens", "Germany": "Berlin", "Norway": "Oslo",
            "Peru": "Lima", "Kenya": "Nairobi", "Canada": "Ottawa", "Austria": "Vienna"}
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
GREETINGS = (("Hello!", "Hello! How can I help?"), ("Hi.", "Hello! How can I help?"),
             ("Who are you?", "I am a very small model. I know numbers and words."),
             ("Thank you.", "You are welcome."), ("Goodbye.", "Goodbye!"),
             ("What can you do?", "I can add numbers, spell words and turn letters around."),
             ("How are you?", "I am fine, thank you."))


def make_question(rng: random.Random) -> tuple[str, str]:
    kind = rng.randrange(8)
    if kind == 0:
        small, big, factor = rng.choice(UNITS)
        n = rng.randint(2, 9)
        return f"How many {small} in {n} {big}?", str(n * factor)
    if kind == 1:
        a, b = rng.sample(range(100), 2)
        return f"Larger: {a} or {b}?", str(max(a, b))
    if kind == 2:
        thing = rng.choice(list(COLORS))
        return f"What color is {thing}?", COLORS[thing]
    if kind == 3:
        animal = rng.choice(list(SOUNDS))
        return f"What does a {animal} do?", f"A {animal} {SOUNDS[animal]}."
    if kind == 4:
        pair = rng.choice(list(OPPOSITES.items()))
        word, other = pair if rng.random() < 0.5 else pair[::-1]
        return f"What is the opposite of {word}?", other
    if kind == 5:
        country = rng.choice(list(CAPITALS))
        return f"What is the capital of {country}?", CAPITALS[country]
    if kind == 6:
        i = rng.randrange(7)
        return f"What day comes after {DAYS[i]}?", DAYS[(i + 1) % 7]
    return rng.choice(GREETINGS)


# Plain sentences.

NAMES = ("Anna Ben Clara David Emma Frank Grace Henry Ida Jack Kate Leo Mary Nina Otto Paul "
         "Rosa").split()
NOUNS = ("dog cat horse bird fish tree house river lake garden road town village school train boat "
         "book letter song picture table chair window door lamp candle kitchen bread apple cake "
         "hat coat shoe box bag key clock stone hill field forest star moon cloud storm farmer "
         "teacher baker doctor sailor child brother sister friend neighbor market bridge tower "
         "island pig").split()
ADJECTIVES = ("small big old new red green blue white black warm cold quiet loud happy sad kind "
              "clever tired hungry bright dark heavy light soft strange long short round wooden "
              "golden empty full slow quick latin simple").split()
VERBS = ("sees finds likes carries paints buys sells keeps opens watches cleans draws follows "
         "brings takes loses shows builds repairs remembers").split()
PLACES = ("in the garden;near the river;behind the house;on the table;under the tree;at the market;"
          "by the sea;in the old town;on the hill;next to the window;in the kitchen").split(";")
TIMES = ("today;every morning;in the evening;on Monday;after lunch;at night;before school;"
         "in the summer;in winter;once a week;all day").split(";")


def plain_sentence(rng: random.Random) -> str:
    name, noun, other = rng.choice(NAMES), rng.choice(NOUNS), rng.choice(NOUNS)
    adjective, verb = rng.choice(ADJECTIVES), rng.choice(VERBS)
    place, time = rng.choice(PLACES), rng.choice(TIMES)
    return rng.choice((
        f"{name} {verb} the {adjective} {noun} {place}.",
        f"The {noun} is {adjective}, and the {other} is {rng.choice(ADJECTIVES)}.",
        f"{time[0].upper()}{time[1:]} {name} {verb} a {noun} {place}.",
        f"There is a {adjective} {noun} {place}.",
        f"The {adjective} {noun} {verb} the {other}, but {name} does not.",
        f"{name} and {rng.choice(NAMES)} have {rng.randint(2, 9)} books and a {adjective} {noun}.",
        f"When the {noun} is {adjective}, {name} {verb} the {other} {time}.",
        f"{name} has a {noun}. It is {adjective}. {name} {verb} it {time}.",
    ))


def make_plain(rng: random.Random) -> str:
    return " ".join(plain_sentence(rng) for _ in range(rng.randint(1, 3)))


def make_lines(rng: random.Random) -> list[tuple[str, bool]]:
    """A column of bare sums and differences, in pieces: (text, whether it is to be learned).

    Nine tokens an exercise where a chat turn needs twenty: the cheapest way to learn carrying.
    """
    pieces = []
    for _ in range(rng.randint(3, 8)):
        if rng.random() < 0.2:
            a, b = difference_operands(rng)
            pieces += [(f"{a}-{b}=", False), (f"{a - b}\n", True)]
        else:
            r = rng.random()
            a, b = sum_operands(rng, 2 if r < 0.65 else (0 if r < 0.82 else 1))
            pieces += [(f"{a}+{b}=", False), (f"{a + b}\n", True)]
    return pieces


# Share of items (not tokens) of each family, from a share of the time budget on. Letters first:
# copying is the slowest to appear and everything else rests on it.
PHASES = (
    (0.0, {"sum": 40, "word": 50, "question": 5, "plain": 2, "difference": 3, "lines": 0}),
    (0.33, {"sum": 38, "word": 34, "question": 4, "plain": 1, "difference": 5, "lines": 14}),
    (0.57, {"sum": 55, "word": 12, "question": 4, "plain": 1, "difference": 6, "lines": 22}),
)
MAKERS = {"sum": make_sum, "word": make_word_task, "question": make_question,
          "difference": make_difference}


def mix_at(progress: float) -> dict:
    return [mix for start, mix in PHASES if progress >= start][-1]


def make_item(rng: random.Random, mix: dict) -> tuple[str | None, str | list]:
    """(prompt, answer) of one turn, or (None, text) or (None, pieces) for plain text."""
    family = rng.choices(list(mix), list(mix.values()))[0]
    if family == "plain":
        return None, make_plain(rng)
    if family == "lines":
        return None, make_lines(rng)
    return MAKERS[family](rng)

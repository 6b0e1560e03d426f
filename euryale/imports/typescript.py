"""Reads the `config` of a TypeScript or JavaScript file, as far as it is written out.

No JavaScript is run. Strings, numbers and their products, lists, objects and names of the file's
own constants are understood; what isn't is kept as its text.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)
    |(?P<number>0[xob][0-9a-f_]+|(?:\d[\d_]*)?\.?\d[\d_]*(?:e[+-]?\d+)?)
    |(?P<word>[A-Za-z_$][\w$]*)
    |(?P<sign>=>|\.\.\.|.)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_REGULAR = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
_BEFORE_REGULAR = frozenset("(,=:[!&|?{};+-*%<>~^") | {"return", "typeof", "=>", "case"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
_ESCAPE = re.compile(
    r"\\(?:u\{([0-9a-fA-F]+)\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL
)
_WORDS = {"true": True, "false": False, "null": None, "undefined": None}
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True)
class NotWrittenOut:
    """A value that only running the file would tell.

    Attributes:
        text: The text that it is written as.
    """

    text: str


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


def read_config(source: str) -> Mapping[str, Any] | NotWrittenOut | None:
    """The value of the file's `config`.

    Args:
        source: The file's text.

    Returns:
        The object, in which a value that isn't written out is a `NotWrittenOut`; a `NotWrittenOut`
        if it is no object itself; None if there is no `config`.

    Example:
        >>> read_config('export const config = { name: "x", schedule: { interval: 60 * 1000 } }')
        {'name': 'x', 'schedule': {'interval': 60000}}
    """
    tokens = tuple(_tokens(source))
    value = dict(_assignments(source, tokens)).get("config")
    if value is None or isinstance(value, dict | NotWrittenOut):
        return value
    return NotWrittenOut(repr(value))


def _tokens(source: str) -> Iterator[_Token]:
    place, before = 0, ""
    while place < len(source):
        match = _REGULAR.match(source, place) if before in _BEFORE_REGULAR else None
        kind = "regular"
        if match is None or source.startswith(("//", "/*"), place):
            match = _TOKEN.match(source, place)
            if match is None:
                return
            kind = match.lastgroup or "sign"
        place = match.end()
        if kind != "space":
            before = match.group()
            yield _Token(kind, before, match.start(), match.end())


def _assignments(source: str, tokens: tuple[_Token, ...]) -> Iterator[tuple[str, Any]]:
    """What the file binds at its top level, in its order; earlier constants may be named."""
    known: dict[str, Any] = {}
    depth = 0
    for number, token in enumerate(tokens):
        depth += (token.text in _OPENING) - (token.text in _CLOSING) if token.kind == "sign" else 0
        if depth or token.kind != "word":
            continue
        start = _value_start(tokens, number + 1)
        if start is not None:
            value = _Reader(source, tokens, start, known).whole()
            known[token.text] = value
            yield token.text, value


def _value_start(tokens: tuple[_Token, ...], number: int) -> int | None:
    """Where the value begins that a name is bound to; None if it is bound to none here."""
    typed = False
    for place in range(number, len(tokens)):
        text = tokens[place].text
        if text == "=" and tokens[place].kind == "sign":
            return place + 1
        if place == number and text != ":":
            return None
        if place > number and (text in {";", "(", ")"} or text == "=>"):
            return None
        typed = typed or text == ":"
    return None


class _Reader:
    """Reads one value of a file's tokens."""

    def __init__(
        self, source: str, tokens: tuple[_Token, ...], place: int, known: Mapping[str, Any]
    ) -> None:
        self._source, self._tokens, self._place, self._known = source, tokens, place, known

    def whole(self) -> Any:
        start = self._place
        value = self._product()
        if self._text() in {"as", "satisfies"}:
            return value
        after = self._tokens[self._place] if self._place < len(self._tokens) else None
        if after is None or after.text in {";", ",", ")", "]", "}"} or self._on_new_line():
            return value
        return self._skipped(start)

    def _on_new_line(self) -> bool:
        before, after = self._tokens[self._place - 1], self._tokens[self._place]
        continued = after.kind == "sign" and after.text not in "({["
        return "\n" in self._source[before.end : after.start] and not continued

    def _text(self) -> str:
        return self._tokens[self._place].text if self._place < len(self._tokens) else ""

    def _product(self) -> Any:
        factors = [self._single()]
        while self._text() == "*" and isinstance(factors[-1], int | float):
            self._place += 1
            factors.append(self._single())
        if len(factors) == 1:
            return factors[0]
        if all(isinstance(each, int | float) for each in factors):
            return prod(factors)
        return NotWrittenOut(" * ".join(str(getattr(each, "text", each)) for each in factors))

    def _single(self) -> Any:
        if self._place >= len(self._tokens):
            return NotWrittenOut("")
        token = self._tokens[self._place]
        self._place += 1
        value: Any = NotWrittenOut(token.text)
        if token.kind == "text":
            plain = token.text[0] != "`" or "${" not in token.text
            value = _unescaped(token.text[1:-1]) if plain else value
        elif token.kind == "number":
            value = _number(token.text)
        elif token.kind == "word" and self._text() not in {".", "(", "?", "[", "=>"}:
            value = (
                _WORDS[token.text] if token.text in _WORDS else self._known.get(token.text, value)
            )
        elif token.text == "-":
            inner = self._single()
            value = -inner if isinstance(inner, int | float) else value
        elif token.text == "(":
            value = self._product()
            if self._text() == ")":
                self._place += 1
        elif token.text == "[":
            value = self._list()
        elif token.text == "{":
            value = self._object()
        return value

    def _list(self) -> list[Any]:
        values: list[Any] = []
        while self._text() not in {"]", ""}:
            values.append(self._member())
        self._place += 1
        return values

    def _object(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while self._text() not in {"}", ""}:
            token = self._tokens[self._place]
            self._place += 1
            key = _unescaped(token.text[1:-1]) if token.kind == "text" else token.text
            if self._text() == ":":
                self._place += 1
                values[key] = self._member()
            elif self._text() in {",", "}"} and token.kind == "word":
                values[key] = self._known.get(key, NotWrittenOut(key))
                self._place += self._text() == ","
            else:
                self._place -= 1
                values[f"…{len(values)}" if token.text == "..." else key] = self._member()
        self._place += 1
        return values

    def _member(self) -> Any:
        """A value up to the comma or the bracket after it."""
        start = self._place
        value = self._product()
        if self._text() in {"as", "satisfies"}:
            self._skipped(self._place)
        elif self._text() not in {",", "]", "}", ""}:
            value = self._skipped(start)
        self._place += self._text() == ","
        return value

    def _skipped(self, start: int) -> NotWrittenOut:
        """All up to the end of a value that isn't understood, as its text."""
        self._place, depth = start, 0
        while self._place < len(self._tokens):
            token = self._tokens[self._place]
            if token.kind == "sign":
                if not depth and token.text in {",", ";", ")", "]", "}"}:
                    break
                depth += (token.text in _OPENING) - (token.text in _CLOSING)
            self._place += 1
        end = self._tokens[self._place - 1].end if self._place > start else 0
        return NotWrittenOut(" ".join(self._source[self._tokens[start].start : end].split()))


def _number(text: str) -> int | float:
    plain = text.replace("_", "").lower()
    if plain[:2] in {"0x", "0o", "0b"}:
        return int(plain, 0)
    value = float(plain)
    return int(value) if value.is_integer() else value


def _unescaped(text: str) -> str:
    def meant(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        return chr(int(code, 16)) if code else _ESCAPES.get(match[4], match[4])

    return _ESCAPE.sub(meant, text)

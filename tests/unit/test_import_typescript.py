"""What is understood of a config in TypeScript, without running it."""

from typing import Any

import pytest

from euryale.imports.typescript import NotWrittenOut, read_config


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('export const config = { name: "a" }', {"name": "a"}),
        ("export const config: Config = { name: 'a', }", {"name": "a"}),
        ("export const config: Record<string, unknown> = { name: `a` };", {"name": "a"}),
        ("exports.config = { name: 'a' }", {"name": "a"}),
        ("module.exports.config = { name: 'a' }", {"name": "a"}),
        ("const config = { 'name': 'a' } as const\nexport { config }", {"name": "a"}),
        ("export const config = { name: 'a' } satisfies Config", {"name": "a"}),
        ("export const config = { n: 60 * 60 * 1_000 }", {"n": 3_600_000}),
        ("export const config = { n: (2 * 3), m: -1.5, o: 0x10 }", {"n": 6, "m": -1.5, "o": 16}),
        ("export const config = { a: [1, 'b', true, null] }", {"a": [1, "b", True, None]}),
        ("export const config = { a: 'it\\'s\\u00e4\\n' }", {"a": "it'sä\n"}),
        ("const A = '* * * * *'\nexport const config = { a: A }", {"a": "* * * * *"}),
        ("const name = 'x'\nexport const config = { name }", {"name": "x"}),
        ("// config = { a: 1 }\nexport const config = { /* b */ a: 2 }", {"a": 2}),
        (
            "export default () => { const r = /[\"'`{]/g; f(`${a}`) }\nconst config = { a: 1 }",
            {"a": 1},
        ),
        ("function f() { const config = { a: 1 } }", None),
        ("export default 1", None),
        ("", None),
    ],
)
def test_what_is_written_out_is_read(source: str, value: Any) -> None:
    assert read_config(source) == value


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "export const config = { a: process.env.A || '* * * * *', b: 1 }",
            "process.env.A || '* * * * *'",
        ),
        ("export const config = { a: f(1, { c: 2 }), b: 1 }", "f(1, { c: 2 })"),
        ("export const config = { a: x ? 'y' : 'z', b: 1 }", "x ? 'y' : 'z'"),
        ("export const config = { a: 'y' + z, b: 1 }", "'y' + z"),
        ("export const config = { a: `0 ${h} * * *`, b: 1 }", "`0 ${h} * * *`"),
        ("export const config = { a: unknown, b: 1 }", "unknown"),
        ("export const config = { a: () => ({ c: 1 }), b: 1 }", "() => ({ c: 1 })"),
    ],
)
def test_what_only_running_tells_is_kept_as_its_text(source: str, text: str) -> None:
    config = read_config(source)
    assert isinstance(config, dict)
    assert config == {"a": NotWrittenOut(text), "b": 1}


def test_a_config_that_is_made_by_a_call_is_not_written_out() -> None:
    assert read_config("export const config = make({ a: 1 })") == NotWrittenOut("make({ a: 1 })")


@pytest.mark.parametrize("source", ["export const config = {", "config = { a:", "config = [[", "'"])
def test_a_torn_file_is_no_crash(source: str) -> None:
    read_config(source)

from __future__ import annotations

import pytest

from wvforge_dagster.build.words import plain_words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("missing required field 'package'", "missing required field 'package'"),
        (
            "parse error: Failed to parse YAML: 1:1: Top level must be a mapping",
            "Failed to parse YAML: 1:1: " + "Top level must be a mapping",
        ),
        (
            'Render error: Parse(JinjaError { message: "undefined value (in <string>:1)", '
            "span: Span { start: Some(Marker { source: 0, character: 28, line: 4, column: 29 }), end: None } })",
            "undefined value (in <string>:1) (line 4)",
        ),
        (
            'Render error: VariantExpand(InvalidZipKeyLength("cuda_version"))',
            "invalid zip key length: cuda_version",
        ),
        ('ParseError { path: "v.yaml", source: Io }', "parse error: v.yaml"),
        ("two\n   lines", "two lines"),
        ("", "RuntimeError"),
        ("Build error:", "Build error:"),
    ],
)
def test_an_engines_error_is_said_in_one_plain_line(said: str, words: str) -> None:
    assert plain_words(RuntimeError(said)) == words


def test_quotes_inside_a_message_are_kept() -> None:
    assert plain_words(ValueError(r'JinjaError { message: "no \"x\" here" }')) == 'no "x" here'


def test_a_long_error_is_cut() -> None:
    assert len(plain_words(ValueError("x" * 10_000))) == 500

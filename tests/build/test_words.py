from __future__ import annotations

from pathlib import Path

import pytest

from wvforge_dagster.build.words import plain_words, solver_words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("missing required field 'package'", "missing required field 'package'"),
        (
            "parse error: Failed to parse YAML: 1:1: Top level must be a mapping",
            "malformed YAML in line 1, column 1: Top level must be a mapping",
        ),
        (
            'Render error: Parse(JinjaError { message: "undefined value (in <string>:1)", '
            "span: Span { start: Some(Marker { source: 0, character: 28, line: 4, column: 29 }), end: None } })",
            "undefined value (line 4)",
        ),
        (
            'Render error: VariantExpand(InvalidZipKeyLength("cuda_version"))',
            "invalid zip key length: cuda_version",
        ),
        ('ParseError { path: "v.yaml", source: Io }', "parse error: v.yaml"),
        ("two\n   lines", "two lines"),
        (
            'parse error: Failed to parse YAML: Duplicate key "about" in mapping at 2:1 and 3:1',
            'malformed YAML: Duplicate key "about" in mapping (lines 2 and 3); keep one',
        ),
        (
            "invalid value for 'build.number': invalid digit found in string",
            "invalid value for 'build.number': is no whole number, 0 or higher",
        ),
        (
            "IO Error: failed to canonicalize path `/a/../b`: No such file or directory (os error 2)",
            "/a/../b: No such file or directory",
        ),
        ("FileSystem error: 'Permission denied (os error 13)'", "Permission denied"),
        ("pyo3_runtime.PanicException: index out of bounds", "the engine broke off over it: index out of bounds"),
        ("[Errno 13] Permission denied: '/a/b'", "/a/b: Permission denied"),
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


class GatewayError(Exception):
    """As rattler calls it when a channel cannot be read."""


def test_a_damaged_index_in_a_folder_is_named_and_one_elsewhere_is_one_of_the_channels(tmp_path: Path) -> None:
    (tmp_path / "good/noarch").mkdir(parents=True)
    (tmp_path / "good/noarch/repodata.json").write_text("{}")
    (tmp_path / "cut/noarch").mkdir(parents=True)
    (tmp_path / "cut/noarch/repodata.json").write_text('{"packages": {')
    error = GatewayError("failed to parse repodata.json\nCaused by: EOF while parsing an object at line 1 column 14")
    cause = "failed to parse repodata.json: EOF while parsing an object at line 1 column 14"
    folders = [(tmp_path / name).as_uri() for name in ("good", "cut")]
    index = tmp_path / "cut/noarch/repodata.json"
    assert solver_words(error, folders) == f"a channel cannot be read ({index}): {cause}"
    remote = ["https://one.example", folders[0]]
    assert solver_words(error, remote) == f"a channel cannot be read ({' or '.join(remote)}): {cause}"


def test_an_address_that_the_error_names_is_enough() -> None:
    error = GatewayError("error sending request for url (http://x/repodata.json)\nCaused by: a\nCaused by: refused")
    words = "a channel cannot be read: error sending request for url (http://x/repodata.json): refused"
    assert solver_words(error, ["http://x", "http://y"]) == words

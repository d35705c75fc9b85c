"""A recipe's text moved to another version: nothing else of it changes."""

from __future__ import annotations

import pytest

from wvforge_dagster.releases.recipe_text import hashes_in_sources, with_hashes, with_version

OLD, NEW = "a" * 64, "b" * 64
TEXT = f"""\
# The forge's own.
context:
  version: "1.2.3"   # keep in step with thing
  build: 4

package:
    name: thing
    version: ${{{{ version }}}}

source:
  - url: https://x.org/thing-${{{{ version }}}}.tar.gz  # 1.2.3
    sha256: {OLD}
    patches: [a-1.2.3.patch]
build: {{number: "${{{{ build + 100 }}}}"}}
requirements:
    host: ["other ==1.2.3"]
"""


def test_the_version_of_the_context_the_number_and_the_hash_are_all_that_changes() -> None:
    moved = with_hashes(with_version(TEXT, "1.2.3", "1.3.0", {}), {OLD: NEW})
    expected = TEXT.replace('version: "1.2.3"', 'version: "1.3.0"').replace("build: 4", "build: 0").replace(OLD, NEW)
    assert moved == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("context: {version: 1.9}", 'context: {version: "1.10"}'),
        ("context: {version: '1.9'}", "context: {version: '1.10'}"),
        (
            "context:\n  version: 1.9\r\nbuild:\n  number: 7\r\n",
            'context:\n  version: "1.10"\r\nbuild:\n  number: 0\r\n',
        ),
        (
            "package: {version: '1.9'}\nsource: {url: https://x/v1.9/t-1.9.tgz}\nabout: {summary: of 1.9}",
            "package: {version: '1.10'}\nsource: {url: https://x/v1.10/t-1.10.tgz}\nabout: {summary: of 1.9}",
        ),
        (
            "recipe: {version: '1.9'}\noutputs:\n- build: {number: 2}\n- build: {number: 3}\n",
            "recipe: {version: '1.10'}\noutputs:\n- build: {number: 0}\n- build: {number: 0}\n",
        ),
        (
            "context: {version: '1.9', c: abc}\nsource: {rev: abc}",
            "context: {version: '1.10', c: def}\nsource: {rev: def}",
        ),
    ],
)
def test_a_version_is_written_as_the_old_one_was(old: str, new: str) -> None:
    assert with_version(old, "1.9", "1.10", {"abc": "def"}) == new


def test_a_version_that_is_put_together_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="is not written out"):
        with_version("context: {major: 1, version: '${{ major }}.9'}", "1.9", "1.10", {})


def test_hashes_are_found_where_they_are_written_out() -> None:
    text = f"source:\n- if: osx\n  then: {{sha256: {OLD}}}\n  else: {{sha256: '${{{{ x }}}}'}}\n"
    assert hashes_in_sources(text) == {OLD}
    assert with_hashes(f"context: {{x: '{OLD}'}} # {OLD}", {OLD: NEW}) == f"context: {{x: '{NEW}'}} # {OLD}"

from __future__ import annotations

import pytest

from wvforge_dagster.channels.redaction import excerpt

SECRETS = ("aba", "pfx_0123456789", "with a blank")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no key=pfx_0123", "no"),
        ("no key=pfx_0123456789", "no"),
        ("no pfx_0123456789 and", "no ***"),
        ("no with a bl", "no"),
        ("no ab", "no"),
        ("no aba", "no"),
        ("see https://someone:pass", "see"),
        ("see https://a.example/x?sig=12 and so", "see https://a.example/x?*** and"),
        ("oneword", ""),
    ],
)
def test_what_may_be_the_beginning_of_a_secret_is_left_out_where_words_were_cut(text: str, shown: str) -> None:
    assert excerpt(text, SECRETS, was_cut=True) == shown


def test_words_are_cut_after_the_secrets_are_out() -> None:
    for before in range(280, 310):
        assert "pfx" not in excerpt("x" * before + SECRETS[1], SECRETS)
    assert excerpt("  two\nlines ", SECRETS) == "two lines"

"""Sending to real receivers, and to such as refuse, hang or are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from servers.receivers import PASSWORD, Webhook, mail_server, nobody, silent_server

from wvforge_dagster.core.notices import Notice
from wvforge_dagster.notify.addresses import Addresses, read_addresses
from wvforge_dagster.notify.sending import Sent, send

NOTICE = Notice("failure", "forge: 1 package variant failed", ("a[12.6] (script): <why> & ü", "b: because"), bad=True)


def sent_to(*urls: str, seconds: float = 30) -> Sent:
    (sent,) = send([(Addresses("WVFORGE_NOTIFY_X", urls), NOTICE)], seconds)
    return sent


def test_a_webhook_gets_title_and_lines_as_they_are() -> None:
    with Webhook() as webhook:
        sent = sent_to(webhook.address)
        (message,) = webhook.messages
    assert (sent.fault, sent.told) == (None, True)
    assert (message["title"], message["message"], message["type"]) == (
        NOTICE.title,
        "\n".join(NOTICE.lines),
        "failure",
    )


def test_a_mail_has_the_title_as_its_subject_and_the_lines_as_its_text() -> None:
    with mail_server() as (address, mails):
        assert sent_to(address).told
    (mail,) = mails
    assert (mail["Subject"], mail["To"]) == (NOTICE.title, "me@example.org")
    assert mail.get_content().splitlines() == list(NOTICE.lines)


def test_a_target_that_hangs_is_left_at_the_deadline_and_does_not_hold_up_the_others() -> None:
    with Webhook() as webhook, silent_server() as silent:
        sent = sent_to(silent, webhook.address, seconds=3)
        assert len(webhook.messages) == 1
    assert (sent.fault, sent.told) == ("1 of 2 were not told: no answer within 3 s", True)


def test_a_target_that_refuses_or_is_none_is_one_line_without_its_address() -> None:
    refused = nobody()
    expected = {
        refused: "A Connection error occurred sending JSON notification to ***: Connection refused",
        refused.replace("json", "mailto").replace("hook", "?from=me@example.org&to=me@example.org"): (
            'Connection error while submitting email to "***": Connection refused'
        ),
        f"jsn://{PASSWORD}@host": "it is no address that apprise knows",
        PASSWORD: "it is no address that apprise knows",
        f"json://[{PASSWORD}": "it is no address that apprise knows",
    }
    found = send([(Addresses("WVFORGE_NOTIFY_X", (address,)), NOTICE) for address in expected], 30)
    assert [(sent.fault, sent.told) for sent in found] == [
        (f"was not told: {words}", False) for words in expected.values()
    ]
    assert PASSWORD not in repr(found)


def test_a_target_that_answers_with_an_error_is_one_line_with_its_status() -> None:
    with Webhook() as webhook:
        webhook.status = 403
        sent = sent_to(webhook.address)
    assert sent.fault == "was not told: Failed to send JSON POST notification: error=403"


def test_a_variable_that_is_not_set_or_empty_has_no_address() -> None:
    for environ, fault in (({}, "is not set"), ({"WVFORGE_NOTIFY_X": " \n"}, "holds no address")):
        (sent,) = send([(read_addresses("WVFORGE_NOTIFY_X", environ), NOTICE)], 30)
        assert (sent.addresses.urls, sent.fault, sent.told) == ((), fault, False)


def test_addresses_are_told_apart_by_blanks_and_are_never_shown() -> None:
    found = read_addresses("WVFORGE_NOTIFY_X", {"WVFORGE_NOTIFY_X": f"json://a/{PASSWORD}?to=x,y\n  mailto://b"})
    assert found.urls == (f"json://a/{PASSWORD}?to=x,y", "mailto://b")
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "https://user:p%40ss@hooks.example.org:8080/services/TOKEN123/?key=value9#frag",
        "p%40ss",
        "p@ss",
        "to Hooks.Example.Org failed",
        "TOKEN123",
        "value9",
        "frag",
    ],
)
def test_no_piece_of_an_address_is_left_in_a_text(text: str) -> None:
    url = "https://user:p%40ss@hooks.example.org:8080/services/TOKEN123/?key=value9#frag"
    redacted = Addresses("WVFORGE_NOTIFY_X", (url,)).redact(f"said: {text}.")
    assert "***" in redacted
    for secret in ("p%40ss", "p@ss", "example", "TOKEN123", "value9", "frag"):
        assert secret not in redacted


def test_without_apprise_the_line_names_the_extra_to_install() -> None:
    program = f"""
import importlib.util
find, importlib.util.find_spec = importlib.util.find_spec, lambda name: None if name == "apprise" else find(name)
from wvforge_dagster.core.notices import Notice
from wvforge_dagster.notify.addresses import Addresses
from wvforge_dagster.notify.sending import send
print(send([(Addresses("X", ("json://{PASSWORD}",)), Notice("test", "t", ("l",)))], 30)[0].fault)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == ("was not told: apprise is not installed: pip install 'wvforge-dagster[notify]'"), (
        done.stderr
    )

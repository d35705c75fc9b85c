from __future__ import annotations

from typing import Any

import pytest

from core.values import output
from wvforge_dagster.core.inputs import git_source_key, input_digest, input_parts, parts_of_tests


def parts(**changed: Any) -> dict[str, Any]:
    given_parts: dict[str, Any] = {
        "files": {"fix.patch": "1"},
        "sources": {"../src": "2"},
        "local_packages": {"cumm": "3"},
        "platform": "linux-64",
    }
    made = changed.pop("output", output("a", variant={"python": "3.12"}))
    return input_parts(made, **{**given_parts, **changed})


@pytest.mark.parametrize(
    "changed",
    [
        {"files": {"fix.patch": "9"}},
        {"files": {"fix.patch": "1:x"}},
        {"files": {}},
        {"sources": {"../src": "9"}},
        {"local_packages": {"cumm": "9"}},
        {"platform": "linux-aarch64"},
        {"output": output("a", variant={"python": "3.11"})},
        {"output": output("a", variant={"python": "3.12"}, script="false")},
        {"output": output("a", variant={"python": "3.12"}, number=1)},
        {"output": output("a", variant={"python": "3.12"}, host=["cmake"])},
    ],
)
def test_the_input_digest_changes_with_what_binds(changed: dict[str, Any]) -> None:
    assert input_digest(parts(**changed)) != input_digest(parts())


@pytest.mark.parametrize("key", ["tests", "extra"])
def test_the_input_digest_does_not_change_with(key: str) -> None:
    made = output("a", variant={"python": "3.12"})
    made.rendered[key] = [{"script": ["true"]}]
    assert input_digest(parts(output=made)) == input_digest(parts())


def test_a_noarch_package_is_the_same_on_every_platform() -> None:
    made = output("a", noarch="generic")
    assert parts(output=made, platform="linux-64") == parts(output=made, platform="osx-arm64")


def test_the_digest_over_parts_is_the_one_with_the_recipes_digest_known() -> None:
    made = output("a", variant={"python": "3.12"})
    assert input_digest(parts(output=made), recipe_digest=made.binding_digest) == input_digest(parts(output=made))


def test_what_the_engine_checks_while_it_writes_the_package_binds() -> None:
    made = output("a", variant={"python": "3.12"})
    made.rendered["tests"] = [{"package_contents": {"files": ["a"]}}, {"script": ["true"]}]
    assert input_digest(parts(output=made)) != input_digest(parts())
    assert made.binding["package_contents"] == [{"package_contents": {"files": ["a"]}}]


def test_the_parts_of_tests_are_the_tests_and_what_they_run_with() -> None:
    made = output("a")
    assert parts_of_tests(made, {"b": "1.0 c"}) == {"tests": [], "local_packages": {"b": "1.0 c"}}


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ({"git": "https://x/a.git", "rev": "refs/tags/v1"}, "https://x/a.git@refs/tags/v1"),
        ({"git": "https://x/a.git"}, "https://x/a.git@HEAD"),
    ],
)
def test_a_git_source_is_named_by_address_and_revision(source: dict[str, str], key: str) -> None:
    assert git_source_key(source) == key

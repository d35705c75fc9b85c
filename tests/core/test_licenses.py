"""Which licenses a target takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from core.values import output
from wvforge_dagster.core.licenses import Licenses, why_not_outputs
from wvforge_dagster.core.recipe import Output

PERMISSIVE = Licenses(allow=("MIT", "BSD-*", "Apache-2.0", "LicenseRef-Ours"))
NO_GPL = Licenses(deny=("GPL-*", "AGPL-3.0-only"))


@pytest.mark.parametrize(
    ("policy", "expression"),
    [
        (PERMISSIVE, "MIT"),
        (PERMISSIVE, "mit"),
        (PERMISSIVE, "BSD-3-Clause"),
        (PERMISSIVE, "GPL-3.0-only OR MIT"),
        (PERMISSIVE, "MIT AND (GPL-3.0-only OR Apache-2.0)"),
        (PERMISSIVE, "Apache-2.0 WITH LLVM-exception"),
        (PERMISSIVE, "LicenseRef-Ours"),
        (Licenses(allow=("GPL-3.0-only WITH GCC-exception-3.1",)), "GPL-3.0-only WITH GCC-exception-3.1"),
        (Licenses(allow=("GPL-3.0-or-later",)), "GPL-3.0+"),
        (NO_GPL, "MIT"),
        (NO_GPL, "LGPL-2.1-or-later"),
        (NO_GPL, "LicenseRef-NVIDIA"),
        (NO_GPL, "GPL-2.0-only OR MPL-2.0"),
    ],
)
def test_a_license_is_taken(policy: Licenses, expression: str) -> None:
    assert policy.why_not(expression) == ""


@pytest.mark.parametrize(
    ("policy", "expression"),
    [
        (PERMISSIVE, "GPL-3.0-only"),
        (PERMISSIVE, "MIT AND GPL-3.0-only"),
        (PERMISSIVE, "MIT AND (GPL-3.0-only OR MPL-2.0)"),
        (PERMISSIVE, "LicenseRef-Theirs"),
        (Licenses(allow=("GPL-3.0-only WITH GCC-exception-3.1",)), "GPL-3.0-only"),
        (Licenses(allow=("GPL-3.0-only",)), "GPL-3.0-or-later"),
        (NO_GPL, "GPL-2.0-only"),
        (NO_GPL, "GPL-3.0"),
        (NO_GPL, "GPL-3.0-only WITH GCC-exception-3.1"),
        (NO_GPL, "MIT AND AGPL-3.0-only"),
    ],
)
def test_a_license_is_not_taken(policy: Licenses, expression: str) -> None:
    assert policy.why_not(expression) == f"its license {expression} is not allowed there"


@pytest.mark.parametrize("policy", [PERMISSIVE, NO_GPL])
@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("", "it states no license (about.license)"),
        ("GPLv3", "about.license: 'GPLv3' is no license of SPDX's list"),
        ("MIT OR", "about.license: 'MIT OR' is no SPDX expression"),
        ("MIT WITH Apache-2.0", "about.license: 'MIT WITH Apache-2.0' is no SPDX expression"),
        ("GCC-exception-3.1", "about.license: 'GCC-exception-3.1' is no SPDX expression"),
        ("( ) and and MIT", "about.license: '( ) and and MIT' is no SPDX expression"),
        ("((OR MIT", "about.license: '((OR MIT' is no SPDX expression"),
        ("+ / MIT", "about.license: '+ / MIT' is no SPDX expression"),
        (" ", "about.license: ' ' is no SPDX expression"),
        ("MIT OR " * 1000 + "MIT", "about.license: is longer than 2000 characters"),
    ],
)
def test_what_nobody_can_weigh_is_not_taken(policy: Licenses, expression: str, why: str) -> None:
    assert policy.why_not(expression).startswith(why)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({}, "wants one of allow and deny"),
        ({"allow": ("MIT",), "deny": ("GPL-*",)}, "wants one of allow and deny"),
        ({"allow": ()}, "should have at least 1 item"),
        ({"allow": ("MTI",)}, "'MTI' is no license of SPDX's list"),
        ({"deny": ("MIT OR GPL-3.0-only",)}, "'MIT OR GPL-3.0-only' is several licenses: write an entry for each"),
        ({"deny": ("GPL-* OR MIT",)}, "'GPL-* OR MIT' is no pattern"),
    ],
)
def test_a_policy_that_means_nothing_is_a_fault(keys: dict[str, tuple[str, ...]], why: str) -> None:
    with pytest.raises(ValidationError) as error:
        Licenses.model_validate(keys)
    assert why in error.value.errors()[0]["msg"]


def licensed(name: str, license: str) -> Output:
    found = output(name)
    return replace(found, rendered=found.rendered | {"about": {"license": license}})


def test_the_outputs_of_a_recipe_are_taken_together_or_not_at_all() -> None:
    lib, tool = licensed("lib", "MIT"), licensed("tool", "GPL-3.0-only")
    assert why_not_outputs(PERMISSIVE, [lib, lib]) == ""
    assert why_not_outputs(PERMISSIVE, [tool]) == "its license GPL-3.0-only is not allowed there"
    assert why_not_outputs(PERMISSIVE, [lib, tool]) == "output tool: its license GPL-3.0-only is not allowed there"
    assert why_not_outputs(PERMISSIVE, [output("bare")]) == "it states no license (about.license)"

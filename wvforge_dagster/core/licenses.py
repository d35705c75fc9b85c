"""Which licenses a publish target takes: SPDX expressions, weighed against what forge.yaml allows or denies there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from wvforge_dagster.core.recipe import Output

# The library is loaded by the first license that is weighed: most forges have no target that asks.
if TYPE_CHECKING:
    from license_expression import LicenseSymbol, LicenseWithExceptionSymbol, Licensing

_LONGEST = 2000
"""Characters of an expression; the parser is not asked for a longer one."""

_OWN = re.compile(r"(documentref-[a-z0-9.-]+:)?licenseref-[a-z0-9.-]+", re.IGNORECASE)
"""SPDX's form of a license that is not in its list."""


def _is_entry(value: str) -> str:
    """One license of forge.yaml, as SPDX writes it."""
    if "*" in value:
        if not re.fullmatch(r"[A-Za-z0-9.+*-]+", value):
            raise ValueError(f"{value!r} is no pattern of SPDX identifiers, such as GPL-* or LicenseRef-*")
        return value
    from license_expression import LicenseSymbol, LicenseWithExceptionSymbol

    tree = _parse(value)
    if not isinstance(tree, (LicenseSymbol, LicenseWithExceptionSymbol)):
        raise ValueError(f"{value!r} is several licenses: write an entry for each")
    return str(tree)


Entries = tuple[Annotated[str, AfterValidator(_is_entry)], ...]


class Licenses(BaseModel):
    """The licenses that a target takes: those that are allowed, or all but those that are denied.

    Attributes:
        allow: SPDX identifiers, ``X WITH EXCEPTION``, or patterns of identifiers (``BSD-*``); None if `deny` says it.
        deny: the same; None if `allow` says it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    allow: Entries | None = Field(default=None, min_length=1)
    deny: Entries | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.allow is None) == (self.deny is None):
            raise ValueError("wants one of allow and deny: a list of SPDX identifiers")
        return self

    def why_not(self, expression: str) -> str:
        """Why a package of this license is not taken; empty if it is.

        Of licenses with OR one has to be allowed, of those with AND each. What is allowed or denied is so with any exception.
        A package without a license, or with one that is no SPDX expression, is not taken: nothing shows that it may be.
        """
        if not expression:
            return "it states no license (about.license)"
        try:
            tree = _parse(expression)
        except ValueError as error:
            return f"about.license: {error}"
        if self._is_fulfilled(tree):
            return ""
        return f"its license {expression} is not allowed there"

    def _is_fulfilled(self, node: Any) -> bool:
        if isinstance(node, _licensing().OR):
            return any(map(self._is_fulfilled, node.args))
        if isinstance(node, _licensing().AND):
            return all(map(self._is_fulfilled, node.args))
        return _covers(self.allow, node) if self.allow is not None else not _covers(self.deny or (), node)


def why_not_outputs(policy: Licenses, outputs: Iterable[Output]) -> str:
    """Why the packages of a recipe are not taken, which are published together: the first that is not; empty if all are."""
    found = {
        (output.name, str((output.rendered.get("about") or {}).get("license") or "")): output for output in outputs
    }
    several = len({name for name, _ in found}) > 1
    for name, expression in found:
        if why := policy.why_not(expression):
            return f"output {name}: {why}" if several else why
    return ""


def _covers(entries: Iterable[str], license: LicenseSymbol | LicenseWithExceptionSymbol) -> bool:
    from license_expression import LicenseWithExceptionSymbol

    base = license.license_symbol if isinstance(license, LicenseWithExceptionSymbol) else license
    names = {str(license).lower(), base.key.lower()}
    return any(fnmatchcase(name, entry.lower()) for entry in entries for name in names)


@cache
def _licensing() -> Licensing:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


@cache
def _parse(expression: str) -> Any:
    """The tree of an SPDX expression; deprecated identifiers are those that took their place.

    Raises:
        ValueError: if it is none, or names a license that SPDX does not have.
    """
    from license_expression import ExpressionError

    if len(expression) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST} characters")
    try:
        # Of broken brackets it raises more than its own errors.
        tree = _licensing().parse(expression, strict=True)
    except (ExpressionError, IndexError, AssertionError, AttributeError):
        tree = None
    if tree is None:
        raise ValueError(f"{expression!r} is no SPDX expression, such as MIT OR Apache-2.0")
    unknown = [key for key in _licensing().unknown_license_keys(tree) if not _OWN.fullmatch(key)]
    if unknown:
        raise ValueError(
            f"{unknown[0]!r} is no license of SPDX's list; its identifiers are at https://spdx.org/licenses, and others are "
            "written LicenseRef-NAME"
        )
    return tree

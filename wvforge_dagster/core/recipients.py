"""Who is told of what: the entries of forge.yaml's ``notify``. Addresses are secrets and stand in the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from wvforge_dagster.core.errors import ForgeError

VARIABLE_PREFIX = "WVFORGE_NOTIFY_"
"""How every variable that holds addresses begins, so that what starts builds takes them out of the environment whatever
forge.yaml says, and a stranger's forge.yaml can name no other secret."""

EventName = Literal["failure", "column", "solvable", "nightly"]

EVENTS: tuple[EventName, ...] = get_args(EventName)

_FORM = f"write {{variable: {VARIABLE_PREFIX}NAME, events: [{', '.join(EVENTS)}]}}; the addresses go into the variable"


def _is_variable(value: str) -> str:
    # What was given is not shown: it may be an address.
    if not re.fullmatch(f"{VARIABLE_PREFIX}[A-Z0-9_]+", value):
        raise ValueError(f"is not the name of a variable that begins with {VARIABLE_PREFIX}")
    return value


class Recipient(BaseModel):
    """One entry of ``notify``.

    Attributes:
        variable: the environment variable that holds its addresses, as apprise writes them.
        events: what it is told of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    variable: Annotated[str, AfterValidator(_is_variable)]
    events: Annotated[tuple[EventName, ...], Field(min_length=1)] = EVENTS


def distinct(recipients: tuple[Recipient, ...]) -> tuple[Recipient, ...]:
    """`recipients`, if no variable is named twice: its addresses would be told everything twice. Else ValueError."""
    names = [recipient.variable for recipient in recipients]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"names {name} twice")
    return recipients


def fault_of_recipient(error: Mapping[str, Any], path: Path) -> ForgeError:
    """A fault that pydantic found in ``notify``, as one line that shows nothing of what was given: it may be an address."""
    known = (*Recipient.model_fields, "notify")
    location = [str(part) for part in error["loc"] if isinstance(part, int) or part in known]
    what = {
        "value_error": str(error["msg"]).removeprefix("Value error, "),
        "extra_forbidden": "has an unknown key",
        "missing": "is missing",
    }.get(error["type"], "is wrong")
    return ForgeError(what, where=f"{path}: {'.'.join(location)}", remedy=_FORM)

"""What broke at the bottom of an error of the network, below the layers of the libraries that passed it on."""

from __future__ import annotations


def innermost(error: BaseException) -> BaseException:
    """The error that the others were raised for."""
    inner = error
    while True:
        reason = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        if not isinstance(reason, BaseException):
            return inner
        inner = reason


def system_words(error: BaseException) -> str | None:
    """What the system calls it; None if it did not come from there."""
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else None

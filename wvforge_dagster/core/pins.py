"""The package check ``pins``: the run requirements hold to the Python and the CUDA release of the variant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from wvforge_dagster.core.findings import Finding, Severity
from wvforge_dagster.core.package_facts import PackageFacts

Accepts = Callable[[str, str], bool]
"""Whether a conda version spec (``>=3.12,<3.13.0a0``) accepts a version."""

_SERIES = re.compile(r"\s*(\d+)\.(\d+)")


def series_of(value: str | None) -> str | None:
    """``3.12`` of a variant's value such as ``3.12`` or ``3.12.* *_cpython``."""
    found = _SERIES.match(value or "")
    return f"{found.group(1)}.{found.group(2)}" if found else None


def check_pins(facts: PackageFacts, variant: Mapping[str, str], accepts: Accepts) -> Iterator[Finding]:
    """Each of the two keys that the recipe uses is pinned by a run requirement, which the package's host environment may have
    exported.

    It is surely wrong where the package has files in a Python's own folder, or was built with a CUDA package in its host
    environment; else the key may only choose something.
    """
    if facts.noarch:
        return
    python, cuda = series_of(variant.get("python")), series_of(variant.get("cuda_version"))
    if python and not any(_pins_python(spec, python, accepts) for spec in facts.depends):
        inside = any(file.path.startswith(f"lib/python{python}/") for file in facts.files)
        yield Finding(
            f"no run requirement holds to Python {python} (pin_compatible('python', upper_bound='x.x'))",
            severity=Severity.ERROR if inside else Severity.WARNING,
        )
    if cuda and not any(_pins_cuda(spec, cuda, accepts) for spec in facts.depends):
        against = any(name == "cuda-version" or name.startswith("cuda-cudart") for name, _, _ in facts.host)
        yield Finding(
            f"no run requirement holds to CUDA {cuda} (pin_compatible('cuda-version', lower_bound='x.x', upper_bound='x'))",
            severity=Severity.ERROR if against else Severity.WARNING,
        )


def _pins_python(spec: str, series: str, accepts: Accepts) -> bool:
    """Whether a requirement takes this Python and neither the one before it nor the next; abi3 packages take any later one."""
    name, version, _ = parts_of_spec(spec)
    if name == "_python_abi3_support":
        return True
    major, minor = (int(part) for part in series.split("."))
    others = (f"{major}.{minor - 1}.99", f"{major}.{minor + 1}.1", f"{major}.{minor + 1}")
    return name in ("python", "python_abi") and _takes(version, series, others, accepts)


def _pins_cuda(spec: str, series: str, accepts: Accepts) -> bool:
    """Whether a requirement takes this CUDA release and no other major one: within one, later minor ones are compatible.

    Packages called ``cuda-...`` have the release's version; others say it in their build string (``pytorch * cuda126*``).
    """
    name, version, build = parts_of_spec(spec)
    major, minor = (int(part) for part in series.split("."))
    if re.search(rf"cuda_?({major}{minor}|{major})(?!\d)", build):
        return True
    others = (f"{major - 1}.99", f"{major + 1}.0", f"{major + 1}.1")
    return (name == "cudatoolkit" or name.startswith("cuda-")) and _takes(version, series, others, accepts)


def _takes(version: str, series: str, others: tuple[str, ...], accepts: Accepts) -> bool:
    mine = any(accepts(version, f"{series}{patch}") for patch in ("", ".1", ".999"))
    return bool(version) and mine and not any(accepts(version, other) for other in others)


def parts_of_spec(spec: str) -> tuple[str, str, str]:
    """Name, version and build string of a requirement as packages have it; empty where it has none.

    The blanks around a comma do not part anything.
    """
    words = re.sub(r"\s*([,|])\s*", r"\1", spec).split(maxsplit=2)
    return words[0], words[1] if len(words) > 1 else "", words[2] if len(words) > 2 else ""

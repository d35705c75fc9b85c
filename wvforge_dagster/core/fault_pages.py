"""Where docs/ explains a fault: the page and the place on it, which commands show at the end of a fault's line.

A failure is explained by its class, any other fault by its words.
"""

from __future__ import annotations

import re

from wvforge_dagster.core.failure import FailureClass
from wvforge_dagster.core.forge import CONFIG_NAME, Forge
from wvforge_dagster.core.state import State

FOLDER = "docs/"
"""Where the pages are, in the project."""

FORGE_YAML, FAULTS = "forge-yaml.md", "faults.md"
KEYS = frozenset(field.alias or name for name, field in Forge.model_fields.items())

SETTINGS = "faults.md#settings"
NAMES = "faults.md#names-and-places"
RECIPES = "faults.md#recipes"
NEEDS = "faults.md#what-a-package-needs"
SOURCES = "faults.md#sources"
SCRIPTS = "faults.md#scripts"
TESTS = "faults.md#tests-and-checks"
LIMITS = "faults.md#time-memory-and-disk"
ISOLATION = "faults.md#isolation"
PUBLISHING = "faults.md#publishing"
CHANNELS = "faults.md#channels"
GPU = "faults.md#gpu-tests"
KILLED = "faults.md#when-something-is-killed"

OF_CLASS = {
    FailureClass.RENDER: RECIPES,
    FailureClass.FETCH: NEEDS,
    FailureClass.SOLVE: NEEDS,
    FailureClass.SCRIPT: SCRIPTS,
    FailureClass.TEST: TESTS,
    FailureClass.CHECK: TESTS,
    FailureClass.TIMEOUT: LIMITS,
    FailureClass.MEMORY: LIMITS,
    FailureClass.DISK: LIMITS,
    FailureClass.UPLOAD: PUBLISHING,
    FailureClass.INTERRUPTED: KILLED,
}
"""``other`` has none: its words tell."""

OF_STATE = {State.BLOCKED: NEEDS, State.UNSOLVABLE: NEEDS, State.ELSEWHERE: f"{FORGE_YAML}#platforms"}

OF_WORDS = (
    (r"\bGPU\b|nvidia-smi", GPU),
    (r"isolat|bubblewrap", ISOLATION),
    (
        r"no (package|partition|column|channel) '|has no (column|channel) '|name a column|no such folder|here or above"
        r"|a forge is a folder with|cannot be served on|no such port|is no name of a conda package|is in the forge: "
        r"|no \S+ of a report|report cannot be written|Dagster's storage",
        NAMES,
    ),
    (
        r"RATTLER_AUTH_FILE|its other half is|that no key has|boto3|no credentials|is not published|not promoted"
        r"|with other content|build\.number|no target has|\b40[13]\b|there is no key",
        PUBLISHING,
    ),
    (
        r"its index|repodata|whole package|index lists|is listed|not listed|another publisher|is no list of filenames"
        r"|channel verify|changed since it was measured|cannot be brought to staging|on its website",
        CHANNELS,
    ),
    (r"cannot be fetched|is no archive|no recipe from PyPI|address of ", SOURCES),
    (
        r"interpreters|upstream|whl2conda|pip could|pip took|the registry gave|solving ended|cannot be read: .*channel",
        NEEDS,
    ),
    (r"rendering|renders|no recipe|recipe\.yaml|leaves the forge|is no pattern|in the recipe", RECIPES),
    (
        r"malformed YAML|YAML alias|UTF-8|byte order mark|a list|is locked|are one key|has no values|its values are",
        SETTINGS,
    ),
    (r"the disk (is )?full|limit", LIMITS),
)
"""What a fault of no class says; the first that fits."""


def page_of(words: str, failure_class: FailureClass | None = None, state: State | None = None) -> str:
    """The place that explains a fault, relative to docs/.

    Args:
        words: the fault, in one line.
        failure_class: of a failure.
        state: of the package variant that is stuck.
    """
    if re.match(r"source\b", words):
        return SOURCES
    if failure_class in OF_CLASS:
        return OF_CLASS[failure_class]
    if state in OF_STATE:
        return OF_STATE[state]
    key = re.search(rf"\b{re.escape(CONFIG_NAME)}: ([\w-]+)", words)
    if key and key[1] in KEYS:
        return f"{FORGE_YAML}#key-{key[1]}"
    if re.search(rf"\b{re.escape(CONFIG_NAME)}(:\d+)?: ", words) and "no such file" not in words:
        return FORGE_YAML
    return next((page for pattern, page in OF_WORDS if re.search(pattern, words)), FAULTS)


def with_page(words: str, failure_class: FailureClass | None = None, state: State | None = None) -> str:
    """The fault, in one line with the place that explains it."""
    return f"{words} (see {FOLDER}{page_of(words, failure_class, state)})"

"""The examples that ``--help`` shows, by command: a line, and what it does. docs/command.md has the same."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("wvforge status", "the forge of this folder, or of the nearest one above"),
        ("wvforge --forge examples/embedded build", "another forge"),
    ),
    "build": (
        ("wvforge build", "everything that is out of date"),
        ("wvforge build numcu --cuda 13.0 --python 3.12", "one package with what it needs, in one column"),
        ("wvforge build --dry-run", "what would be built and published, and why"),
        ("wvforge build numcu --retry-failed", "again, though nothing changed since it failed"),
    ),
    "status": (
        ("wvforge status", "every package variant: its state, and why"),
        ("wvforge status --refresh", "the same, once targets and git servers were asked"),
        ("wvforge status --json", "for programs"),
    ),
    "explain": (
        ("wvforge explain numcu", "all partitions of a package"),
        ("wvforge explain numcu '13.0|3.12'", "one: CUDA 13.0, Python 3.12"),
    ),
    "rebuild-check": (
        ("wvforge rebuild-check numcu '13.0|3.12'", "does it come out equal once more?"),
        ("wvforge rebuild-check numcu --log", "all its partitions, with the logs of their builds"),
    ),
    "gpu-test": (
        ("wvforge gpu-test", "all GPU tests that have not passed"),
        ("wvforge gpu-test numcu '13.0|3.12'", "those of one package variant, passed or not"),
    ),
    "graph": (("wvforge graph", "levels, and what each package needs"),),
    "nightly": (
        ("wvforge nightly --dry-run", "what changed upstream, and what that would rebuild"),
        ("wvforge nightly --jobs 4", "do it, four builds at a time"),
    ),
    "report": (
        ("wvforge report", "the site, in output/report"),
        ("wvforge report --to /srv/report", "in another folder"),
        ("wvforge report --migration 13.0 > migration.md", "how far CUDA 13.0 is, for an issue"),
    ),
    "upstream": (("wvforge --forge examples/embedded upstream", "make its upstream channel from wheels"),),
    "new": (
        ("wvforge new einops --from-pypi", "a recipe for a project of PyPI"),
        ("wvforge new pytorch-tools pytorch-tools==1.2 --from-pypi", "of this version of it"),
        ("wvforge new zstd https://example.org/zstd-1.5.tar.gz --from-url", "for an archive of sources"),
    ),
    "updates": (
        ("wvforge updates", "ask for new releases of all packages"),
        ("wvforge updates --apply numcu", "move one recipe to the newest, as an uncommitted change"),
    ),
    "notify-test": (("wvforge notify-test", "a test message to every entry of notify in forge.yaml"),),
    "schema": (("wvforge schema > forge.schema.json", "beside forge.yaml, for an editor"),),
    "dev": (
        ("wvforge dev", "on http://127.0.0.1:3000"),
        ("wvforge dev --port 3001", "where that port is taken"),
    ),
    "env": (('eval "$(wvforge env)"', "then: dagster asset list, dg launch, ..."),),
    "channel verify": (
        ("wvforge channel verify", "all channels, every file"),
        ("wvforge channel verify file:output/channel --quick", "one, sizes only"),
        ("wvforge channel verify staging --repair", "write its index anew"),
    ),
    "channel prune": (
        ("wvforge channel prune --keep 3 --dry-run", "what would go"),
        ("wvforge channel prune --keep 3 file:output/channel", "from one channel"),
    ),
    "channel promote": (
        ("wvforge channel promote '13.0|3.12' --dry-run", "is this column complete?"),
        ("wvforge channel promote '13.0|3.12'", "publish it as a whole"),
    ),
    "channel replace": (
        (
            "wvforge channel replace file:output/channel numcu-2.1.0-py312h307f7ec_0.conda",
            "the staged file in its place",
        ),
    ),
}


def examples(command: str) -> str:
    """The epilog of a command's help."""
    lines = (f"  # {why}\n  {line}" for line, why in EXAMPLES[command])
    return "\n".join(["\b", "Examples:", *lines])

"""A forge of thirty recipes of mixed kinds, as a public channel has them, that builds in seconds from a channel of its own.

Columns: two Pythons and two CUDA releases, of which each goes with its own release of GCC. One recipe adds a third Python.
"""

from __future__ import annotations

from pathlib import Path

from orchestration.upstream import Upstream
from small_forge import SmallForge

VARIANTS = """\
python: ["3.12", "3.13"]
cuda_version: ["12.6", "13.0"]
gcc_version: ["13", "14"]
zip_keys: [[cuda_version, gcc_version]]
"""

WRITES = "mkdir -p $PREFIX/share && echo {name} {content} > $PREFIX/share/{name}.txt"
COMPILES = (
    'mkdir -p $PREFIX/lib && echo "int {name}_of(void) {{ return 1; }}" > {name}.c '
    "&& cc -shared -o $PREFIX/lib/_{name}.so {name}.c"
)


def recipe(
    name: str,
    *,
    script: str = WRITES,
    content: str = "",
    build: str = "",
    host: str = "",
    run: str = "",
    test: str = "",
    more: str = "",
) -> str:
    """The text of a recipe. `build` are further keys of its build section, in YAML."""
    command = script.format(name=name.replace("-", "_") if script == COMPILES else name, content=content)
    text = f"package: {{name: {name}, version: '1.0'}}\nbuild:\n  script: ['{command}']\n"
    text += f"  {build}\n" if build else ""
    text += f"requirements: {{host: [{host}], run: [{run}]}}\n"
    text += f"tests: [{{script: ['{test}']}}]\n" if test else ""
    return text + "about: {license: MIT}\n" + more


GENERIC = "noarch: generic"
PYTHON = "noarch: python"
SITE = (
    "mkdir -p $PREFIX/lib/python3.12/site-packages && echo {content} > $PREFIX/lib/python3.12/site-packages/{name}.py"
)
COPIES = "mkdir -p $PREFIX/share && cat $PREFIX/share/{content}.txt > $PREFIX/share/{name}.txt"

HOLDS = "\"${{ pin_compatible('cuda-version', lower_bound='x.x', upper_bound='x') }}\""

RECIPES = {
    # Without an architecture.
    "gen-a": recipe("gen-a", build=GENERIC, test="test -f $PREFIX/share/gen-a.txt"),
    "gen-b": recipe("gen-b", build=GENERIC, script=COPIES, content="gen-a", host="gen-a"),
    "gen-c": recipe("gen-c", build=GENERIC, run="gen-b", test="test -f $PREFIX/share/gen-b.txt"),
    "pure-a": recipe("pure-a", build=PYTHON, script=SITE, content="one = 1", host="python 3.12.*", run="python"),
    "pure-b": recipe(
        "pure-b", build=PYTHON, script=SITE, content="two = 2", host="python 3.12.*, pure-a", run="python, pure-a"
    ),
    # For each Python.
    "ext-a": recipe("ext-a", script=COMPILES, host="python"),
    "ext-b": recipe("ext-b", host="python, ext-a", run="python", test="test -f $PREFIX/share/ext-b.txt"),
    "narrow": recipe("narrow", host="python"),
    "old-skipped": recipe("old-skipped", build="skip: [\"match(python, '<3.13')\"]", host="python"),
    "own-string": recipe(
        "own-string", build="string: \"mine_${{ python | replace('.', '') }}_${{ hash }}_0\"", host="python"
    ),
    "wide": recipe("wide", build="variant: {use_keys: [python]}"),
    # For each CUDA release, by a key and a package of upstream.
    "cu-low": recipe("cu-low", host="cuda-version", run=HOLDS, test="test -f $PREFIX/share/cu-low.txt"),
    "cu-zip": recipe(
        "cu-zip",
        run=HOLDS,
        content="${{ gcc_version }}",
        build="variant: {use_keys: [cuda_version, gcc_version]}",
        host="cuda-version",
    ),
    # For both.
    "cu-mid": recipe("cu-mid", script=COMPILES, host="python, cuda-version, cu-low, ext-a", run=HOLDS),
    "cu-top": recipe(
        "cu-top",
        host="python, cuda-version, cu-mid",
        run=f"cu-mid, {HOLDS}",
        test="test -f $PREFIX/lib/_cu_mid.so",
    ),
    # Several outputs.
    "several": """\
recipe: {name: several, version: '1.0'}
build: {noarch: generic}
outputs:
  - package: {name: several-tool}
    build: {script: ['mkdir -p $PREFIX/share && cp $PREFIX/share/several-lib.txt $PREFIX/share/several-tool.txt']}
    requirements: {host: ["${{ pin_subpackage('several-lib', exact=true) }}"]}
  - package: {name: several-lib}
    build: {script: ['mkdir -p $PREFIX/share && echo lib > $PREFIX/share/several-lib.txt']}
about: {license: MIT}
""",
    "several-py": """\
recipe: {name: several-py, version: '1.0'}
outputs:
  - package: {name: several-core}
    build: {variant: {use_keys: [python]}, script: ['mkdir -p $PREFIX/share && echo core > $PREFIX/share/core.txt']}
  - package: {name: several-binding}
    build: {script: ['mkdir -p $PREFIX/share && cp $PREFIX/share/core.txt $PREFIX/share/binding.txt']}
    requirements: {host: [python, "${{ pin_subpackage('several-core') }}"]}
about: {license: MIT}
""",
    "on-tool": recipe("on-tool", build=GENERIC, script=COPIES, content="several-tool", host="several-tool"),
    # Strings of their own, files beside the recipe.
    "fixed-string": recipe("fixed-string", build="string: fixed_0"),
    "patched": recipe(
        "patched", build=GENERIC, script=COPIES, more="source: {path: src, patches: [good.patch]}\n"
    ).replace("cat $PREFIX/share/.txt", "cat text"),
    # Nothing is built.
    "never": recipe("never", build="skip: [linux]"),
    "broken-text": "package: [",
    "broken-script": recipe("broken-script", script="./absent-configure --prefix=$PREFIX", build=GENERIC),
    "broken-test": recipe("broken-test", build=GENERIC, test="test -f $PREFIX/share/absent"),
    "broken-patch": recipe("broken-patch", build=GENERIC, more="source: {path: src, patches: [bad.patch]}\n"),
    "broken-license": recipe("broken-license", build=GENERIC).replace(
        "license: MIT", "license: MIT, license_file: GONE"
    ),
    "circle-one": recipe("circle-one", build=GENERIC, host="circle-two"),
    "circle-two": recipe("circle-two", build=GENERIC, run="circle-one"),
    "on-broken": recipe("on-broken", build=GENERIC, script=COPIES, content="broken-script", host="broken-script"),
    "unsolvable": recipe("unsolvable", build=GENERIC, host="absent-upstream >=3"),
}

PATCH = "--- a/text\n+++ b/text\n@@ -1 +1 @@\n-{old}\n+patched\n"

PYTHONS = ("3.12", "3.13", "3.14")
ONLY_WIDE = dict.fromkeys(("3.14",), "skipped")
EACH_PYTHON = {"3.12": "published", "3.13": "published"} | ONLY_WIDE
EACH_CUDA = {"12.6": "published", "13.0": "published"}
EACH = {
    f"{cuda}|{python}": "skipped" if python == "3.14" else "published"
    for cuda in ("12.6", "13.0")
    for python in PYTHONS
}

STATES: dict[str, dict[str | None, str]] = {
    "gen-a": {None: "published"},
    "gen-b": {None: "published"},
    "gen-c": {None: "published"},
    "pure-a": {None: "published"},
    "pure-b": {None: "published"},
    "ext-a": {**EACH_PYTHON},
    "ext-b": {**EACH_PYTHON},
    "narrow": {**EACH_PYTHON, "3.12": "skipped"},
    "old-skipped": {**EACH_PYTHON, "3.12": "skipped"},
    "own-string": {**EACH_PYTHON},
    "wide": dict.fromkeys(PYTHONS, "published"),
    "cu-low": {**EACH_CUDA},
    "cu-zip": {**EACH_CUDA},
    "cu-mid": {**EACH},
    "cu-top": {**EACH},
    "several": {None: "published"},
    "several-py": {**EACH_PYTHON},
    "on-tool": {None: "published"},
    "fixed-string": {None: "published"},
    "patched": {None: "published"},
    "never": {None: "skipped"},
    "broken-text": {None: "failed"},
    "broken-script": {None: "failed"},
    "broken-test": {None: "failed"},
    "broken-patch": {None: "failed"},
    "broken-license": {None: "failed"},
    "circle-one": {None: "failed"},
    "circle-two": {None: "failed"},
    "on-broken": {None: "blocked"},
    "unsolvable": {None: "unsolvable"},
}
"""The state of each package variant after a build of everything; None is the partition of a package without variants."""

REASONS = {
    "broken-text": "pkgs/broken-text/recipe/recipe.yaml: malformed YAML in line 2",
    "broken-script": "build script failed at `./absent-configure",
    "broken-test": "test script failed at `test -f ",
    "broken-patch": "patch bad.patch does not apply: hunk #1: could not find context",
    "broken-license": "about.license_file: no such file, neither beside the recipe nor in the source",
    "circle-one": "dependency cycle: circle-one (pkgs/circle-one/recipe/recipe.yaml) -> circle-two",
    "circle-two": "remove one of these requirements",
    "on-broken": "broken-script is failed",
    "unsolvable": "absent-upstream",
    "never": "skipped by the recipe: linux",
}
"""Words of the reasons of what is not published."""


def make_thirty(root: Path) -> SmallForge:
    """Write the forge and its upstream channel into a folder."""
    upstream = Upstream(root / "upstream")
    for python in ("3.12", "3.13"):
        upstream.add("python", python)
    for cuda in ("12.6", "13.0"):
        upstream.add("cuda-version", cuda)
    (root / "forge").mkdir()
    forge = SmallForge(root / "forge")
    forge.configure(channels=[upstream.setting], variants=["variants.yaml"])
    forge.write("variants.yaml", VARIANTS)
    for name, text in RECIPES.items():
        forge.recipe(name, text)
    forge.write("pkgs/narrow/recipe/variants.yaml", "python: ['3.13']\n")
    forge.write("pkgs/wide/recipe/variants.yaml", 'python: ["3.12", "3.13", "3.14"]\n')
    for name, old in (("patched", "text"), ("broken-patch", "other")):
        patch = "good.patch" if name == "patched" else "bad.patch"
        forge.write(f"pkgs/{name}/recipe/src/text", "text\n")
        forge.write(f"pkgs/{name}/recipe/{patch}", PATCH.format(old=old))
    return forge

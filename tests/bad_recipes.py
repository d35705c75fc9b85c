"""Recipes that cannot be used: what strangers' forges hold, and what is said of each.

What the real command says of them is in `orchestration.test_bad_input`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from small_forge import SmallForge


@dataclass(frozen=True)
class Bad:
    """A recipe, or a way to write one, and the words that its reason holds: the place, the fault and the remedy.

    Attributes:
        recipe: the text of its recipe.yaml, with NAME for its name; or what is called with the forge.
        words: that the reason has.
        name: of the package that has it, if that is not the name of the case.
        file: that the reason names, if it is not the recipe.yaml.
    """

    recipe: str | bytes | Callable[[SmallForge], object]
    words: str
    name: str = ""
    file: str = ""

    def write(self, forge: SmallForge, name: str) -> None:
        if callable(self.recipe):
            self.recipe(forge)
        else:
            forge.recipe(name, self.recipe.replace("NAME", name) if isinstance(self.recipe, str) else self.recipe)


P = "package: {name: NAME, version: '1'}\n"
OUTPUTS = "recipe: {name: NAME, version: '1'}\noutputs:\n"


def link(place: str, target: str) -> Callable[[SmallForge], object]:
    def make(forge: SmallForge) -> None:
        path = forge.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    return make


def written(place: str, text: str | bytes) -> Callable[[SmallForge], object]:
    return lambda forge: forge.write(place, text)


def pipe(forge: SmallForge) -> None:
    forge.package("pipe")
    os.mkfifo(forge.root / "pkgs/pipe/recipe/named")


def _recipe_pipe(forge: SmallForge) -> None:
    (forge.root / "pkgs/recipe-pipe").mkdir(parents=True)
    os.mkfifo(forge.root / "pkgs/recipe-pipe/recipe.yaml")


def source(name: str, path: Path | str) -> Callable[[SmallForge], object]:
    return lambda forge: forge.recipe(name, P.replace("NAME", name) + f"source: {{path: '{path}'}}\n")


SLOW = "\n".join(f"  a{i}: \"${{{{ ('x' * 100000000) | length }}}}\"" for i in range(1000))

BAD_RECIPES: dict[str, Bad] = {
    # The text.
    "syntax": Bad("package: [\n", "malformed YAML in line 2, column 1: "),
    "empty": Bad("", "missing required field 'package'"),
    "a-list": Bad("- a\n", "must be a mapping"),
    "tabs": Bad("package:\n\tname: tabs\n", "malformed YAML in line 2, column 2: tabs disallowed"),
    "two-keys": Bad(P + "about: {}\nabout: {}\n", 'Duplicate key "about" in mapping (lines 2 and 3); keep one'),
    "anchor": Bad("context: {x: &a 1, y: *a}\n" + P, "anchors (&) and aliases (*) are not read; write the value out"),
    "bomb": Bad(
        "a: &a [x,x,x,x,x,x,x,x]\n"
        + "".join(f"{c}: &{c} [{f'*{p},' * 8}]\n" for p, c in zip("abcde", "bcdef", strict=True)),
        "anchors (&) and aliases (*) are not read",
    ),
    "two-documents": Bad(P + "---\n" + P, "holds more than one YAML document; keep one, without '---' between"),
    "levels": Bad("a: " + "[" * 20_000, "malformed YAML in line 1, column 259: recursion limit exceeded"),
    "large": Bad(b"#" * (10 << 20), "holds 10,485,760 bytes; a recipe has 1,048,576 at the most"),
    "latin-1": Bad("package: {name: caf\xe9}\n".encode("latin-1"), "is not UTF-8 (byte 19); save it as UTF-8"),
    "utf-16": Bad(P.encode("utf-16"), "is not UTF-8 (byte 0); save it as UTF-8"),
    "mark": Bad(b"\xef\xbb\xbf" + P.encode(), "begins with a byte order mark; save it as UTF-8 without one"),
    "nul": Bad(b"package: {name: nul, version: '1\x00'}\n", "malformed YAML in line 1, column 31: "),
    "control": Bad(P + "# \x01\n", "is not plain YAML: unacceptable character #x0001: "),
    "binary": Bad(b"\x00\x01\x02", ""),
    "old-format": Bad(
        "{% set name = 'x' %}\npackage: {name: {{ name }}}\n",
        "it looks like conda-build's format: write it as rattler-build's",
    ),
    # Its keys.
    "unknown-key": Bad(P + "bild: {}\n", "bild"),
    "no-name": Bad("package: {version: '1'}\n", "missing required field 'name'"),
    "null-extra": Bad(P + "extra: null\n", "takes keys and values has something else: extra (line 2)"),
    "word-for-list": Bad(
        P + "requirements:\n  host: python\n", "takes a list has something else: requirements.host (line 3)"
    ),
    "outputs-none": Bad(OUTPUTS.replace("outputs:", "outputs: []"), "at least one output is required"),
    "number-word": Bad(P + "build: {number: one}\n", "'build.number': is no whole number, 0 or higher"),
    "number-below": Bad(P + "build: {number: -1}\n", "'build.number': is no whole number, 0 or higher"),
    "number-huge": Bad(P + f"build: {{number: {10**30}}}\n", "'build.number': is too large a number"),
    "schema": Bad("schema_version: 2\n" + P, "unsupported schema version 2 (only version 1 is supported)"),
    "license": Bad(
        P + "about: {license: BSD-like}\n", "Use 'LicenseRef-<MyLicense>' if you are using a custom license"
    ),
    "spec": Bad(P + "requirements: {host: ['>=1']}\n", "a requirement cannot be read: missing package name"),
    # Names.
    "dots-in-name": Bad("package: {name: ../x, version: '1'}\n", "'../x' is not a valid package name"),
    "dots-in-version": Bad("package: {name: v, version: ../1}\n", "../1"),
    "date": Bad(
        "package: {name: d, version: 2024-01-01}\n", "package.version: '2024-01-01' cannot be part of a filename; use"
    ),
    "accents": Bad(
        "package: {name: p\u00e2t\u00e9, version: '1'}\n", "is not a valid package name. Package names can only"
    ),
    "no-letters": Bad(
        "package: {name: '', version: '1'}\n", "package.name: '' cannot be part of a filename; use 1 to 128 letters"
    ),
    "long": Bad(
        f"package: {{name: {'a' * 300}, version: '1'}}\n", "a... (300 characters)' cannot be part of a filename; use"
    ),
    "evil-string": Bad(P + "build: {string: ../../../evil_0}\n", "'../../../evil_0' cannot be part of a filename; use"),
    # Jinja and conditions.
    "undefined": Bad(
        "package: {name: u, version: '${{ nope }}'}\n", "undefined value (template: ${{ nope }}) (line 1)"
    ),
    "jinja": Bad(P + "about: {summary: '${{ 1 + }}'}\n", "Jinja: syntax error: unexpected end of variable block"),
    "context-circle": Bad("context: {a: '${{ b }}', b: '${{ a }}'}\n" + P, "undefined variable in expression 'b'"),
    "skip-undefined": Bad(P + "build: {skip: [nope]}\n", "build.skip: nope: undefined value"),
    "skip-syntax": Bad(P + "build: {skip: ['match(']}\n", "build.skip: match(: Jinja: syntax error"),
    "memory": Bad(P + "about: {summary: \"${{ 'x' * 9999999999 }}\"}\n", "takes too much memory; make it simpler"),
    "endless": Bad(f"context:\n{SLOW}\n{P}", "rendering it takes longer than 6 seconds; make it simpler"),
    "many-variants": Bad(
        P + "build: {variant: {use_keys: [thirty, forty]}}\n",
        "renders to 1,200 variants, more than 1,000: zip keys that go together (zip_keys), or narrow them",
    ),
    "a-million-variants": Bad(
        P + "build: {variant: {use_keys: [thirty, forty, k1, k2, k3]}}\n",
        "; forty, k1, k2, k3, thirty have 32,400,000 combinations: zip keys that go together (zip_keys), or narrow them",
    ),
    # Outputs and other packages.
    "outputs-circle": Bad(
        OUTPUTS
        + "- {package: {name: oc-a}, requirements: {host: [oc-b]}}\n- {package: {name: oc-b}, requirements: {host: [oc-a]}}\n",
        "outputs: oc-a, oc-b need one another in a circle; remove one of these requirements",
    ),
    "outputs-twins": Bad(
        OUTPUTS + "- {package: {name: ot}}\n- {package: {name: ot}}\n", "outputs: two outputs make ot 1; rename one"
    ),
    "itself": Bad(P + "requirements: {host: [itself]}\n", "itself depends on itself; remove that requirement"),
    "circle-a": Bad(
        P + "requirements: {host: [circle-b]}\n",
        "circle-a (pkgs/circle-a/recipe/recipe.yaml) -> circle-b (pkgs/circle-b/recipe/recipe.yaml) -> circle-a",
    ),
    "circle-b": Bad(P + "requirements: {run: [circle-a]}\n", "remove one of these requirements"),
    "twin-one": Bad(
        "package: {name: twin, version: '1'}\n",
        "pkgs/twin-one/recipe/recipe.yaml and pkgs/twin-two/recipe/recipe.yaml: these recipes make packages of one name, twin",
        name="twin",
    ),
    "twin-two": Bad("package: {name: twin, version: '2'}\n", "rename all but one", name="twin"),
    "case-one": Bad(
        "package: {name: CaseOnly, version: '1'}\n",
        "pkgs/case-one/recipe/recipe.yaml and pkgs/case-two/recipe/recipe.yaml: these recipes make packages of one name",
        name="caseonly",
    ),
    "case-two": Bad("package: {name: caseonly, version: '1'}\n", "rename all but one", name="caseonly"),
    # Files and folders.
    "a-folder": Bad(written("pkgs/a-folder/recipe/recipe.yaml/file", ""), "is not a file"),
    "recipe-pipe": Bad(_recipe_pipe, "is not a file", file="pkgs/recipe-pipe/recipe.yaml"),
    "recipe-loop": Bad(
        link("pkgs/recipe-loop/recipe.yaml", "recipe.yaml"),
        "is a link that leads nowhere; mend it, or remove it",
        file="pkgs/recipe-loop/recipe.yaml",
    ),
    "folder-loop": Bad(
        link("pkgs/folder-loop", "folder-loop"), "is a link that leads nowhere; mend it", file="pkgs/folder-loop"
    ),
    "nowhere": Bad(link("pkgs/nowhere", "/nonexistent"), "is a link that leads nowhere; mend it", file="pkgs/nowhere"),
    "old-recipe": Bad(
        written("pkgs/old-recipe/meta.yaml", "package: {name: x}\n"),
        "is a recipe in conda-build's format; write it as a recipe.yaml",
        file="pkgs/old-recipe/meta.yaml",
    ),
    "other-ending": Bad(
        written("pkgs/other-ending/recipe/recipe.yml", "package: {name: x}\n"),
        "is no name that forge.yaml looks for (recipes); rename it to recipe.yaml",
        file="pkgs/other-ending/recipe/recipe.yml",
    ),
    "pipe": Bad(pipe, "is a named pipe, a socket or a device; remove it", file="pkgs/pipe/recipe/named"),
    "no-source": Bad(source("no-source", "../gone"), "source.path: ../gone: no such file or folder; mend the path"),
    "everything": Bad(
        source("everything", "/"), "source.path: /: holds the forge's own output, which changes with each build"
    ),
    "machine": Bad(
        source("machine", "/proc/self/root/usr"),
        "source.path: /proc/self/root/usr: holds more than 50,000 files or 4 GiB",
    ),
}

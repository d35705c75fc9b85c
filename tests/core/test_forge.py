from __future__ import annotations

from pathlib import Path

import pytest

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge import FileChannel, Forge
from wvforge_dagster.core.forge_file import load_forge


def load(folder: Path, text: str | bytes) -> Forge:
    path = folder / "forge.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_forge(folder)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "{}\n", "---\n"])
def test_an_empty_forge_yaml_is_a_forge_of_defaults(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == Forge()


def test_every_documented_key_is_read(tmp_path: Path) -> None:
    forge = load(
        tmp_path,
        """
channels: [conda-forge, nvidia, {file: output/upstream}]
publish: [{file: output/channel}, {prefix: wv-forge, only: ["c*"]}]
variants: [variants.yaml, more.yaml]
recipes: ["pkgs/*/recipe/recipe.yaml"]
output: built
platform: linux-aarch64
classes: {heavy: {packages: [pytorch*], from_minutes: 30, cores: all}, big: {at_once: 2, memory_gib: 64, gpus: 1}}
limits: {hours: 0.5, memory_gib: 8, test_hours: 1}
upstream: upstream.yaml
""",
    )
    assert forge.channels == ("conda-forge", "nvidia", FileChannel(file="output/upstream"))
    assert forge.publish == ({"file": "output/channel"}, {"prefix": "wv-forge", "only": ("c*",)})
    assert ([entry.file for entry in forge.variants], forge.recipes) == (
        ["variants.yaml", "more.yaml"],
        ("pkgs/*/recipe/recipe.yaml",),
    )
    assert (forge.output, forge.platform) == ("built", "linux-aarch64")
    assert [*forge.classes] == ["light", "heavy", "gpu", "big"]
    heavy, big = forge.classes["heavy"], forge.classes["big"]
    assert (heavy.packages, heavy.from_minutes, heavy.at_once) == (("pytorch*",), 30, 1)
    assert (big.at_once, big.memory_gib, big.gpus, big.cores) == (2, 64, 1, None)
    assert (forge.limits.hours, forge.limits.memory_gib, forge.upstream) == (0.5, 8, "upstream.yaml")


def test_recipients_are_named_by_their_variables_and_get_all_events_or_some(tmp_path: Path) -> None:
    forge = load(tmp_path, "notify: [{variable: WVFORGE_NOTIFY_A}, {variable: WVFORGE_NOTIFY_B, events: [nightly]}]")
    assert [(one.variable, one.events) for one in forge.notify] == [
        ("WVFORGE_NOTIFY_A", ("failure", "column", "solvable", "nightly")),
        ("WVFORGE_NOTIFY_B", ("nightly",)),
    ]


@pytest.mark.parametrize(
    ("notify", "place", "words"),
    [
        (
            "[{variable: 'mailto://u:s3cret@h'}]",
            "notify.0.variable",
            "is not the name of a variable that begins with W",
        ),
        (
            "[{variable: PREFIX_API_KEY}]",
            "notify.0.variable",
            "is not the name of a variable that begins with WVFORGE_",
        ),
        ("[{variable: 's3cret'}]", "notify.0.variable", "is not the name of a variable"),
        ("'mailto://u:s3cret@h'", "notify", "is wrong"),
        ("['mailto://u:s3cret@h']", "notify.0", "is wrong"),
        ("[{'mailto://u:s3cret@h': all}]", "notify.0.variable", "is missing"),
        ("[{variable: WVFORGE_NOTIFY_A, 'json://s3cret': 1}]", "notify.0", "has an unknown key"),
        ("{s3cret: 1}", "notify", "is wrong"),
        ("[{variable: WVFORGE_NOTIFY_A, events: [s3cret]}]", "notify.0.events.0", "is wrong"),
        ("[{variable: WVFORGE_NOTIFY_A, events: []}]", "notify.0.events", "is wrong"),
        ("[{events: [column]}]", "notify.0.variable", "is missing"),
        (
            "[{variable: WVFORGE_NOTIFY_A}, {variable: WVFORGE_NOTIFY_A, events: [column]}]",
            "notify",
            "names WVFORGE_NOTIFY_A twice",
        ),
    ],
)
def test_a_fault_of_a_recipient_names_the_place_and_shows_nothing_that_may_be_an_address(
    tmp_path: Path, notify: str, place: str, words: str
) -> None:
    with pytest.raises(ForgeError) as caught:
        load(tmp_path, f"notify: {notify}")
    text = str(caught.value)
    assert text.startswith(f"{tmp_path}/forge.yaml: {place}: {words}"), text
    assert "write {variable: WVFORGE_NOTIFY_NAME, events: [failure, column, solvable, nightly]}" in text
    assert "s3cret" not in text


def test_no_channels_are_no_channels(tmp_path: Path) -> None:
    assert load(tmp_path, "channels: []\npublish: []\nvariants: []\n").channels == ()


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("chanels: [conda-forge]", "forge.yaml: chanels", "unknown key; known keys: channels, "),
        ("limits: {hour: 1}", "forge.yaml: limits.hour", "unknown key; known keys: hours, memory_gib"),
        ("channels: conda-forge", "forge.yaml: channels", "'conda-forge'"),
        ("channels: [1]", "forge.yaml: channels.0", "1"),
        ("channels: ['']", "forge.yaml: channels.0", "at least 1 character"),
        ("channels: [./mine]", "forge.yaml: channels.0", "looks like a path: write {file: ./mine}"),
        ("channels: [{fil: x}]", "forge.yaml: channels.0", ""),
        ("variants: variants.yaml", "forge.yaml: variants", "'variants.yaml'"),
        ("recipes: []", "forge.yaml: recipes", "at least 1 item"),
        ("platforms: linux-64", "forge.yaml: platforms", "'linux-64' is wrong: should be a valid list"),
        ("platforms: []", "forge.yaml: platforms", "at least 1 item"),
        ("platforms: [linux-arm64]", "forge.yaml: platforms.0", "there is no platform 'linux-arm64'; there are "),
        ("platforms: [linux-64, linux-64]", "forge.yaml: platforms: names a platform twice", "remove one"),
        ("platform: linux-64\nplatforms: [linux-64]", "forge.yaml: platform: is given beside platforms", "remove it"),
        ("platform: noarch", "forge.yaml: platforms.0", "there is no platform 'noarch'"),
        ("output: 3", "forge.yaml: output", "3 is wrong: should be a valid string"),
        ("output: ''", "forge.yaml: output", "at least 1 character"),
        ("limits: {hours: 0}", "forge.yaml: limits.hours", "should be greater than 0"),
        ("limits: {hours: yes}", "forge.yaml: limits.hours", "True is wrong"),
        ("checks: 3", "forge.yaml: checks: 3 is wrong: should be keys and values", ""),
        ("checks:", "forge.yaml: checks: should be keys and values", ""),
        ("limits: {heavy: [1]}", "forge.yaml: limits.heavy: is no key any more; write classes: {heavy: {hours: ", ""),
        ("heavy: [a]", "forge.yaml: heavy: is no key any more; write classes: {heavy: {packages: [...]}}", ""),
        ("classes: {heavy: {core: 1}}", "forge.yaml: classes.heavy.core: unknown key; known keys: hours, ", "gpus"),
        ("classes: {heavy: [a]}", "forge.yaml: classes.heavy: should be keys and values", ""),
        ("classes: {upload: {}}", "forge.yaml: classes.upload: 'upload' cannot be the name of a class", ""),
        ("classes: {heavy: {cores: many}}", "forge.yaml: classes.heavy.cores: 'many' is wrong", ""),
        ("limits: {packages: {a: {cores: 0}}}", "forge.yaml: limits.packages.a.cores: 0 is wrong", ""),
        ("checks: {packages: {a: 3}}", "forge.yaml: checks.packages.a: 3 is wrong: should be keys and values", ""),
        ("checks: {packages: {3: {size: off}}}", "forge.yaml: checks.packages.3: the key 3 is wrong: should be a ", ""),
        ("publish: [output/channel]", "forge.yaml: publish.0", "'output/channel'"),
        ("1: 2", "forge.yaml", ""),
        ("- a\n- b\n", "forge.yaml", "holds a list, not keys and values"),
        ("just text", "forge.yaml", "holds a str, not keys and values"),
        ("channels: [conda-forge\noutput: x\n", "forge.yaml:2", "malformed YAML"),
        ("a: b: c", "forge.yaml:1", "malformed YAML"),
        ("\tchannels: []", "forge.yaml:1", "malformed YAML"),
        ("channels: !!python/object:os.system x", "forge.yaml:1", "malformed YAML"),
        ("output: \x00", "forge.yaml", "malformed YAML"),
        (b"output: \xff\xfe", "forge.yaml", "is not UTF-8 (byte 8); save it as UTF-8"),
        ("[" * 20_000, "forge.yaml", "malformed YAML: more than 100 levels"),
        ("[" * 20_000 + "]" * 20_000, "forge.yaml", "malformed YAML: more than 100 levels"),
        ("{a: 1}: 2", "forge.yaml", "malformed YAML"),
    ],
)
def test_a_fault_is_one_line_that_names_file_and_key(tmp_path: Path, text: str | bytes, place: str, words: str) -> None:
    with pytest.raises(ForgeError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/{place}")
    assert words in message
    assert "\n" not in message
    assert len(message) < 600


def test_a_missing_forge_yaml_says_how_to_name_the_forge(tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match=r"forge\.yaml: no such file; .*--forge or WVFORGE_FORGE"):
        load_forge(tmp_path)


def test_a_folder_in_place_of_forge_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "forge.yaml").mkdir()
    with pytest.raises(ForgeError, match=r"forge\.yaml: is not a file"):
        load_forge(tmp_path)

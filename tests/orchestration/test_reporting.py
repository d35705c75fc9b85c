"""The report and the landing page say what is true of a forge: what a real solver finds, what status says."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import rattler
from small_forge import SmallForge
from typer.testing import CliRunner, Result

from orchestration.making import make, make_and_publish, publish
from wvforge_dagster.cli import app
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.landing import put_pages
from wvforge_dagster.orchestration.reporting import make_report
from wvforge_dagster.orchestration.show import rows
from wvforge_dagster.orchestration.writing_report import write_report
from wvforge_dagster.report.model import Variant

IN_COLUMNS = """
package: {name: mid, version: "1.0"}
build:
  variant: {use_keys: [cuda_version]}
  script: ["mkdir -p $PREFIX/share", "echo ${{ cuda_version }} > $PREFIX/share/mid.txt"]
requirements: {run: [low]}
about: {license: MIT, summary: In the middle.}
"""
CUDA = ("12.6", "12.8")


def run(forge: SmallForge, *words: str) -> Result:
    return CliRunner().invoke(app, ["--forge", str(forge.root), *words])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`low` in one column, `mid` in two that only the build string tells apart; all published."""
    forge = SmallForge(tmp_path_factory.mktemp("reported"))
    forge.configure(channels=[])
    forge.write("variants.yaml", json.dumps({"cuda_version": CUDA}))
    forge.package("low", test="true")
    forge.recipe("mid", IN_COLUMNS)
    make_and_publish(forge, "low")
    for cuda in CUDA:
        make(forge, "mid", cuda)
        publish(forge, "mid", cuda)
    return forge.root


@pytest.fixture
def columns(built: Path, tmp_path: Path) -> SmallForge:
    """A copy of it that a test may change."""
    forge = SmallForge.__new__(SmallForge)
    forge.root = tmp_path / "copy"
    shutil.copytree(built, forge.root)
    return forge


def solve(channels: Sequence[str], specs: Sequence[str]) -> set[str]:
    """The files that a real solver takes."""
    found = asyncio.run(rattler.solve(list(channels), list(specs), platforms=["linux-64", "noarch"]))
    return {record.file_name for record in found}


def asked(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """The channels and the specs of a tool's lines."""
    words = [shlex.split(line) for line in lines]
    channels = [line[i + 1] for line in words for i, word in enumerate(line) if word == "--channel"]
    return channels, [word for line in words for word in line if "=" in word and not word.startswith("-")]


def variants(forge: SmallForge) -> dict[tuple[str, str | None], Variant]:
    report = make_report(forge.open())
    return {(package.name, item.partition): item for package in report.packages for item in package.variants}


def test_the_lines_that_install_a_column_get_a_real_solver_to_exactly_its_file(columns: SmallForge) -> None:
    found = variants(columns)
    (low,) = found["low", None].files
    for cuda in CUDA:
        told = found["mid", cuda]
        (install,) = told.install
        assert set(install.lines) == {"pixi", "conda", "micromamba"}
        for lines in install.lines.values():
            assert solve(*asked(lines)) == {told.files[0].filename, low.filename}
    (install,) = found["low", None].install
    assert solve(*asked(install.lines["conda"])) == {low.filename}


def test_the_report_has_the_rows_of_status(columns: SmallForge) -> None:
    columns.edit("mid", '"1.0"', '"1.1"')
    found = variants(columns)
    forge = columns.open()
    said = rows(derive_statuses(forge).values(), forge.class_of)
    assert len(said) == len(found) == 3
    for row in said:
        told = found[row["package"], row["partition"]]
        assert (told.state.value, told.reason) == (row["state"], row["reason"])
        assert " ".join(file.filename for file in told.files) == row["filename"]
        assert " ".join(file.sha256 for file in told.files) == row["sha256"]
    assert [(change.where, change.what) for change in found["mid", "12.6"].changes] == [
        ("package.version", "1.0 -> 1.1")
    ]
    assert found["mid", "12.6"].install == ()


def test_a_password_in_an_address_is_in_no_file_of_the_report(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[])
    source = 'source: {url: "https://user:hunter2@example.org/a.tar.gz", sha256: "' + "0" * 64 + '"}\n'
    small_forge.package("a", more=source)
    forge = small_forge.open()
    write_report(forge, make_report(forge))
    for path in (forge.output / "report").rglob("*.*"):
        assert "hunter2" not in path.read_text(encoding="utf-8"), path.name


def test_a_new_report_leaves_nothing_of_the_old_one(columns: SmallForge) -> None:
    forge = columns.open()
    site = write_report(forge, make_report(forge)).parent
    assert (site / "package" / "mid.html").exists()
    (site / "notes.txt").write_text("mine", encoding="utf-8")
    (columns.root / "pkgs/mid/recipe/recipe.yaml").unlink()
    (columns.root / "output" / "channel" / "index.html").unlink(missing_ok=True)
    columns.write("variants.yaml", json.dumps({"cuda_version": CUDA[:1]}))
    columns.package("mid2")
    forge = columns.open()
    write_report(forge, make_report(forge))
    assert (site / "package" / "mid2.html").exists()
    assert not (site / "migration" / "12.8.html").exists()
    assert (site / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_a_folder_with_something_else_in_it_is_refused_and_left(columns: SmallForge, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "thesis.html").write_text("mine", encoding="utf-8")
    forge = columns.open()
    with pytest.raises(ForgeError, match=r"has something in it, and no report\.json"):
        write_report(forge, make_report(forge), folder)
    assert [path.name for path in folder.rglob("*")] == ["package", "thesis.html"]


def test_the_command_writes_prints_and_names_what_is_wrong(columns: SmallForge, tmp_path: Path) -> None:
    done = run(columns, "report", "--to", str(tmp_path / "site"))
    assert done.output.strip() == f"wrote {tmp_path / 'site' / 'index.html'}"
    printed = json.loads(run(columns, "report", "--json").stdout)
    assert [package["name"] for package in printed["packages"]] == ["low", "mid"]
    assert run(columns, "report", "--migration", "12.6").stdout.startswith("# CUDA 12.6: 2 of 2 done\n")
    assert str(run(columns, "report", "--migration", "13").exception) == (
        "the forge has no column '13'; it has '12.6', '12.8'"
    )


def test_a_landing_page_names_each_variant_with_what_a_solver_takes_for_it(columns: SmallForge) -> None:
    forge = columns.open()
    assert put_pages(forge) == []
    channel = columns.root / "output" / "channel"
    page = (channel / "index.html").read_text(encoding="utf-8")
    found = dict(re.findall(r"<td>(CUDA [\d.]+|all)</td><td><code>([^<]+)</code>", page))
    assert set(found) == {"CUDA 12.6", "CUDA 12.8", "all"}
    files = variants(columns)
    for cuda in CUDA:
        assert files["mid", cuda].files[0].filename in solve([channel.as_uri()], [found[f"CUDA {cuda}"]])
    assert str(columns.root) not in page, "a channel that is served tells nothing of this machine"
    assert run(columns, "channel", "verify").exit_code == 0


def test_a_target_says_whether_it_has_a_page_and_at_which_address_it_is_read(columns: SmallForge) -> None:
    page = columns.root / "output" / "channel" / "index.html"
    columns.configure(channels=[], publish=[{"file": "output/channel", "page": False}])
    assert put_pages(columns.open()) == []
    assert not page.exists()
    address = "https://conda.example.org/forge"
    columns.configure(channels=[], publish=[{"file": "output/channel", "address": address + "/"}])
    assert put_pages(columns.open()) == []
    text = page.read_text(encoding="utf-8")
    assert f"conda create --name my-env --override-channels --channel {address} SPEC" in text
    assert "<script" not in text
    (install,) = variants(columns)["low", None].install
    assert install.channels == (address,)
    columns.configure(channels=[], publish=[{"file": "output/channel", "address": "https://u:p@example.org"}])
    with pytest.raises(ForgeError, match=r"publish\.0\.address: an address that is shown to people holds no user"):
        columns.open()


def test_pruning_brings_the_page_up_to_date(columns: SmallForge) -> None:
    put_pages(columns.open())
    page = columns.root / "output" / "channel" / "index.html"
    columns.edit("low", "echo low", "echo lower")
    make_and_publish(columns, "low")
    assert run(columns, "channel", "prune", "--keep", "1", "file:output/channel").exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert "low-1.0-h4616a5c_1.conda" in text
    assert "3 files" in text

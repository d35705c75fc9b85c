"""Each package check finds its fault in a package that the engine really built, and nothing in one that is as it should be."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from backports import zstd

from build.tiny_packages import build_tiny, seen_in, shown
from wvforge_dagster.build import package_stream
from wvforge_dagster.build.installed import accepts
from wvforge_dagster.build.package_stream import read_through
from wvforge_dagster.core.libraries import Libraries, check_libraries
from wvforge_dagster.core.package_checks import (
    SIZE_MARGIN,
    check_build_paths,
    check_contents,
    check_license,
    check_places,
    check_prefix,
    check_size,
    check_tests,
)
from wvforge_dagster.core.package_facts import PackageFacts
from wvforge_dagster.core.pins import check_pins

GOOD = """
mkdir -p $PREFIX/bin $PREFIX/lib/python3.12/site-packages/tiny $PREFIX/share
echo "#!$PREFIX/bin/python" > $PREFIX/bin/tiny
echo "{\\"url\\": \\"file://$SRC_DIR\\"}" > $PREFIX/share/kept.json
printf 'int answer(void) { return 42; }' > a.c
cc -shared -fPIC -Wl,-soname,liba.so.1 -o $PREFIX/lib/liba.so.1 a.c
printf 'int answer(void); int main(void) { return answer() + sizeof(__FILE__); }' > b.c
cc -o $PREFIX/bin/b $PWD/b.c $PREFIX/lib/liba.so.1
ln -s liba.so.1 $PREFIX/lib/liba.so
mkdir -p $PREFIX/lib/python3.12/site-packages/tiny.dist-info
mv $PREFIX/share/kept.json $PREFIX/lib/python3.12/site-packages/tiny.dist-info/direct_url.json
printf '\\0%s' $PREFIX > $PREFIX/lib/python3.12/site-packages/tiny/a.pyc
"""
PINNED = {"run": ["python >=3.12,<3.13.0a0", "cuda-version >=12.6,<13"]}
BAD = """
mkdir -p $PREFIX/share $PREFIX/etc $PREFIX/lib/python3.11/site-packages $PREFIX/odd
echo $PREFIX > $PREFIX/share/left.txt
(head -c 2000000 /dev/zero; printf $PREFIX) > $PREFIX/share/left.bin
echo $SRC_DIR > $PREFIX/share/work.txt
echo $BUILD_PREFIX/bin/cc > $PREFIX/share/build.txt
touch $PREFIX/lib/python3.11/site-packages/wrong.py $PREFIX/README $PREFIX/odd/file
ln -s /etc/hostname $PREFIX/etc/hostname
printf 'int answer(void) { return 42; }' > a.c
cc -shared -fPIC -Wl,-soname,libgone.so.1 -o libgone.so.1 a.c
printf 'int answer(void); int main(void) { return answer(); }' > b.c
mkdir $PREFIX/bin
cc -o $PREFIX/bin/b b.c $PWD/libgone.so.1 -Wl,-rpath,/opt/vendor/lib,-rpath,$PWD
"""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> PackageFacts:
    return seen_in(tmp_path_factory.mktemp("good"), GOOD, requirements=PINNED)


@pytest.fixture(scope="module")
def bad_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = {"prefix_detection": {"ignore": ["share/left.*"]}, "dynamic_linking": {"binary_relocation": False}}
    return build_tiny(tmp_path_factory.mktemp("bad"), BAD, build=build, about={"license_file": []})


@pytest.fixture(scope="module")
def bad(bad_file: Path) -> PackageFacts:
    return read_through(bad_file)


def test_the_text_of_the_license_is_there_or_missed(good: PackageFacts, bad: PackageFacts, tmp_path: Path) -> None:
    assert good.license_files == ("LICENSE",)
    assert shown(check_license(good)) == []
    assert shown(check_license(bad)) == [
        ("", "no text of the license MIT is in the package (about.license_file)", "warning")
    ]
    unstated = seen_in(tmp_path, "true", about=None)
    assert shown(check_license(unstated)) == [("", "the recipe states no license (about.license)", "warning")]


def test_a_path_of_the_host_environment_is_left_only_where_it_is_rewritten_or_bytecode(
    good: PackageFacts, bad: PackageFacts
) -> None:
    holding = {file.path for file in good.files if "host prefix" in file.paths_left}
    assert holding == {"bin/tiny", "lib/python3.12/site-packages/tiny/a.pyc"}
    assert shown(check_prefix(good)) == []
    found = shown(check_prefix(bad))
    words = "holds a path of the build's host environment, and is not rewritten"
    assert [item for item in found if item[0].startswith("share/")] == [
        ("share/left.bin", words, "error"),
        ("share/left.txt", words, "error"),
    ]


def test_a_library_path_of_the_build_is_an_error_and_a_fixed_one_a_warning(bad: PackageFacts) -> None:
    of_program = [item for item in shown(check_prefix(bad)) if item[0] == "bin/b"]
    assert [severity for _, _, severity in of_program] == ["warning", "error"]
    assert of_program[0][1] == "looks for libraries in /opt/vendor/lib (RPATH)"
    assert of_program[1][1].endswith("/work (RPATH)")


def test_a_path_of_the_work_folder_is_missed_in_text_and_not_in_programs_or_pips_own_file(
    good: PackageFacts, bad: PackageFacts
) -> None:
    holding = {file.path for file in good.files if "work folder" in file.paths_left}
    assert "lib/python3.12/site-packages/tiny.dist-info/direct_url.json" in holding
    assert shown(check_build_paths(good)) == []
    assert shown(check_build_paths(bad)) == [
        ("share/build.txt", "holds the path of the build prefix", "warning"),
        ("share/work.txt", "holds the path of the work folder", "warning"),
    ]


def test_a_path_is_found_where_two_blocks_meet(bad_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_stream, "BLOCK", 7)
    left = {file.path: file.paths_left for file in read_through(bad_file).files}
    assert left["share/left.txt"] == ("host prefix",)
    assert left["share/work.txt"] == ("work folder",)


def test_a_file_in_an_unexpected_place_is_named(good: PackageFacts, bad: PackageFacts) -> None:
    assert shown(check_places(good, "3.12")) == []
    assert sorted(shown(check_places(bad, "3.12"))) == [
        ("README", "lies at the top of the environment", "warning"),
        ("etc/hostname", "links to /etc/hostname, outside the environment", "warning"),
        ("lib/python3.11/site-packages/wrong.py", "is of Python 3.11, in a package for Python 3.12", "error"),
        ("odd/file", "lies in odd/, a folder that environments do not have", "warning"),
    ]


def test_a_library_is_covered_by_the_package_by_what_it_requires_or_by_the_machine(
    good: PackageFacts, bad: PackageFacts
) -> None:
    assert good.linked["bin/b"].needed[0] == "liba.so.1"
    assert shown(check_libraries(good, Libraries())) == []
    nobody = ("bin/b", "is linked to libgone.so.1, which neither the package nor a run requirement has", "error")
    assert shown(check_libraries(bad, Libraries())) == [nobody]
    assert shown(check_libraries(bad, Libraries(required={"libgone.so.1": "gone"}))) == []
    other = Libraries(elsewhere={"libgone.so.1": "gone"})
    assert shown(check_libraries(bad, other)) == [
        ("bin/b", "is linked to libgone.so.1 of gone, which is no run requirement", "error")
    ]
    assert [severity for _, _, severity in shown(check_libraries(bad, Libraries(unknown=("far",))))] == ["warning"]


def test_a_compilers_library_is_the_machines_only_where_the_build_had_no_package_of_it(tmp_path: Path) -> None:
    script = r"""
    mkdir -p $PREFIX/lib
    printf '#include <string>\nvoid f(std::string& s) { s += s; }' > a.cc
    c++ -shared -fPIC -o $PREFIX/lib/liba.so a.cc
    """
    facts = seen_in(tmp_path, script)
    assert "libstdc++.so.6" in facts.linked["lib/liba.so"].needed
    assert shown(check_libraries(facts, Libraries())) == []
    found = shown(check_libraries(facts, Libraries(elsewhere={"libstdc++.so.6": "libstdcxx"})))
    assert found == [("lib/liba.so", "is linked to libstdc++.so.6 of libstdcxx, which is no run requirement", "error")]


BOTH = {"python": "3.12.* *_cpython", "cuda_version": "12.6"}


def test_the_variant_is_pinned_by_what_the_package_requires(good: PackageFacts, bad: PackageFacts) -> None:
    assert shown(check_pins(good, BOTH, accepts)) == []
    assert [(what.split(" (")[0], severity) for _, what, severity in shown(check_pins(bad, BOTH, accepts))] == [
        ("no run requirement holds to Python 3.12", "warning"),
        ("no run requirement holds to CUDA 12.6", "warning"),
    ]
    assert shown(check_pins(bad, {}, accepts)) == []


@pytest.mark.parametrize(
    ("spec", "missing"),
    [
        ("python >=3.12,<3.13.0a0", "CUDA"),
        ("python_abi 3.12.* *_cp312", "CUDA"),
        ("_python_abi3_support 1.*", "CUDA"),
        ("cuda-version >=12.6,<13", "Python"),
        ("cuda-cudart >=12.6.77,<13.0a0", "Python"),
        ("pytorch 2.6.* cuda126_*", "Python"),
        ("python >=3.9", "Python CUDA"),
        ("python", "Python CUDA"),
        ("python >=3.11,<3.13.0a0", "Python CUDA"),
        ("python >=3.13,<3.14", "Python CUDA"),
        ("cuda-version >=11,<13", "Python CUDA"),
        ("cuda-version >=12.8,<12.9", "Python CUDA"),
        ("cuda-version", "Python CUDA"),
        ("pytorch 2.6.* cuda130_*", "Python CUDA"),
        ("numpy >=1.26,<3", "Python CUDA"),
    ],
)
def test_what_pins_a_variant(spec: str, missing: str) -> None:
    facts = PackageFacts("a", noarch=False, size=1, depends=(spec,))
    found = [what.split(" holds to ")[1].split()[0] for _, what, _ in shown(check_pins(facts, BOTH, accepts))]
    assert " ".join(found) == missing


def test_a_package_that_surely_needs_its_variant_and_does_not_pin_it_is_an_error(good: PackageFacts) -> None:
    unpinned = PackageFacts("a", noarch=False, size=1, files=good.files, host=(("cuda-version", "12.6", "0"),))
    assert [severity for _, _, severity in shown(check_pins(unpinned, BOTH, accepts))] == ["error", "error"]
    assert shown(check_pins(PackageFacts("a", noarch=True, size=1), BOTH, accepts)) == []


def test_a_size_is_compared_with_the_last_one_and_small_ones_may_change(good: PackageFacts) -> None:
    assert shown(check_size(good, None)) == []
    assert shown(check_size(good, good.size * 50)) == [] or good.size * 49 > SIZE_MARGIN
    far = good.size + 2 * SIZE_MARGIN
    assert shown(check_size(good, far)) == [("", f"has {good.size:,} bytes, and the last one had {far:,}", "warning")]


def test_a_recipe_without_tests_or_without_pips_check_is_a_warning() -> None:
    assert shown(check_tests([])) == [("", "the recipe has no tests", "warning")]
    assert shown(check_tests([{"python": {"imports": ["a"], "pip_check": True}}, {"script": ["true"]}])) == []
    assert shown(check_tests([{"python": {"imports": ["a"], "pip_check": False}}])) == [
        ("", "a test of the recipe has pip_check: false", "warning")
    ]


def rewritten(source: Path, target: Path, change: dict[str, bytes | None], *, part: str = "pkg-") -> Path:
    """A copy of a package in whose payload (or ``info-``) files are replaced, removed or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for item in old.infolist():
            data = old.read(item)
            if item.filename.startswith(part):
                data = _repacked(data, change)
            new.writestr(item.filename, data, compress_type=zipfile.ZIP_STORED)
    return target


def _repacked(data: bytes, change: dict[str, bytes | None]) -> bytes:
    result = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(zstd.decompress(data))) as old, tarfile.open(fileobj=result, mode="w") as new:
        kept: Iterator[tuple[tarfile.TarInfo, bytes]] = (
            (item, stream.read() if item.isfile() and (stream := old.extractfile(item)) else b"")
            for item in old
            if item.name not in change
        )
        added = ((tarfile.TarInfo(name), text) for name, text in change.items() if text is not None)
        for item, text in (*kept, *added):
            if item.isfile():
                item.size = len(text)
            new.addfile(item, io.BytesIO(text))
    return zstd.compress(result.getvalue())


def test_a_payload_that_is_not_what_the_package_lists_is_found(
    good: PackageFacts, bad_file: Path, tmp_path: Path
) -> None:
    assert shown(check_contents(good)) == []
    assert shown(check_contents(read_through(bad_file))) == []
    change = {"share/work.txt": b"other\n", "share/build.txt": None, "share/more.txt": b"more"}
    found = shown(check_contents(read_through(rewritten(bad_file, tmp_path / bad_file.name, change))))
    words = {path: what for path, what, _ in found}
    assert words.keys() == change.keys()
    assert words["share/work.txt"].startswith("has the sha256 ")
    assert words["share/build.txt"] == "is listed in info/paths.json, and is not there"
    assert words["share/more.txt"] == "is not listed in info/paths.json"
    assert {severity for _, _, severity in found} == {"error"}


def test_a_payload_may_not_hold_what_an_installer_writes_or_leave_the_environment(
    bad_file: Path, tmp_path: Path
) -> None:
    change: dict[str, bytes | None] = {"conda-meta/history": b"", "info/index.json": b"{}", "../outside": b""}
    facts = read_through(rewritten(bad_file, tmp_path / bad_file.name, change))
    assert {item for item in shown(check_places(facts, None)) if item[2] == "error"} == {
        ("conda-meta/history", "is in the place of an installer's own files", "error"),
        ("info/index.json", "is in the place of an installer's own files", "error"),
        ("../outside", "lies outside the environment", "error"),
    }


def test_facts_come_whole_through_json(good: PackageFacts, bad: PackageFacts) -> None:
    for facts in (good, bad):
        assert PackageFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts

"""First recipes: from a registry of this test's own, and from archives that it serves."""

from __future__ import annotations

import hashlib
import io
import json
import re
import ssl
import subprocess
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from small_forge import SmallForge
from typer.testing import CliRunner

from wvforge_dagster.build.new_recipe import recipe_from_url
from wvforge_dagster.build.pypi_recipe import recipe_from_pypi
from wvforge_dagster.cli import app
from wvforge_dagster.core.errors import ForgeError


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def archive(path: Path, files: dict[str, str]) -> str:
    """Write a .tar.gz; its sha256."""
    with tarfile.open(path, "w:gz") as target:
        for name, text in files.items():
            member = tarfile.TarInfo(f"thing-1.4.2/{name}")
            member.size = len(text)
            target.addfile(member, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def project(folder: Path, url: str, pyproject: str = '[build-system]\nrequires = ["flit_core >=3"]\n') -> str:
    """A registry's JSON about a project with one source, below `url`; the source's sha256."""
    metadata = "Metadata-Version: 2.1\nName: thing\nVersion: 1.4.2\nRequires-Dist: attrs>=23\n"
    source = folder / "thing-1.4.2.tar.gz"
    files = {"pyproject.toml": pyproject, "PKG-INFO": metadata, "LICENSE": "MIT"}
    sha256 = archive(source, files)
    info = {
        "name": "thing",
        "version": "1.4.2",
        "summary": "A thing.",
        "license": "MIT",
        "requires_dist": ["attrs>=23"],
    }
    info |= {"requires_python": ">=3.9", "description": "# A long\n\nREADME", "home_page": None, "project_urls": None}
    release = {
        "filename": source.name,
        "url": f"{url}/{source.name}",
        "packagetype": "sdist",
        "digests": {"sha256": sha256},
    }
    answer = json.dumps({"info": info, "urls": [release], "releases": {"1.4.2": [release]}})
    for place in ("pypi/thing/json", "pypi/thing/1.4.2/json"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(answer, encoding="utf-8")
    return sha256


@pytest.mark.parametrize("wanted", ["thing", "thing==1.4.2"])
def test_a_project_of_a_registry_becomes_a_recipe_that_renders(
    served: tuple[Path, str], small_forge: SmallForge, wanted: str
) -> None:
    folder, url = served
    sha256 = project(folder, url)
    recipe = recipe_from_pypi("my-thing", wanted, f"{url}/pypi")
    small_forge.recipe("my-thing", recipe.text)
    (output,) = small_forge.rendered("my-thing").outputs
    assert (output.name, output.version) == ("my-thing", "1.4.2")
    assert output.rendered["source"][0]["sha256"] == sha256
    assert "attrs" in output.requires("run")
    assert "README" not in recipe.text
    assert "#" not in recipe.text
    written = yaml.safe_load(recipe.text)
    assert written["build"]["number"] == 0
    assert written["about"]["license_file"] == ["LICENSE"]
    assert "flit_core >=3" in written["requirements"]["host"]
    assert written["tests"][0]["python"]["pip_check"] is True


@pytest.mark.parametrize(
    ("pyproject", "host"),
    [
        (
            '[build-system]\nrequires = ["hatchling>=1.26", "hatch_vcs", "tomli; python_version < \'3\'", "A.B[c]~=1.2"]\n',
            ["hatchling >=1.26", "hatch-vcs", "a-b ~=1.2"],
        ),
        ("[project]\nname = 'thing'\n", ["setuptools"]),
        ("build-system = 1", ["setuptools"]),
        ("not TOML", ["setuptools"]),
    ],
    ids=["named", "none", "no table", "no TOML"],
)
def test_addresses_that_a_mirror_gives_relative_to_its_page_are_followed_and_the_source_says_what_builds_it(
    served: tuple[Path, str], small_forge: SmallForge, pyproject: str, host: list[str]
) -> None:
    folder, url = served
    sha256 = project(folder, "../..", pyproject)
    recipe = recipe_from_pypi("thing", "thing", f"{url}/pypi")
    written = yaml.safe_load(recipe.text)
    assert written["source"] == [{"url": f"{url}/thing-${{{{ version }}}}.tar.gz", "sha256": sha256}]
    assert written["requirements"]["host"] == ["python >=3.9", "pip", *host]
    assert written["about"]["license_file"] == ["LICENSE"]
    small_forge.recipe("thing", recipe.text)
    assert small_forge.output("thing").rendered["source"][0]["url"] == f"{url}/thing-1.4.2.tar.gz"


def test_where_the_source_cannot_be_read_the_recipe_is_written_and_it_is_said(served: tuple[Path, str]) -> None:
    folder, url = served
    project(folder, "..")
    recipe = recipe_from_pypi("thing", "thing", f"{url}/pypi")
    address = f"{url}/pypi/thing-1.4.2.tar.gz"
    words = "its host requirements and licence file could not be read from its source"
    assert f"{words}: {address}: cannot be fetched: 404 File not found" in recipe.remarks


def test_servers_are_verified_with_the_systems_certificates_and_a_certificate_that_is_not_known_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += [
        "-subj",
        "/CN=here",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run(command, check=True, capture_output=True)
    archive(tmp_path / "thing-1.4.2.tar.gz", {"configure": ""})
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{server.server_port}/thing-1.4.2.tar.gz"
        with pytest.raises(ForgeError) as caught:
            recipe_from_url("thing", url)
        words = r"cannot be fetched: its certificate cannot be verified \(self.signed certificate\)"
        remedy = "if it is right, name a file with the certificate that signed it in SSL_CERT_FILE"
        assert re.fullmatch(f"{re.escape(url)}: {words}; {remedy}", str(caught.value))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert "1.4.2" in recipe_from_url("thing", url).text
        server.shutdown()


def test_a_project_that_no_registry_has_is_named(served: tuple[Path, str]) -> None:
    with pytest.raises(ForgeError, match=r"nothing: no recipe from PyPI: .*404"):
        recipe_from_pypi("nothing", "nothing", f"{served[1]}/pypi")


@pytest.mark.parametrize(
    ("files", "host", "script"),
    [
        ({"pyproject.toml": "", "LICENSE.txt": "MIT"}, "pip", "pip install"),
        ({"CMakeLists.txt": "", "COPYING": "MIT"}, "cmake", "cmake --build"),
        ({"configure": "", "README": ""}, "make", "./configure"),
    ],
    ids=["python", "cmake", "configure"],
)
def test_an_archive_becomes_a_recipe_for_the_way_it_is_built(
    served: tuple[Path, str], small_forge: SmallForge, files: dict[str, str], host: str, script: str
) -> None:
    folder, url = served
    sha256 = archive(folder / "thing-1.4.2.tar.gz", files)
    recipe = recipe_from_url("thing", f"{url}/thing-1.4.2.tar.gz")
    small_forge.recipe("thing", recipe.text)
    (output,) = small_forge.rendered("thing").outputs
    source = output.rendered["source"][0]
    assert (output.version, source["sha256"]) == ("1.4.2", sha256)
    assert source["url"] == f"{url}/thing-1.4.2.tar.gz"
    assert "thing-${{ version }}.tar.gz" in recipe.text
    assert script in json.dumps(output.rendered["build"])
    assert host in output.requires("build", "host") or host == "make"
    licences = yaml.safe_load(recipe.text)["about"]["license_file"]
    assert licences == [name for name in files if name.startswith(("LICENSE", "COPYING"))]
    assert ("no licence file was found in the archive" in recipe.remarks) == (not licences)


def test_what_is_no_archive_or_cannot_be_fetched_is_named_with_its_address(served: tuple[Path, str]) -> None:
    folder, url = served
    (folder / "bad-1.tar.gz").write_bytes(b"no archive at all")
    for address, words in (
        (f"{url}/bad-1.tar.gz", "is no archive"),
        (f"{url}/gone-1.tar.gz", "cannot be fetched: 404"),
        ("http://127.0.0.1:1/gone-1.tar.gz", "cannot be fetched: ConnectionError; check the address"),
        (f"{url}/page.html", "is no address of a .tar.gz"),
    ):
        with pytest.raises(ForgeError) as caught:
            recipe_from_url("bad", address)
        assert str(caught.value).startswith(f"{address}: {words}")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://[::1", "the address of its source cannot be read: Invalid IPv6 URL"),
        ("http://me:canary@[::1", "the address of its source cannot be read: Invalid IPv6 URL"),
        ("https://me:canary@127.0.0.1/a-1.tar.gz", "credentials do not belong into a recipe; give"),
        ("canary@127.0.0.1/a-1.tar.gz", "credentials do not belong into a recipe; give"),
    ],
)
def test_an_address_that_cannot_be_read_or_has_credentials_is_refused_and_not_shown(url: str, words: str) -> None:
    with pytest.raises(ForgeError) as caught:
        recipe_from_url("a", url)
    assert words in str(caught.value)
    assert "canary" not in str(caught.value)


def test_an_empty_address_is_not_taken_for_none_given(tmp_path: Path) -> None:
    for source in ("--from-url", "--from-pypi"):
        done = CliRunner().invoke(app, ["--forge", str(tmp_path), "new", "a", "", source])
        assert (done.exit_code, "give --from-pypi [PROJECT] or --from-url URL" in done.output) == (2, True)

"""The objects of an S3 channel: read, put without overwriting, replaced only as they were read; with limits and retries."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.objects import ListedObject, StoredObject
from wvforge_dagster.channels.patience import Patience, TransientError, patiently
from wvforge_dagster.channels.repodata import LARGEST_INDEX
from wvforge_dagster.channels.s3_calls import Hurried, S3Calls, S3Place
from wvforge_dagster.core.errors import ForgeError

Result = TypeVar("Result")

LARGEST_PUT = 5 * 2**30
"""Bytes that S3 takes as one object at once: more would have to be sent in parts."""


class S3Store:
    """Names are relative to the place: ``noarch/repodata.json``. Every fault is a ForgeError with the server's words."""

    def __init__(self, place: S3Place, *, credentials: Credentials, patience: Patience, label: str) -> None:
        self.calls = S3Calls(place, credentials=credentials, patience=patience, label=label)
        self._patience = patience
        self._label = label

    def read(self, name: str, *, unless: str | None = None) -> StoredObject | None:
        """The object; None if there is none. It may be as large as an index.

        Args:
            unless: an etag; an object that still has it is not sent, and comes back with empty content.
        """
        condition = {"IfNoneMatch": unless} if unless else {}

        def attempt() -> StoredObject | None:
            answer = self.calls.ask("get_object", name, absent=(404,), same=(304,) if unless else (), **condition)
            if answer is None:
                return None
            if "Body" not in answer:
                return StoredObject(b"", unless or "", 0.0)
            content = self.calls.content(answer, name, LARGEST_INDEX, self._patience.reading_s)
            if "ETag" not in answer:
                raise TransientError("its answer has no ETag")
            return StoredObject(content, answer["ETag"], _age(answer))

        return self._patiently(f"{name} cannot be read", attempt)

    def save(self, name: str, path: Path, *, most: int) -> bool:
        """Write the object, which may have `most` bytes, to a file; False if there is none."""

        def attempt() -> bool:
            answer = self.calls.ask("get_object", name, absent=(404,))
            if answer is None:
                return False
            with path.open("wb") as stream:
                self.calls.stream(answer, name, stream.write, most, self._patience.upload_limit(most))
            return True

        return self._patiently(f"{name} cannot be read", attempt)

    def sha256(self, name: str) -> str | None:
        """The sha256 of an object as lower-case hex: the server's own sum, or that of its content; None if there is none."""

        def attempt() -> str | None:
            told = self.calls.ask("head_object", name, absent=(404,), ChecksumMode="ENABLED")
            if told is None:
                return None
            if (known := told.get("ChecksumSHA256", "")) and "-" not in known:
                return base64.b64decode(known).hex()
            return self._hash_of(name, min(told.get("ContentLength", LARGEST_PUT), LARGEST_PUT))

        return self._patiently(f"{name} cannot be read", attempt)

    def hash_of(self, name: str, *, most: int) -> str | None:
        """The sha256 of an object's content as it is read now, which may have `most` bytes; None if there is none."""
        return self._patiently(f"{name} cannot be read", lambda: self._hash_of(name, most))

    def put_file(self, name: str, path: Path, sha256: str, size: int) -> bool:
        """Put a file as a new object, which the server checks against its sha256; False if there is an object already."""
        if size > LARGEST_PUT:
            raise ForgeError("is larger than the 5 GiB that S3 takes at once", where=str(path))
        limit_s = self._patience.upload_limit(size)

        def attempt() -> bool:
            with path.open("rb") as stream:
                body = Hurried(stream, size, limit_s)
                return self._put(
                    name,
                    Body=body,
                    ContentLength=size,
                    ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                    IfNoneMatch="*",
                )

        return self._patiently(f"{path.name} was not uploaded", attempt)

    def put(
        self, name: str, content: bytes, *, instead_of: StoredObject | None, content_type: str = "application/json"
    ) -> bool:
        """Put an object where there is none, or instead of the one that was read; False if another was faster."""
        condition = {"IfMatch": instead_of.etag} if instead_of else {"IfNoneMatch": "*"}
        what = f"{name} was not written"
        return self._patiently(what, lambda: self._put(name, Body=content, ContentType=content_type, **condition))

    def rename(self, name: str, new: str) -> None:
        """Copy an object to another name, then remove it."""
        key = {"Bucket": self.calls.place.bucket, "Key": self.calls.key(name)}
        self._patiently(f"{name} was not renamed", lambda: self.calls.ask("copy_object", new, CopySource=key))
        self.remove(name)

    def remove(self, name: str) -> None:
        self._patiently(f"{name} was not removed", lambda: self.calls.ask("delete_object", name, absent=(404,)))

    def names(self, folder: str) -> list[str]:
        """The names of the objects in a folder, in order."""
        return sorted(self.sizes(folder))

    def sizes(self, folder: str) -> dict[str, int]:
        """The objects in a folder by their names, with their sizes in bytes."""
        return {name: item.size for name, item in self.listing(folder).items()}

    def listing(self, folder: str) -> dict[str, ListedObject]:
        """See `Objects.listing`."""
        found: dict[str, ListedObject] = {}
        token: dict[str, str] = {}
        prefix = self.calls.key(folder + "/")
        while True:
            arguments = {"Prefix": prefix, "Delimiter": "/", **token}
            page = self._patiently(
                f"{folder} cannot be listed",
                lambda arguments=arguments: self.calls.ask("list_objects_v2", None, **arguments),  # type: ignore[misc]
            )
            found |= {
                item["Key"].removeprefix(prefix): ListedObject(item["ETag"], item["Size"], _age({**page, **item}))
                for item in page.get("Contents", ())
            }
            if not page.get("IsTruncated"):
                # A server that does not honour the delimiter, or means harm, has names of other folders.
                return {name: item for name, item in found.items() if name and not {"/", "\0"} & set(name)}
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def signed_address(self, name: str, *, seconds: int) -> str:
        """An address that reads the object without credentials, for a time. It is a secret."""
        parameters = {"Bucket": self.calls.place.bucket, "Key": self.calls.key(name)}
        address = self.calls.client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)
        return str(address)

    def _hash_of(self, name: str, most: int) -> str | None:
        """One attempt."""
        answer = self.calls.ask("get_object", name, absent=(404,))
        if answer is None:
            return None
        total = hashlib.sha256()
        self.calls.stream(answer, name, total.update, most, self._patience.upload_limit(most))
        return total.hexdigest()

    def _put(self, name: str, **arguments: Any) -> bool:
        return self.calls.ask("put_object", name, absent=(412,), **arguments) is not None

    def _patiently(self, what: str, attempt: Callable[[], Result]) -> Result:
        return patiently(what, attempt, patience=self._patience, label=self._label)


def _age(answer: Mapping[str, Any]) -> float:
    """Seconds between the writing of an object and the answer that has it, by the server's clock."""
    from email.utils import parsedate_to_datetime

    try:
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return float((now - answer["LastModified"]).total_seconds())
    except (KeyError, ValueError, TypeError):
        return 0.0

"""The objects of an S3 channel: read, put without overwriting, replaced only as they were read; with limits and retries."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from wvforge_dagster.channels.credentials import AwsKeys, Credentials
from wvforge_dagster.channels.patience import Patience, TransientError, patiently, retry_after
from wvforge_dagster.core.errors import ForgeError

Result = TypeVar("Result")

LARGEST_PUT = 5 * 2**30
"""Bytes that S3 takes as one object at once: more would have to be sent in parts."""

_REMEDIES = {
    401: "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    403: "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what they may do in this bucket",
    404: "create the bucket, or mend its name",
    501: "the server must know If-None-Match and If-Match for puts",
}


@dataclass(frozen=True)
class S3Place:
    """Where a channel's objects are.

    Attributes:
        prefix: what the keys begin with, without slashes at its ends; may be empty.
        endpoint_url: the server; None: Amazon's.
        region: None: the region of the standard AWS configuration, else us-east-1.
        path_style: whether the bucket is named in the path (as most servers besides Amazon's want it), not in the host.
    """

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    path_style: bool = False

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}" if self.prefix else f"s3://{self.bucket}"


@dataclass(frozen=True)
class S3Object:
    """An object as it was read.

    Attributes:
        age_s: seconds since it was written, by the server's clock.
    """

    content: bytes
    etag: str
    age_s: float


class S3Store:
    """Names are relative to the place: ``noarch/repodata.json``. Every fault is a ForgeError with the server's words."""

    def __init__(self, place: S3Place, *, credentials: Credentials, patience: Patience, label: str) -> None:
        self.place = place
        self._credentials = credentials
        self._patience = patience
        self._label = label

    @cached_property
    def client(self) -> Any:
        """boto3's client of the server.

        Raises:
            ForgeError: if boto3 is not installed, or the standard AWS configuration is at fault.
        """
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ImportError:
            raise ForgeError(
                "S3 channels need boto3, which is not installed",
                where=self._label,
                remedy="install wvforge-dagster[s3]",
            ) from None
        keys = self._credentials.aws_keys_for(self.place.url)
        try:
            session = boto3.session.Session(
                aws_access_key_id=keys.access_key_id if keys else None,
                aws_secret_access_key=keys.secret_access_key if keys else None,
                aws_session_token=keys.session_token if keys else None,
            )
            return session.client(
                "s3",
                endpoint_url=self.place.endpoint_url,
                region_name=self.place.region or session.region_name or "us-east-1",
                config=Config(
                    # Attempts are made here, with pauses that honour Retry-After.
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    connect_timeout=min(30.0, self._patience.reading_s),
                    read_timeout=self._patience.reading_s,
                    s3={"addressing_style": "path" if self.place.path_style else "auto"},
                    # Other servers do not know the newer checksums that boto3 adds by itself.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )
        except (BotoCoreError, ValueError) as error:
            raise ForgeError(self._credentials.redact(str(error)), where=self._label) from None

    def keys(self) -> AwsKeys:
        """The keys in use, whatever they came from.

        Raises:
            ForgeError: if there are none.
        """
        found = self.client._request_signer._credentials
        if found is None:
            raise self._no_keys()
        frozen = found.get_frozen_credentials()
        return AwsKeys(frozen.access_key, frozen.secret_key, frozen.token)

    def read(self, name: str, *, unless: str | None = None) -> S3Object | None:
        """The object; None if there is none.

        Args:
            unless: an etag; an object that still has it is not sent, and comes back with empty content.
        """
        condition = {"IfNoneMatch": unless} if unless else {}

        def attempt() -> S3Object | None:
            answer = self._ask("get_object", name, absent=(404,), same=(304,), **condition)
            if answer is None:
                return None
            if "Body" not in answer:
                return S3Object(b"", unless or "", 0.0)
            return S3Object(self._content(answer, self._patience.reading_s), answer["ETag"], _age(answer))

        return self._patiently(f"{name} cannot be read", attempt)

    def save(self, name: str, path: Path) -> bool:
        """Write the object to a file; False if there is none."""

        def attempt() -> bool:
            answer = self._ask("get_object", name, absent=(404,))
            if answer is None:
                return False
            deadline = time.monotonic() + self._patience.upload_limit(answer["ContentLength"])
            with path.open("wb") as stream:
                self._stream(answer, stream.write, deadline)
            return True

        return self._patiently(f"{name} cannot be read", attempt)

    def sha256(self, name: str) -> str | None:
        """The sha256 of an object as lower-case hex: the server's own sum, or that of its content; None if there is none."""

        def attempt() -> str | None:
            told = self._ask("head_object", name, absent=(404,), ChecksumMode="ENABLED")
            if told is None:
                return None
            if (known := told.get("ChecksumSHA256", "")) and "-" not in known:
                return base64.b64decode(known).hex()
            answer = self._ask("get_object", name, absent=(404,))
            if answer is None:
                return None
            total = hashlib.sha256()
            limit_s = self._patience.upload_limit(answer["ContentLength"])
            self._stream(answer, total.update, time.monotonic() + limit_s)
            return total.hexdigest()

        return self._patiently(f"{name} cannot be read", attempt)

    def put_file(self, name: str, path: Path, sha256: str, size: int) -> bool:
        """Put a file as a new object, which the server checks against its sha256; False if there is an object already."""
        if size > LARGEST_PUT:
            raise ForgeError("is larger than the 5 GiB that S3 takes at once", where=str(path))
        limit_s = self._patience.upload_limit(size)

        def attempt() -> bool:
            with path.open("rb") as stream:
                body = _Hurried(stream, size, limit_s)
                return self._put(
                    name,
                    Body=body,
                    ContentLength=size,
                    ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                    IfNoneMatch="*",
                )

        return self._patiently(f"{path.name} was not uploaded", attempt)

    def put(self, name: str, content: bytes, *, instead_of: S3Object | None) -> bool:
        """Put an object where there is none, or instead of the one that was read; False if another was faster."""
        condition = {"IfMatch": instead_of.etag} if instead_of else {"IfNoneMatch": "*"}
        what = f"{name} was not written"
        return self._patiently(what, lambda: self._put(name, Body=content, ContentType="application/json", **condition))

    def rename(self, name: str, new: str) -> None:
        """Copy an object to another name, then remove it."""
        key = {"Bucket": self.place.bucket, "Key": self._key(name)}
        self._patiently(f"{name} was not renamed", lambda: self._ask("copy_object", new, CopySource=key))
        self.remove(name)

    def remove(self, name: str) -> None:
        self._patiently(f"{name} was not removed", lambda: self._ask("delete_object", name, absent=(404,)))

    def names(self, folder: str) -> list[str]:
        """The names of the objects in a folder, in order."""
        found: list[str] = []
        token: dict[str, str] = {}
        prefix = self._key(folder + "/")
        while True:
            arguments = {"Prefix": prefix, "Delimiter": "/", **token}
            page = self._patiently(
                f"{folder} cannot be listed",
                lambda arguments=arguments: self._ask("list_objects_v2", None, **arguments),  # type: ignore[misc]
            )
            found += [item["Key"].removeprefix(prefix) for item in page.get("Contents", ())]
            if not page.get("IsTruncated"):
                return sorted(name for name in found if name)
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def signed_address(self, name: str, *, seconds: int) -> str:
        """An address that reads the object without credentials, for a time. It is a secret."""
        parameters = {"Bucket": self.place.bucket, "Key": self._key(name)}
        address = self.client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)
        return str(address)

    def _put(self, name: str, **arguments: Any) -> bool:
        return self._ask("put_object", name, absent=(412,), **arguments) is not None

    def _key(self, name: str) -> str:
        return f"{self.place.prefix}/{name}" if self.place.prefix else name

    def _patiently(self, what: str, attempt: Callable[[], Result]) -> Result:
        return patiently(what, attempt, patience=self._patience, label=self._label)

    def _ask(
        self, call: str, name: str | None, *, absent: tuple[int, ...] = (), same: tuple[int, ...] = (), **arguments: Any
    ) -> Any:
        """One attempt; None for the statuses `absent`, an empty answer for `same`.

        Raises:
            TransientError: for a fault that may pass.
            ForgeError: for another, or where there is no bucket but one is needed.
        """
        client = self.client
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            ParamValidationError,
            PartialCredentialsError,
        )

        if name is not None:
            arguments["Key"] = self._key(name)
        try:
            return getattr(client, call)(Bucket=self.place.bucket, **arguments)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status in same:
                return {}
            if status in absent:
                return None
            raise self._fault(status, error.response) from None
        except (NoCredentialsError, PartialCredentialsError):
            raise self._no_keys() from None
        except ParamValidationError as error:
            raise ForgeError(self._credentials.redact(" ".join(str(error).split())), where=self._label) from None
        except _TooSlowError as error:
            raise TransientError(str(error)) from None
        except (BotoCoreError, OSError) as error:
            raise TransientError(self._reason(error)) from None

    def _fault(self, status: int, response: Mapping[str, Any]) -> ForgeError | TransientError:
        told = response.get("Error", {})
        code, message = str(told.get("Code", "")), " ".join(str(told.get("Message", "")).split())[:300]
        words = ": ".join(part for part in (code if code != str(status) else "", message) if part) or "no words"
        fault = self._credentials.redact(f"HTTP {status}: {words}")
        # S3 answers 409 when another write to the same object is under way.
        if status in (409, 429) or (status >= 500 and status != 501):
            headers = response["ResponseMetadata"].get("HTTPHeaders", {})
            return TransientError(fault, pause_s=retry_after(headers.get("retry-after")))
        return ForgeError(fault, where=self._label, remedy=_REMEDIES.get(status))

    def _no_keys(self) -> ForgeError:
        return ForgeError(
            "no credentials were found",
            where=self._label,
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name an auth file in RATTLER_AUTH_FILE",
        )

    def _content(self, answer: Mapping[str, Any], limit_s: float) -> bytes:
        blocks: list[bytes] = []
        self._stream(answer, blocks.append, time.monotonic() + limit_s)
        return b"".join(blocks)

    def _stream(self, answer: Mapping[str, Any], take: Callable[[bytes], object], deadline: float) -> None:
        from botocore.exceptions import BotoCoreError

        size = 0
        try:
            for block in answer["Body"].iter_chunks(1 << 20):
                take(block)
                size += len(block)
                if time.monotonic() > deadline:
                    raise TransientError("no whole answer in time")
        except (BotoCoreError, OSError) as error:
            raise TransientError(self._reason(error)) from None
        if size != answer["ContentLength"]:
            raise TransientError(f"the answer ended after {size} of {answer['ContentLength']} bytes")

    def _reason(self, error: Exception) -> str:
        from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

        if isinstance(error, ConnectTimeoutError | ReadTimeoutError):
            return "no answer in time"
        return self._credentials.redact(" ".join(str(error).split())[:300])


class _TooSlowError(Exception):
    """Sending took longer than it may."""


class _Hurried:
    """A file that is sent, and stops being read when its time is over."""

    def __init__(self, stream: BinaryIO, size: int, limit_s: float) -> None:
        self._stream = stream
        self._size = size
        self._limit_s = limit_s
        self._deadline = time.monotonic() + limit_s

    def read(self, amount: int = -1) -> bytes:
        if time.monotonic() > self._deadline:
            raise _TooSlowError(f"not sent within {self._limit_s:.0f} s")
        return self._stream.read(amount)

    def seek(self, place: int, whence: int = 0) -> int:
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def __len__(self) -> int:
        return self._size


def _age(answer: Mapping[str, Any]) -> float:
    """Seconds between the writing of an object and the answer that has it, by the server's clock."""
    from email.utils import parsedate_to_datetime

    try:
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return float((now - answer["LastModified"]).total_seconds())
    except (KeyError, ValueError, TypeError):
        return 0.0

"""Single calls to a server of S3's protocol through boto3, and what their faults mean."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

from wvforge_dagster.channels.credentials import AwsKeys, Credentials
from wvforge_dagster.channels.header_numbers import retry_after
from wvforge_dagster.channels.patience import Patience, TransientError
from wvforge_dagster.core.errors import ForgeError

REMEDIES = {
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


class S3Calls:
    """Faults that may pass are TransientErrors, others ForgeErrors; both with the server's words and without secrets."""

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
        session = self._session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        try:
            return session.client(
                "s3",
                endpoint_url=self.place.endpoint_url,
                region_name=self.place.region or session.region_name or "us-east-1",
                config=Config(
                    # Attempts are made by the caller, with pauses that honour Retry-After.
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    connect_timeout=min(30.0, self._patience.reading_s),
                    read_timeout=self._patience.reading_s,
                    signature_version="s3v4",
                    s3={"addressing_style": "path" if self.place.path_style else "auto"},
                    # Other servers do not know the newer checksums that boto3 adds by itself.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )
        except (BotoCoreError, ValueError) as error:
            raise ForgeError(self._credentials.redact(str(error)), where=self._label) from None

    @cached_property
    def _session(self) -> Any:
        try:
            import boto3
            from botocore.exceptions import BotoCoreError
        except ImportError:
            raise ForgeError(
                "S3 channels need boto3, which is not installed",
                where=self._label,
                remedy="install wvforge-dagster[s3]",
            ) from None
        keys = self._credentials.aws_keys_for(self.place.url)
        try:
            return boto3.session.Session(
                aws_access_key_id=keys.access_key_id if keys else None,
                aws_secret_access_key=keys.secret_access_key if keys else None,
                aws_session_token=keys.session_token if keys else None,
            )
        except (BotoCoreError, ValueError) as error:
            raise ForgeError(self._credentials.redact(str(error)), where=self._label) from None

    def keys(self) -> AwsKeys:
        """The keys in use, whatever they came from.

        Raises:
            ForgeError: if there are none.
        """
        found = self._session.get_credentials()
        if found is None:
            raise self._no_keys()
        frozen = found.get_frozen_credentials()
        return AwsKeys(frozen.access_key, frozen.secret_key, frozen.token)

    def key(self, name: str) -> str:
        """The key of an object that is named relative to the place."""
        return f"{self.place.prefix}/{name}" if self.place.prefix else name

    def ask(
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
            arguments["Key"] = self.key(name)
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
        except TooSlowError as error:
            raise TransientError(str(error)) from None
        except (BotoCoreError, OSError) as error:
            raise TransientError(self._reason(error)) from None
        except ValueError as error:
            # boto3 reads numbers and dates of headers as they come.
            raise TransientError(f"its answer cannot be understood: {self._reason(error)}") from None

    def _fault(self, status: int, response: Mapping[str, Any]) -> ForgeError | TransientError:
        told = response.get("Error", {})
        code, message = (self._credentials.excerpt(str(told.get(name, ""))) for name in ("Code", "Message"))
        words = ": ".join(part for part in (code if code != str(status) else "", message) if part) or "no words"
        fault = f"HTTP {status}: {words}"
        # S3 answers 409 when another write to the same object is under way.
        if status in (409, 429) or (status >= 500 and status != 501):
            headers = response["ResponseMetadata"].get("HTTPHeaders", {})
            return TransientError(fault, pause_s=retry_after(headers.get("retry-after")))
        return ForgeError(fault, where=self._label, remedy=REMEDIES.get(status))

    def _no_keys(self) -> ForgeError:
        return ForgeError(
            "no credentials were found",
            where=self._label,
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name an auth file in RATTLER_AUTH_FILE",
        )

    def content(self, answer: Mapping[str, Any], name: str, most: int, limit_s: float) -> bytes:
        """The body of an answer, whole."""
        blocks: list[bytes] = []
        self.stream(answer, name, blocks.append, most, limit_s)
        return b"".join(blocks)

    def stream(
        self, answer: Mapping[str, Any], name: str, take: Callable[[bytes], object], most: int, limit_s: float
    ) -> None:
        """Hand the body of an answer on in blocks.

        Raises:
            TransientError: if it is not whole after `limit_s` seconds, or breaks off.
            ForgeError: if it has more than `most` bytes.
        """
        from botocore.exceptions import BotoCoreError

        size, deadline = 0, time.monotonic() + limit_s
        try:
            for block in answer["Body"].iter_chunks(1 << 20):
                size += len(block)
                if size > most:
                    raise ForgeError(f"{name} has more than the {most} bytes that it should have", where=self._label)
                take(block)
                if time.monotonic() > deadline:
                    raise TransientError("no whole answer in time")
        except (BotoCoreError, OSError) as error:
            raise TransientError(self._reason(error)) from None
        told = answer.get("ContentLength", size)
        if size != told:
            raise TransientError(f"the answer ended after {size} of {told} bytes")

    def _reason(self, error: Exception) -> str:
        from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

        if isinstance(error, ConnectTimeoutError | ReadTimeoutError):
            return "no answer in time"
        return self._credentials.excerpt(str(error))


class TooSlowError(Exception):
    """Sending took longer than it may."""


class Hurried:
    """A file that is sent, and stops being read when its time is over."""

    def __init__(self, stream: BinaryIO, size: int, limit_s: float) -> None:
        self._stream = stream
        self._size = size
        self._limit_s = limit_s
        self._deadline = time.monotonic() + limit_s

    def read(self, amount: int = -1) -> bytes:
        if time.monotonic() > self._deadline:
            raise TooSlowError(f"not sent within {self._limit_s:.0f} s")
        return self._stream.read(amount)

    def seek(self, place: int, whence: int = 0) -> int:
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def __len__(self) -> int:
        return self._size

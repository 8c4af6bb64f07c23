"""The requests that files are made of, signed, over the connections of `s3_http`.

boto3 takes five times the CPU for the same request. One `ask` is one attempt: an answer, or an exception of
kumofs.errors; asking again is for `s3_retry`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from kumofs.errors import BadStoreCredentials, StoreTokenExpired, StoreUnavailable
from kumofs.store.s3_body import EMPTY, Body
from kumofs.store.s3_client import READ_TIMEOUT_S
from kumofs.store.s3_credentials import REFUSALS, renewed
from kumofs.store.s3_errors import EXPIRED, Answer, error_of, s3_errors, seconds
from kumofs.store.s3_http import Connections, Reply
from kumofs.store.s3_retry import CALL_S, Attempt, retried
from kumofs.store.s3_signing import UNSIGNED, host_of, signed_headers

SAFE = "/-_.~"
BUCKET_SEEN_S = 10.0
"""How long a bucket that answered is taken to be there, where a HEAD says 404 without saying what is missing."""
ERROR_MAX_BYTES = 64 * 1024


class Wire:
    """Connections to one bucket. Thread-safe."""

    def __init__(self, session: Any, client: Any, bucket: str, *, path_style: bool) -> None:
        self._credentials = session.get_credentials()
        self._region = client.meta.region_name
        self._bucket = bucket
        self._seen = -BUCKET_SEEN_S
        self.name = f"s3://{bucket}"
        parts = urlsplit(client.meta.endpoint_url)
        by_path = path_style or "." in bucket
        self.endpoint = f"{parts.scheme}://{parts.netloc}" if by_path else f"{parts.scheme}://{bucket}.{parts.netloc}"
        self._host = host_of(self.endpoint)
        self._top = f"/{bucket}/" if by_path else "/"
        self._tls = parts.scheme == "https"
        self._pool = connections(self.endpoint, session)

    def call(self, method: str, path: str, time_s: float = CALL_S, **how: Any) -> Reply:
        """`ask`, again and again until `time_s` is over: for what may be done twice."""
        return retried(lambda attempt: self.ask(attempt, method, path, **how), time_s)

    def ask(
        self,
        attempt: Attempt,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: Body = EMPTY,
        read_s: float = READ_TIMEOUT_S,
        hashed: bool = False,
    ) -> Reply:
        """One request for the object at `path`, and the whole answer. StoreError of every kind; the body is never short.

        `read_s`: how long the server may be silent. `hashed`: sign the body's hash even where the line is safe. Credentials
        that are refused are looked for again, and where there are others now, the request is sent with those.
        """
        what = f"{path!r} in {self.name}"
        target = f"{self._top}{quote(path, safe=SAFE)}{'?' + query if query else ''}"
        while True:
            used = self._frozen(what)
            reply = self._exchanged(attempt, what, used, method, target, headers or {}, body, read_s, hashed=hashed)
            if reply.status < 300:
                self._seen = time.monotonic()
                return reply
            answer = answer_of(reply)
            if method == "HEAD" and not answer.code and reply.status < 500 and reply.status != 412:
                answer = self._explained(attempt, what, used, target, answer)
            problem = error_of(answer, what)
            if not isinstance(problem, REFUSALS) or not renewed(self._credentials, used):
                raise problem

    def source(self, path: str) -> str:
        """An object as `x-amz-copy-source` names it."""
        return quote(f"{self._bucket}/{path}", safe=SAFE)

    def _explained(self, attempt: Attempt, what: str, used: Any, target: str, answer: Answer) -> Answer:
        """Why a HEAD failed: its answer has no body that says it, so a GET is asked."""
        if answer.status == 404 and answer.genuine and time.monotonic() - self._seen < BUCKET_SEEN_S:
            return replace(answer, code="NoSuchKey")
        reply = self._exchanged(attempt, what, used, "GET", target, {"Range": "bytes=0-0"}, EMPTY, READ_TIMEOUT_S)
        if reply.status < 300 or reply.status == 416:
            raise StoreUnavailable(f"{what}: it came while it was looked for, or the server contradicts itself")
        found = answer_of(reply)
        if found.code == "NoSuchKey":
            self._seen = time.monotonic()
        return found

    def _exchanged(
        self,
        attempt: Attempt,
        what: str,
        used: Any,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body,
        read_s: float,
        *,
        hashed: bool = False,
    ) -> Reply:
        """Any answer of the server to a request signed by `used`. StoreUnavailable."""
        with s3_errors(what):
            payload = body.sha256() if hashed or not self._tls else UNSIGNED
            signed = signed_headers(used, self._region, method, self._host, target, headers, payload)
            if method in ("PUT", "POST"):
                signed["Content-Length"] = str(body.size)
            return self._pool.exchange(method, target, headers=signed, body=body, attempt=attempt, read_s=read_s)

    def _frozen(self, what: str) -> Any:
        """The credentials of this moment."""
        if self._credentials is None:
            raise BadStoreCredentials(f"{what}: no S3 credentials were found: put them into ~/.aws/credentials")
        try:
            with s3_errors(what):
                return self._credentials.get_frozen_credentials()
        except RuntimeError as problem:  # botocore's word for credentials that stay expired after a refresh
            raise StoreTokenExpired(f"{what}: {EXPIRED}") from problem

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def connections(endpoint: str, session: Any) -> Connections:
    """Connections to a server, through the proxy that the environment names for it."""
    parts = urlsplit(endpoint)
    if parts.scheme != "https":
        return Connections(endpoint)
    proxy = None if proxy_bypass(parts.netloc) else getproxies().get("https")
    return Connections(endpoint, session._session.get_config_variable("ca_bundle"), proxy)


def answer_of(reply: Reply) -> Answer:
    """What a failed request was answered."""
    headers, text = reply.headers, bytes(reply.body[:ERROR_MAX_BYTES]).decode(errors="replace")
    return Answer(
        status=reply.status,
        code=headers.get("x-minio-error-code") or element(text, "Code"),
        message=element(text, "Message"),
        region=headers.get("x-amz-bucket-region") or element(text, "Region"),
        retry_after_s=seconds(headers.get("Retry-After", "")),
        genuine="x-amz-request-id" in headers,
    )


def element(text: str, name: str) -> str:
    """The text of the first XML element of a name; '' for none."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return unescape(found[1]) if found else ""


def check_success(reply: Reply, what: str) -> str:
    """The XML of an answer that begins with 200 before its outcome is known. StoreError where that is a failure."""
    text = bytes(reply.body).decode(errors="replace")
    code = element(text, "Code")
    if code or not text.strip():
        raise error_of(Answer(500 if code in ("", "InternalError", "SlowDown") else 400, code, element(text, "Message")), what)
    return text

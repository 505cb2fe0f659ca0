"""The one schema of what bot and server say to each other: JSON over HTTPS, version 2; version 1 is still read.

The server answers in the version that it was asked in, so servers are updated first. Unknown fields are ignored, so
that a field may be added without a new version; a version changes what fields mean.

Every request is signed by the bot's own Ed25519 key (RFC 8032) over method, path, body, time, a nonce and the machine.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import BaseModel, ConfigDict, Field, ValidationError

VERSION, OLDEST = 2, 1
ROLLS_BACK = 2
"""From this version on a bot can be asked to roll back."""
PREFIX = "/api/bot"
SCHEME = "ChanceryBot"
SKEW = 300
"""Seconds that a bot's clock may differ from the server's."""
MOST_RECORDS = 200
MOST_BYTES = 1_000_000
Json = dict[str, Any]
Short = Annotated[str, Field(max_length=200)]
Hex = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Settings = dict[Annotated[str, Field(max_length=60)], str | int | bool]


class WireError(Exception):
    """A message that cannot be read; the text says why and quotes nothing of it."""


class Message(BaseModel):
    """Base of every message; `v` is the version it is written in."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    v: int = VERSION


class Host(BaseModel):
    """The host as it describes itself. `machine` is a digest that stays the same as long as the machine does."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    hostname: Short
    os: Short = ""
    machine: Hex
    bot_version: Short = ""
    kinds: list[Short] = Field(default=[], max_length=50)
    later: list[Short] = Field(default=[], max_length=200)
    """Which settings of targets it knows that came after the first version of the bot; the others are not sent to it."""


class Found(BaseModel):
    """A service on the host that could become a target: what its settings would be."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: Short
    title: Short
    settings: Settings = {}
    names: list[Short] = Field(default=[], max_length=100)


class Enrol(Message):
    """A one-time token, and the public key (Ed25519, 32 bytes as base64) that counts from then on."""

    token: Short
    public_key: Short
    host: Host


class Enrolled(Message):
    """Who the bot is from now on."""

    bot: UUID
    name: str
    poll_seconds: float


class Poll(Message):
    """A sign of life, and the question what there is to do. `found` is None where nothing was scanned anew."""

    host: Host
    found: list[Found] | None = Field(default=None, max_length=200)


class TargetSpec(BaseModel):
    """A target as the server has it; the settings are those of its kind."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: UUID
    kind: Short
    name: str
    settings: Settings = {}


class Task(BaseModel):
    """Something to do. `request`: make a key and ask; `deploy`: fetch and deploy with the key of `key`; `rollback`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: Literal["request", "deploy", "rollback"]
    deployment: UUID
    target: TargetSpec
    names: list[Short] = []
    key_type: Short = "EC-P256"
    key: UUID | None = None


class Work(Message):
    """What there is to do. `recorded` is the number of the last record that the server has."""

    standing: Literal["active", "stopped"] = "active"
    poll_seconds: float = 30
    recorded: int = 0
    tasks: list[Task] = []


class Ask(Message):
    """A certificate request (PEM) for a deployment."""

    deployment: UUID
    csr: str = Field(max_length=65_536)


class Asked(Message):
    """What became of it: an order, or a refusal in a sentence."""

    state: Literal["ordered", "refused"]
    order: UUID | None = None
    text: str = ""


class Fetch(Message):
    """The question for a deployment's certificate."""

    deployment: UUID


class Issued(Message):
    """The certificate and its chain as PEM, leaf first; empty while there is none."""

    deployment: UUID
    chain_pem: str = ""


class Record(BaseModel):
    """A line of the bot's log, a step of a deployment, or its outcome. Numbers grow by one for each bot."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    number: int = Field(ge=1, lt=2**62)
    at: datetime
    kind: Literal["log", "step", "outcome"] = "log"
    level: Literal["info", "warning", "error"] = "info"
    text: str = Field(default="", max_length=2000)
    deployment: UUID | None = None
    step: Short = ""
    outcome: Literal["", "deployed", "rolled_back", "failed"] = ""
    served: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""


class Report(Message):
    """Records, oldest first."""

    records: list[Record] = Field(max_length=MOST_RECORDS)


class Recorded(Message):
    """Up to which number the server has them; the bot forgets those."""

    recorded: int


M = TypeVar("M", bound=Message)


def _hosted(raw: Json) -> Json:
    """Version 1 had the host's facts beside the others."""
    host = {n: raw[n] for n in ("hostname", "os", "machine", "bot_version", "kinds") if n in raw}
    return {**raw, "host": host}


def _kinds(raw: Json) -> Json:
    """Version 1 said nowhere what a record is."""
    return {**raw, "records": [{**r, "kind": _kind(r)} for r in raw.get("records", [])]}


def _kind(record: Json) -> str:
    return "outcome" if record.get("outcome") else "step" if record.get("step") else "log"


def _without_rollback(raw: Json) -> Json:
    """Version 1 knew no rollback on request."""
    return {**raw, "tasks": [t for t in raw["tasks"] if t["kind"] != "rollback"]}


_UP: dict[tuple[str, int], Callable[[Json], Json]] = {
    ("Enrol", 1): _hosted,
    ("Poll", 1): _hosted,
    ("Report", 1): _kinds,
}
_DOWN: dict[tuple[str, int], Callable[[Json], Json]] = {("Work", 1): _without_rollback}


def read(model: type[M], raw: bytes) -> tuple[M, int]:
    """Return a message and the version it was written in; raises `WireError`."""
    if len(raw) > MOST_BYTES:
        raise WireError(f"It has more than {MOST_BYTES} bytes.")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise WireError("It is no JSON.") from None
    version = found.get("v") if isinstance(found, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or not OLDEST <= version <= VERSION:
        raise WireError(f"It is written in a version of the protocol that is not one of {OLDEST} to {VERSION}.")
    try:
        return model.model_validate(_UP.get((model.__name__, version), dict)(found)), version
    except (ValidationError, TypeError, AttributeError) as error:
        raise WireError(_where(error)) from None


def _where(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "A list or an object is missing."
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))[:100]}: {first['msg']}."


def write(message: Message, version: int = VERSION) -> bytes:
    """Return a message as bytes, in a version that its reader knows."""
    made = {**message.model_dump(mode="json"), "v": version}
    made = _DOWN.get((type(message).__name__, version), dict)(made)
    return json.dumps(made, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Signed:
    """What the Authorization header says. `bot` is empty at enrolment, where the body brings the key."""

    bot: str
    machine: str
    time: int
    nonce: str
    signature: bytes


_PART = re.compile(r'([a-z]+)="([^"\\]{0,200})"')
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public half of a key as the wire has it."""
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def public_key(text: str) -> Ed25519PublicKey:
    """Return a public key from the wire; raises `WireError`."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        raise WireError("public_key: this is no Ed25519 key.") from None


def authorization(key: Ed25519PrivateKey, method: str, path: str, body: bytes, signed: Signed) -> str:
    """Return the Authorization header of a request; `signed.signature` is not looked at."""
    made = base64.b64encode(key.sign(_signed(method, path, body, signed))).decode()
    parts = {"bot": signed.bot, "machine": signed.machine, "time": signed.time, "nonce": signed.nonce}
    return f"{SCHEME} " + ", ".join(f'{n}="{v}"' for n, v in {**parts, "signature": made}.items())


def parse_authorization(header: str) -> Signed:
    """Return what a header says; raises `WireError`."""
    scheme, _, rest = header.partition(" ")
    parts = dict(_PART.findall(rest))
    try:
        if scheme != SCHEME or not _NONCE.fullmatch(parts["nonce"]) or not re.fullmatch("[0-9]{1,12}", parts["time"]):
            raise WireError("The Authorization header is not one of this protocol.")
        signature = base64.b64decode(parts["signature"], validate=True)
        return Signed(parts["bot"], parts["machine"], int(parts["time"]), parts["nonce"], signature)
    except (KeyError, binascii.Error):
        raise WireError("The Authorization header is not one of this protocol.") from None


def verify(key: Ed25519PublicKey, method: str, path: str, body: bytes, signed: Signed) -> bool:
    """Say whether the holder of a key signed exactly this request."""
    try:
        key.verify(signed.signature, _signed(method, path, body, signed))
    except InvalidSignature:
        return False
    return True


def _signed(method: str, path: str, body: bytes, signed: Signed) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    parts = ("chancery-bot", method, path, digest, signed.bot, signed.machine, str(signed.time), signed.nonce)
    return "\n".join(parts).encode()

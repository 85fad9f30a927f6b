"""Section "The slot": the Sigstore bundle with the preparer's signature, and the statement in it."""

import base64
import binascii
import hashlib
import re
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import canonical_json
from records import both, digest, listed, matching, number, one_of, record, text, time
from refusal import Damaged, Untrusted, require

SLOT_SIZE = 16_384
LARGEST_INVENTORY = 67_108_864

PAYLOAD_TYPE = b"application/vnd.in-toto+json"
BASE64 = rb"([A-Za-z0-9+/]*={0,2})"
BUNDLE = re.compile(
    rb'\{"dsseEnvelope":\{"payload":"' + BASE64 + rb'","payloadType":"' + re.escape(PAYLOAD_TYPE)
    + rb'","signatures":\[\{"sig":"' + BASE64 + rb'"\}\]\},'
    + rb'"mediaType":"application/vnd\.dev\.sigstore\.bundle\.v0\.3\+json",'
    + rb'"verificationMaterial":\{"publicKey":\{"hint":"' + BASE64 + rb'"\}\}\}'
)

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# SubjectPublicKeyInfo of a point on P-256 that is not compressed, up to its 64 bytes of coordinates.
P256_KEY = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")

PEM = re.compile(r"\s*-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*")

APPROVERS = ("security-officer", "sovereign-admin")
APPROVERS_KEYS = {
    "change": text,
    "policyDigest": digest,
    "trustDigest": digest,
    "verdict": one_of("approved", "rejected"),
}
# How far a signer's clock may be ahead.
CLOCK_SKEW = timedelta(minutes=5)


def said_by_its_role(predicate, what):
    """A verdict, and what it was reached by, is an approver's."""
    for key in APPROVERS_KEYS.keys() & predicate.keys():
        require(predicate["role"] in APPROVERS,
                f"{what}: found {key} as {predicate['role']}, wanted it from approvers only")
    return predicate


STATEMENT = record({
    "_type": one_of("https://in-toto.io/Statement/v1"),
    "predicate": both(
        record(
            {
                "inventorySize": number(1, LARGEST_INVENTORY),
                "role": one_of("preparer", *APPROVERS, "recovery"),
                "signedAt": time,
            },
            APPROVERS_KEYS,
        ),
        said_by_its_role,
    ),
    "predicateType": one_of("https://airgap.openova.io/archive/v1"),
    "subject": listed(record({
        "digest": record({"sha256": matching(re.compile("[0-9a-f]{64}"), "64 hexadecimal digits")}),
        "name": one_of("airgap/inventory.json"),
    })),
})


@dataclass(frozen=True)
class Bundle:
    """What the slot holds, decoded."""

    payload: bytes
    signature: bytes
    hint: bytes


@dataclass(frozen=True)
class Statement:
    """What was signed."""

    inventory_digest: str
    inventory_size: int
    predicate: dict


class Key:
    """A trusted public key."""

    def __init__(self, pem: str):
        match = PEM.fullmatch(pem)
        if match is None:
            raise ValueError("found no public key, wanted one in PEM")
        self.der = base64.b64decode("".join(match[1].split()), validate=True)
        if not self.der.startswith(P256_KEY) or len(self.der) != len(P256_KEY) + 64:
            raise ValueError("found another kind of key, wanted a P-256 key that is not compressed")

    def hint(self) -> bytes:
        return hashlib.sha256(self.der).digest()


def read(slot: bytes) -> Bundle:
    """Step 1: matches the form, decodes, encodes again, compares."""
    match = BUNDLE.fullmatch(slot.rstrip(b" "))
    if match is None or len(slot) != SLOT_SIZE:
        raise Damaged("the slot: found another form than that of a bundle and spaces")
    payload, signature, hint = (decode(text) for text in match.groups())
    require(len(hint) == 32, f"the slot's hint: found {len(hint)} bytes, wanted 32")
    return Bundle(payload, signature, hint)


def decode(text: bytes) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Damaged(f"the slot: found {error}, wanted base64") from error
    require(base64.b64encode(data) == text, "the slot: found base64 in another than the canonical form")
    return data


def check_key(bundle: Bundle, key: Key) -> None:
    """Step 2."""
    if bundle.hint != key.hint():
        raise Untrusted(f"found a signature by key {bundle.hint.hex()}, wanted {key.hint().hex()}")


def check_signature(bundle: Bundle, key: Key) -> None:
    """Step 3: the signature's spelling here, its mathematics by OpenSSL."""
    check_spelling(bundle.signature)
    require(openssl_verifies(key.der, authenticated(bundle.payload), bundle.signature),
            "the slot: found a signature that does not verify")


def authenticated(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE, len(payload), payload)


def check_spelling(signature: bytes) -> None:
    """Refuses a signature that is not the one canonical DER of (r, s) with low s."""
    r, rest = der_integer(signature[2:])
    s, rest = der_integer(rest)
    require(rest == b"" and signature[:2] == bytes([0x30, len(signature) - 2]),
            "the slot's signature: found other DER than a sequence of two integers")
    require(1 <= r < P256_ORDER, "the slot's signature: found r outside of the group's order")
    require(1 <= s <= P256_ORDER // 2, "the slot's signature: found s above half of the group's order")


def der_integer(data: bytes) -> tuple[int, bytes]:
    """A positive integer in its shortest form, of at most 33 bytes, and what stands behind it."""
    length = data[1] if len(data) > 2 and data[0] == 0x02 else 0
    value, rest = data[2:2 + length], data[2 + length:]
    shortest = len(value) == 1 or len(value) > 1 and (value[0] != 0 or value[1] >= 0x80)
    require(1 <= length <= 33 and len(value) == length and value[0] < 0x80 and shortest,
            "the slot's signature: found no positive integer in its shortest DER")
    return int.from_bytes(value, "big"), rest


def openssl_verifies(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this is an ECDSA signature with SHA-256 over the message. The key is in DER."""
    with tempfile.TemporaryDirectory() as folder:
        files = {"key": key, "message": message, "signature": signature}
        paths = {name: Path(folder, name) for name in files}
        for name, data in files.items():
            paths[name].write_bytes(data)
        command = ["openssl", "dgst", "-sha256", "-keyform", "DER", "-verify", paths["key"],
                   "-signature", paths["signature"], paths["message"]]
        ended = subprocess.run(command, capture_output=True, check=False)
        return ended.returncode == 0 and ended.stdout == b"Verified OK\n"


def read_statement(payload: bytes) -> Statement:
    """Step 4."""
    statement = STATEMENT(canonical_json.parse(payload, "the payload"), "the payload")
    subjects = statement["subject"]
    require(len(subjects) == 1, f"the payload: found {len(subjects)} subjects, wanted 1")
    predicate = statement["predicate"]
    return Statement(subjects[0]["digest"]["sha256"], predicate["inventorySize"], predicate)


def check_signer(statement: Statement, inventory: dict, role: str, now: datetime) -> None:
    """Step 9. `role` is what the key is trusted for, `now` the time in UTC."""
    signed_as, signed_at = statement.predicate["role"], statement.predicate["signedAt"]
    if "annexOf" not in inventory and signed_as != "preparer":
        raise Untrusted(f"found an archive signed as {signed_as}, wanted preparer")
    if signed_as != role:
        raise Untrusted(f"found it signed as {signed_as} by a key that is trusted as {role}")
    if signed_at < inventory["created"]:
        raise Untrusted(f"found it signed at {signed_at}, wanted {inventory['created']} or later, when it was created")
    latest = now + CLOCK_SKEW
    if datetime.strptime(signed_at, "%Y-%m-%dT%H:%M:%SZ") > latest:
        raise Untrusted(f"found it signed at {signed_at}, wanted {latest:%Y-%m-%dT%H:%M:%SZ} at the latest")

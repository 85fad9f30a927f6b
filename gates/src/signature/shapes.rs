//! The shapes of what the library for Sigstore reads, as far as it does: it takes a list of values for an object, and
//! passes over a key in another case.

use manifests::shape::{Part, Shape};

/// A Sigstore bundle.
pub(super) static BUNDLE: Shape = Shape {
    keys: &["dsseEnvelope", "mediaType", "messageSignature", "verificationMaterial"],
    below: &[
        ("dsseEnvelope", Part::One(&ENVELOPE)),
        (
            "messageSignature",
            Part::One(&Shape {
                keys: &["messageDigest", "signature"],
                below: &[("messageDigest", Part::One(&leaf(&["algorithm", "digest"])))],
            }),
        ),
        ("verificationMaterial", Part::One(&MATERIAL)),
    ],
};

/// A DSSE envelope, in a bundle or by itself.
pub(super) static ENVELOPE: Shape = Shape {
    keys: &["payload", "payloadType", "signatures"],
    below: &[("signatures", Part::Many(&leaf(&["keyid", "sig"])))],
};

static MATERIAL: Shape = Shape {
    keys: &["certificate", "publicKey", "timestampVerificationData", "tlogEntries", "x509CertificateChain"],
    below: &[
        ("certificate", Part::One(&RAW)),
        ("publicKey", Part::One(&leaf(&["hint"]))),
        (
            "timestampVerificationData",
            Part::One(&Shape {
                keys: &["rfc3161Timestamps"],
                below: &[("rfc3161Timestamps", Part::Many(&leaf(&["signedTimestamp"])))],
            }),
        ),
        ("tlogEntries", Part::Many(&LOG_ENTRY)),
        ("x509CertificateChain", Part::One(&CHAIN)),
    ],
};

static LOG_ENTRY: Shape = Shape {
    keys: &[
        "canonicalizedBody",
        "inclusionPromise",
        "inclusionProof",
        "integratedTime",
        "kindVersion",
        "logId",
        "logIndex",
    ],
    below: &[
        ("inclusionPromise", Part::One(&leaf(&["signedEntryTimestamp"]))),
        (
            "inclusionProof",
            Part::One(&Shape {
                keys: &["checkpoint", "hashes", "logIndex", "rootHash", "treeSize"],
                below: &[("checkpoint", Part::One(&leaf(&["envelope"])))],
            }),
        ),
        ("kindVersion", Part::One(&leaf(&["kind", "version"]))),
        ("logId", Part::One(&LOG_ID)),
    ],
};

/// The body of a log entry, of every kind and version that the library reads: no key means two things at one place.
pub(super) static LOG_BODY: Shape =
    Shape { keys: &["apiVersion", "kind", "spec"], below: &[("spec", Part::One(&LOG_SPEC))] };

static LOG_SPEC: Shape = Shape {
    keys: &["content", "data", "envelopeHash", "hashedRekordV002", "payloadHash", "signature", "signatures"],
    below: &[
        (
            "content",
            Part::One(&Shape {
                keys: &["envelope", "hash", "payloadHash"],
                below: &[
                    (
                        "envelope",
                        Part::One(&Shape {
                            keys: &["payloadType", "signatures"],
                            below: &[("signatures", Part::Many(&leaf(&["keyid", "publicKey", "sig"])))],
                        }),
                    ),
                    ("hash", Part::One(&HASH)),
                    ("payloadHash", Part::One(&HASH)),
                ],
            }),
        ),
        ("data", Part::One(&Shape { keys: &["hash"], below: &[("hash", Part::One(&HASH))] })),
        ("envelopeHash", Part::One(&HASH)),
        (
            "hashedRekordV002",
            Part::One(&Shape {
                keys: &["data", "signature"],
                below: &[
                    ("data", Part::One(&leaf(&["algorithm", "digest"]))),
                    ("signature", Part::One(&LOG_SIGNATURE)),
                ],
            }),
        ),
        ("payloadHash", Part::One(&HASH)),
        ("signature", Part::One(&LOG_SIGNATURE)),
        ("signatures", Part::Many(&leaf(&["signature", "verifier"]))),
    ],
};

/// The signature of a `hashedrekord`, of both versions.
static LOG_SIGNATURE: Shape = Shape {
    keys: &["content", "publicKey", "verifier"],
    below: &[
        ("publicKey", Part::One(&leaf(&["content"]))),
        (
            "verifier",
            Part::One(&Shape {
                keys: &["keyDetails", "publicKey", "x509Certificate"],
                below: &[("publicKey", Part::One(&RAW)), ("x509Certificate", Part::One(&RAW))],
            }),
        ),
    ],
};

/// A trusted root.
pub(super) static TRUSTED_ROOT: Shape = Shape {
    keys: &["certificateAuthorities", "ctlogs", "mediaType", "timestampAuthorities", "tlogs"],
    below: &[
        ("certificateAuthorities", Part::Many(&AUTHORITY)),
        ("ctlogs", Part::Many(&LOG)),
        ("timestampAuthorities", Part::Many(&AUTHORITY)),
        ("tlogs", Part::Many(&LOG)),
    ],
};

static LOG: Shape = Shape {
    keys: &["baseUrl", "hashAlgorithm", "logId", "publicKey"],
    below: &[
        ("logId", Part::One(&LOG_ID)),
        (
            "publicKey",
            Part::One(&Shape {
                keys: &["keyDetails", "rawBytes", "validFor"],
                below: &[("validFor", Part::One(&PERIOD))],
            }),
        ),
    ],
};

static AUTHORITY: Shape = Shape {
    keys: &["certChain", "subject", "uri", "validFor"],
    below: &[
        ("certChain", Part::One(&CHAIN)),
        ("subject", Part::One(&leaf(&["commonName", "organization"]))),
        ("validFor", Part::One(&PERIOD)),
    ],
};

static CHAIN: Shape = Shape { keys: &["certificates"], below: &[("certificates", Part::Many(&RAW))] };
static HASH: Shape = leaf(&["algorithm", "value"]);
static LOG_ID: Shape = leaf(&["keyId"]);
static PERIOD: Shape = leaf(&["end", "start"]);
static RAW: Shape = leaf(&["rawBytes"]);

/// An object in which nothing that is read is an object.
const fn leaf(keys: &'static [&'static str]) -> Shape {
    Shape { keys, below: &[] }
}

//! Every limit of the format, each with its reason. A reader enforces them before it allocates.

/// Largest inventory, in bytes. 250,000 blobs at some 100 bytes each are 25 MB; the rest is for items,
/// evidence and their annotations.
pub const INVENTORY_BYTES: u64 = 64 * 1024 * 1024;

/// Most blobs in one archive, metadata and content together. A set of 20,000 images has fewer.
pub const BLOBS: usize = 250_000;

/// Exclusive upper bound of every size and of every sum of sizes: integers beyond 2^53 are not exact in
/// other JSON implementations, and a second reader must see the same number.
pub const SIZE: u64 = 1 << 53;

/// Largest manifest or index, in bytes: the limit that distribution and Harbor have.
pub const MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// Largest single evidence blob, in bytes. A larger one is listed as skipped when the lock is made.
pub const EVIDENCE_BYTES: u64 = 32 * 1024 * 1024;

/// Most evidence manifests of one subject. Beyond it somebody is filling a registry, not signing.
pub const EVIDENCE_PER_SUBJECT: usize = 1_000;

/// Most evidence manifests of one item: of its index, some dozens of platforms, and evidence on evidence.
pub const EVIDENCE_PER_ITEM: usize = 10_000;

/// Most bytes of signatures and attestations of one subject that are judged, together. A subject has some; eight of
/// the largest are more than any release has, and fit into memory.
pub const EVIDENCE_JUDGED_BYTES: u64 = 8 * EVIDENCE_BYTES;

/// How deep evidence may stand on evidence (a signature on an SBOM of an image is 2).
pub const EVIDENCE_DEPTH: usize = 4;

/// How deep an index may hold indexes. Build tools write 2.
pub const INDEX_DEPTH: usize = 4;

/// Deepest nesting of JSON that is read. Our deepest document has 8 levels; Trivy reports have 12.
pub const JSON_DEPTH: usize = 64;

/// The signature's place at the start of an archive, in bytes. A P-256 bundle needs some 900.
pub const SLOT_BYTES: u64 = 16_384;

/// Largest document that people write (definition, policy, trust, destinations), in bytes.
pub const DOCUMENT_BYTES: u64 = 4 * 1024 * 1024;

/// Longest name of an item, in bytes: a registry host (253), a repository (255) and a tag (128) fit.
pub const NAME_BYTES: usize = 768;

/// Longest tag of an image, by the OCI distribution specification.
pub const TAG_BYTES: usize = 128;

/// Most findings in one report on an image. A distribution's full desktop has some 10,000.
pub const FINDINGS: usize = 100_000;

/// Most bytes that one zstd blob is unpacked to for a malware scanner. The scanner keeps a copy on its disk, and
/// ClamAV looks at no file beyond 2 GiB.
pub const UNPACKED_BYTES: u64 = 16 << 30;

/// Most reasons in the receipt of a refusal. Twenty items of fifty reasons each are a day's work to read.
pub const REFUSAL_REASONS: usize = 1_000;

/// Longest reason in the receipt of a refusal, in bytes. It may quote what nobody verified, and must not fill the disk.
pub const REFUSAL_REASON_BYTES: usize = 500;

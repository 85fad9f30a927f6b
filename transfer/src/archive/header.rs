//! The one tar header that a member can have (POSIX.1-1988 ustar; base-256 for sizes from 8 GiB).

/// The size of a tar block; headers are one, contents are padded to whole ones.
pub(crate) const BLOCK: u64 = 512;

/// The largest size that eleven octal digits hold, plus one.
const OCTAL_LIMIT: u64 = 1 << 33;

/// 1980-01-01T00:00:00Z, for every member: the same on every machine, and late enough that GNU tar does not
/// warn of an implausible time and that ZIP can express it.
const MODIFIED: &str = "02263523000";

/// The header of a regular file.
///
/// Paths of an archive have at most 100 ASCII bytes, so neither the prefix field nor an extension is needed.
pub(crate) fn header(path: &str, size: u64) -> [u8; BLOCK as usize] {
    debug_assert!(path.len() <= 100);
    let mut header = [0; BLOCK as usize];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, path.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if size < OCTAL_LIMIT {
        put(124, format!("{size:011o}\0").as_bytes());
    } else {
        put(124, &[0x80, 0, 0, 0]);
        put(128, &size.to_be_bytes());
    }
    put(136, MODIFIED.as_bytes());
    put(148, b"        0");
    put(257, b"ustar\x0000");
    put(329, b"0000000\0");
    put(337, b"0000000\0");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// The size with its padding.
pub(crate) const fn padded(size: u64) -> u64 {
    size.next_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_what_stock_tar_reads() {
        for size in [0, 1, 511, OCTAL_LIMIT - 1, OCTAL_LIMIT, 1 << 52] {
            let bytes = header("blobs/sha256/00", size);
            let read = tar::Header::from_byte_slice(&bytes);
            assert_eq!(read.entry_size().unwrap(), size);
            assert_eq!(read.path_bytes().as_ref(), b"blobs/sha256/00");
            assert_eq!(read.mtime().unwrap(), 315_532_800, "1980-01-01");
            assert_eq!(read.mode().unwrap(), 0o644);
            assert!(read.entry_type().is_file() && read.as_ustar().is_some());
            let mut again = read.clone();
            again.set_cksum();
            assert_eq!(again.cksum().unwrap(), read.cksum().unwrap());
        }
    }

    #[test]
    fn base_256_starts_where_octal_ends() {
        assert_eq!(header("a", OCTAL_LIMIT - 1)[124], b'7');
        assert_eq!(header("a", OCTAL_LIMIT)[124], 0x80);
    }
}

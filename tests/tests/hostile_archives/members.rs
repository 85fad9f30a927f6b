//! The members of an archive as tar has them, to be put together otherwise.

use std::ops::Range;

/// A tar block, in bytes.
pub(crate) const BLOCK: usize = 512;

/// The zero bytes at the end of an archive.
pub(crate) const END: usize = 2 * BLOCK;

/// An archive and where its members stand.
pub(crate) struct Archive {
    pub(crate) bytes: Vec<u8>,
    pub(crate) members: Vec<Member>,
}

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) path: String,
    /// Where its header stands.
    pub(crate) header: Range<usize>,
    /// Where its content stands, without padding.
    pub(crate) content: Range<usize>,
}

impl Member {
    /// Header, content and padding.
    pub(crate) const fn whole(&self) -> Range<usize> {
        self.header.start..self.content.end.next_multiple_of(BLOCK)
    }
}

impl Archive {
    pub(crate) fn read(bytes: Vec<u8>) -> Self {
        let (mut members, mut at) = (Vec::new(), 0);
        while at < bytes.len() - END {
            let header = &bytes[at..at + BLOCK];
            let path =
                String::from_utf8(header[..100].iter().copied().take_while(|byte| *byte != 0).collect());
            let size = usize::from_str_radix(std::str::from_utf8(&header[124..135]).unwrap(), 8).unwrap();
            let content = at + BLOCK..at + BLOCK + size;
            members.push(Member { path: path.unwrap(), header: at..at + BLOCK, content });
            at += BLOCK + size.next_multiple_of(BLOCK);
        }
        Self { bytes, members }
    }

    /// The position of the first blob among the members.
    pub(crate) fn first_blob(&self) -> usize {
        self.members.iter().position(|member| member.path.starts_with("blobs/")).unwrap()
    }

    pub(crate) fn member(&self, path: &str) -> &Member {
        self.members.iter().find(|member| member.path == path).unwrap()
    }

    /// The bytes of a member, with its header and padding.
    pub(crate) fn whole(&self, at: usize) -> Vec<u8> {
        self.bytes[self.members[at].whole()].to_vec()
    }

    /// The archive with other bytes in the place of these.
    pub(crate) fn with(&self, place: Range<usize>, bytes: &[u8]) -> Vec<u8> {
        [&self.bytes[..place.start], bytes, &self.bytes[place.end..]].concat()
    }

    /// The archive with a member's header changed, its checksum made right again.
    pub(crate) fn with_header(&self, at: usize, offset: usize, bytes: &[u8]) -> Vec<u8> {
        let place = self.members[at].header.clone();
        let mut header = self.bytes[place.clone()].to_vec();
        header[offset..offset + bytes.len()].copy_from_slice(bytes);
        seal(&mut header);
        self.with(place, &header)
    }
}

/// A member as these archives have them, but of any type and path.
pub(crate) fn made(path: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut header = vec![0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, path);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "02263523000\0");
    put(257, "ustar\x0000");
    put(329, "0000000\0");
    put(337, "0000000\0");
    header[156] = kind;
    seal(&mut header);
    let mut member = [&header, content].concat();
    member.resize(member.len().next_multiple_of(BLOCK), 0);
    member
}

fn seal(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

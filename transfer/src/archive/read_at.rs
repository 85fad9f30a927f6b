//! Reading at an offset: a file, bytes in memory, later parts and objects.

use std::io;

/// Something that can be read at any offset, by several threads at once.
pub trait ReadAt: Send + Sync {
    /// Fills `buffer` with what stands at `offset`.
    ///
    /// # Errors
    /// When the medium fails, or ends before the buffer is full (`UnexpectedEof`).
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// The size in bytes.
    ///
    /// # Errors
    /// When the medium fails.
    fn size(&self) -> io::Result<u64>;
}

impl ReadAt for std::fs::File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        // The size of a block device is where it ends; its metadata say 0.
        use std::io::{Seek as _, SeekFrom};
        let mut handle = self;
        handle.seek(SeekFrom::End(0))
    }
}

impl ReadAt for [u8] {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = start.checked_add(buffer.len()).and_then(|end| self.get(start..end));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

impl ReadAt for Vec<u8> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.as_slice().read_exact_at(buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.as_slice().size()
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_exact_at(buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }
}

impl<T: ReadAt + ?Sized> ReadAt for std::sync::Arc<T> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_exact_at(buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }
}

/// A part of something that can be read: one blob of an archive.
#[derive(Debug, Clone, Copy)]
pub struct Window<R> {
    inner: R,
    offset: u64,
    size: u64,
}

impl<R: ReadAt> Window<R> {
    /// The part of `inner` that begins at `offset`.
    pub const fn new(inner: R, offset: u64, size: u64) -> Self {
        Self { inner, offset, size }
    }
}

impl<R: ReadAt> ReadAt for Window<R> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.inner.read_exact_at(buffer, self.offset + offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }
}

/// What can be read at any offset, read from its start.
#[derive(Debug, Clone, Copy)]
pub struct Reader<R> {
    inner: R,
    offset: u64,
}

impl<R: ReadAt> Reader<R> {
    /// A reader at its start.
    pub const fn new(inner: R) -> Self {
        Self { inner, offset: 0 }
    }
}

impl<R: ReadAt> io::Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.inner.size()?.saturating_sub(self.offset);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        self.inner.read_exact_at(&mut buffer[..count], self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn a_reader_gives_a_window_from_its_start_to_its_end() {
        let bytes: Vec<u8> = (0..=99).collect();
        let mut read = Vec::new();
        Reader::new(Window::new(&bytes, 10, 70)).read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes[10..80]);
    }
}

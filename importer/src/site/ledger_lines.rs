//! Reading the lines of a ledger as the chain that they are.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};

use manifests::{Digest, json};

use super::ledger::{Event, LedgerError, Line};

/// Longest line. A repository has at most 255 bytes, a tag 128; nothing else in it is long.
const LINE_BYTES: u64 = 64 * 1024;

/// How a ledger ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// With the newline of its last line.
    Whole,
    /// With a part of a line, from this offset on: a write that a crash cut off and that nobody relied on.
    Torn {
        /// Where the part begins.
        start: u64,
    },
    /// With a line that is whole but for its newline.
    NoNewline,
}

/// Hands every line with its digest to `each`, once its place in the chain is checked.
///
/// # Errors
/// When a line is not canonical, not the next of the chain, or `each` fails.
pub(crate) fn read(
    mut file: &File,
    mut each: impl FnMut(Line, Digest) -> Result<(), LedgerError>,
) -> Result<Tail, LedgerError> {
    file.rewind()?;
    let mut reader = BufReader::new(file);
    let (mut number, mut previous, mut offset) = (1, None, 0);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let length = reader.by_ref().take(LINE_BYTES).read_until(b'\n', &mut bytes)? as u64;
        if length == 0 {
            return Ok(Tail::Whole);
        }
        let is_ended = bytes.pop_if(|byte| *byte == b'\n').is_some();
        let line = match link(&bytes, number, previous) {
            Ok(line) => line,
            // Only the last line can lack its newline.
            Err(_) if !is_ended && length < LINE_BYTES => return Ok(Tail::Torn { start: offset }),
            Err(reason) => return Err(LedgerError::Broken { number, reason }),
        };
        let digest = Digest::of(&bytes);
        each(line, digest)?;
        if !is_ended {
            return Ok(Tail::NoNewline);
        }
        (number, previous, offset) = (number + 1, Some(digest), offset + length);
    }
}

/// A line that has its place in the chain.
fn link(bytes: &[u8], number: u64, previous: Option<Digest>) -> Result<Line, String> {
    let line: Line = json::parse_canonical(bytes).map_err(|error| error.to_string())?;
    if line.number != number {
        return Err(format!("found the number {}, wanted {number}", line.number));
    }
    if line.previous != previous {
        return Err("found another line before it than the one that it names".to_owned());
    }
    if (line.event == Event::Genesis) != (number == 1) {
        return Err("found no genesis at the beginning, or one later".to_owned());
    }
    Ok(line)
}

//! Bytes that changed, that are missing, or that are too many.

use super::{DAMAGED, Gate, REFUSED};
use crate::members::{BLOCK, END};

/// Where in a header a byte is changed: path, its end, mode, owner, size, time, checksum, type, link, version,
/// device, prefix, and the end.
const OF_HEADERS: [usize; 13] = [3, 98, 103, 110, 130, 140, 150, 156, 157, 262, 332, 345, 511];

#[test]
fn a_changed_byte_is_found_wherever_it_is() {
    let gate = Gate::new();
    let archive = gate.archive();
    let mut places: Vec<(usize, String)> = Vec::new();
    for member in &archive.members {
        for offset in OF_HEADERS {
            places.push((member.header.start + offset, format!("the header of {} at {offset}", member.path)));
        }
        let content = &member.content;
        for at in [content.start, content.start + content.len() / 2, content.end - 1] {
            places.push((at, format!("the content of {}", member.path)));
        }
        let padding = member.whole().end - 1;
        if padding >= content.end {
            places.push((padding, format!("the padding of {}", member.path)));
        }
    }
    let size = archive.bytes.len();
    places.extend([size - END, size - BLOCK, size - 1].map(|at| (at, "the end".to_owned())));

    let slot = &archive.members[0].content;
    for (number, (at, place)) in places.into_iter().enumerate() {
        // Where the key's name stands, another one is asked for: nobody knows it.
        let statuses: &[i32] = if slot.contains(&at) { &[DAMAGED, REFUSED] } else { &[DAMAGED] };
        let mut bytes = archive.bytes.clone();
        bytes[at] ^= if number % 2 == 0 { 0x01 } else { 0x80 };
        gate.keeps_out(&format!("{place}: the byte {at}"), &bytes, statuses);
    }
    gate.lets_the_real_one_in(100);
}

#[test]
fn an_archive_that_is_cut_is_found_wherever_it_is_cut() {
    let gate = Gate::new();
    let archive = gate.archive();
    let size = archive.bytes.len();
    let mut sizes = vec![0, 1, 511, size - END, size - BLOCK, size - 1];
    for member in &archive.members {
        sizes.extend([
            member.header.start,
            member.header.end,
            member.content.start + member.content.len() / 2,
        ]);
    }
    sizes.sort_unstable();
    sizes.dedup();
    for size in &sizes {
        gate.keeps_out(&format!("cut after {size} bytes"), &archive.bytes[..*size], &[DAMAGED]);
    }
    gate.lets_the_real_one_in(30);
}

#[test]
fn nothing_may_follow_the_end() {
    let gate = Gate::new();
    let archive = gate.archive();
    let appended: [(&str, Vec<u8>); 6] = [
        ("one zero byte", vec![0]),
        ("one byte", vec![b'x']),
        ("a zero block", vec![0; BLOCK]),
        (
            "zeros up to tar's usual record",
            vec![0; archive.bytes.len().next_multiple_of(10_240) - archive.bytes.len()],
        ),
        ("a member", archive.whole(archive.first_blob())),
        ("the archive once more", archive.bytes.clone()),
    ];
    for (what, bytes) in appended {
        gate.keeps_out(&format!("{what} behind the end"), &[&archive.bytes[..], &bytes].concat(), &[DAMAGED]);
    }
    gate.lets_the_real_one_in(6);
}

//! The machine's clock, read in one place.

use std::time::{SystemTime, UNIX_EPOCH};

use manifests::Timestamp;

/// Now, in whole seconds of UTC. A clock before 1970 reads as 1970: everything signed is then from the
/// future, and refused.
#[must_use]
pub fn now() -> Timestamp {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let epoch = || Timestamp::from_unix(0).unwrap_or_else(|| unreachable!("1970 is a year"));
    i64::try_from(seconds).ok().and_then(Timestamp::from_unix).unwrap_or_else(epoch)
}

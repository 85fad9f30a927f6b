//! How moments of other machines are compared with this one's.

use manifests::Timestamp;

/// How far two clocks may differ, in seconds.
pub(crate) const SKEW: i64 = 5 * 60;

/// Whether `moment` is later than `now`, by more than clocks may differ.
pub(crate) fn is_future(moment: Timestamp, now: Timestamp) -> bool {
    moment.unix() > now.unix().saturating_add(SKEW)
}

/// Whether `moment` is more than `limit` seconds before `now`.
pub(crate) fn is_older(moment: Timestamp, limit: i64, now: Timestamp) -> bool {
    now.unix().saturating_sub(moment.unix()) > limit
}

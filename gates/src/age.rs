//! How moments of other machines are compared with this one's.

use manifests::Timestamp;

/// The moments that a judgement compares dates with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The moment of the judgement.
    pub now: Timestamp,
    /// Up to when reports, and the databases and lists behind them, grow old: now, or when what was held came in.
    /// It waits for its change window with what was known of it then; all that has an end of its own ends meanwhile.
    pub arrived: Timestamp,
}

impl Clock {
    /// The clock of what comes in now.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self { now, arrived: now }
    }
}

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

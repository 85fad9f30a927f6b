//! How often, and how patiently, a failed request is repeated.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, SystemTime};

use crate::error::Problem;

/// The longest wait that a server may ask for. Beyond it the person is told instead.
pub const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// The longest wait that we choose ourselves.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// How failed requests are repeated: exponential backoff with jitter, or what `Retry-After` says.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// How often a request is made in all.
    pub attempts: u32,
    /// The wait after the first failure; it doubles from one failure to the next, up to 30 s.
    pub first_wait: Duration,
}

impl Default for Retry {
    /// 6 tries within about half a minute.
    fn default() -> Self {
        Self { attempts: 6, first_wait: Duration::from_secs(1) }
    }
}

/// The tries of one request.
#[derive(Debug, Clone)]
pub(crate) struct Tries {
    retry: Retry,
    failed: u32,
}

impl Retry {
    pub(crate) const fn start(self) -> Tries {
        Tries { retry: self, failed: 0 }
    }
}

impl Tries {
    /// Waits before the next try, or hands the problem back when there is none: it is not one that time
    /// heals, the tries are used up, or the server wants to be left alone for too long.
    pub(crate) async fn wait_after(&mut self, problem: Problem) -> Result<(), Problem> {
        self.failed += 1;
        if !problem.is_transient() || self.failed >= self.retry.attempts {
            return Err(problem);
        }
        let wait = match &problem {
            Problem::Unavailable { retry_after: Some(wait), .. } if *wait > LONGEST_WAIT => {
                return Err(problem);
            }
            Problem::Unavailable { retry_after: Some(wait), .. } => *wait,
            _ => self.backoff(),
        };
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Starts counting anew, after progress.
    pub(crate) const fn reset(&mut self) {
        self.failed = 0;
    }

    /// Between half and all of the exponential wait, so that parallel requests do not return in step.
    fn backoff(&self) -> Duration {
        let doubled = self.retry.first_wait.saturating_mul(1 << (self.failed - 1).min(16));
        let whole = doubled.min(LONGEST_BACKOFF);
        let percent = RandomState::new().hash_one(self.failed) % 51;
        whole.mul_f64(0.5 + percent as f64 / 100.0)
    }
}

/// What `Retry-After` says (RFC 9110, 10.2.3): seconds, or a date.
pub(crate) fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    match header.trim().parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = httpdate::parse_http_date(header.trim()).ok()?;
            Some(date.duration_since(now).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (header, wait) in [
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:50:00 GMT", Some(23)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(header, now), wait.map(Duration::from_secs), "{header}");
        }
    }

    #[test]
    fn waits_grow_and_stay_bounded() {
        let mut tries = Retry { attempts: 99, first_wait: Duration::from_secs(1) }.start();
        for (failed, most) in [(1, 1), (2, 2), (3, 4), (60, 30)] {
            tries.failed = failed;
            let most = Duration::from_secs(most);
            let wait = tries.backoff();
            assert!(wait <= most + Duration::from_millis(400) && wait >= most / 2, "{failed}: {wait:?}");
        }
    }
}

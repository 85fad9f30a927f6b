//! The servers that `tests/run` starts, from the environment variables that it sets.

use std::env;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A registry on loopback that speaks plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// Which one it is, for messages.
    pub name: &'static str,
    /// Where it listens, as `127.0.0.1:PORT`.
    pub address: String,
    /// User name and password, where it wants HTTP Basic authentication.
    pub credentials: Option<(String, String)>,
}

impl Registry {
    /// A name in this registry, as `127.0.0.1:PORT/REPOSITORY`.
    pub fn repository(&self, repository: &str) -> String {
        format!("{}/{repository}", self.address)
    }
}

/// distribution 2.8: no referrers API, the oldest that is still met.
pub fn registry2() -> Registry {
    registry("distribution 2", "AIRGAP_TEST_REGISTRY2")
}

/// Another distribution 2.8, for what is loaded: nothing is in it that a test did not put there.
pub fn registry2_target() -> Registry {
    registry("distribution 2, the target", "AIRGAP_TEST_REGISTRY2_TARGET")
}

/// distribution 2.8 that wants HTTP Basic authentication for everything.
pub fn registry2_auth() -> Registry {
    let credentials =
        (variable("AIRGAP_TEST_REGISTRY2_AUTH_USER"), variable("AIRGAP_TEST_REGISTRY2_AUTH_PASSWORD"));
    Registry {
        credentials: Some(credentials),
        ..registry("distribution 2 with authentication", "AIRGAP_TEST_REGISTRY2_AUTH")
    }
}

/// distribution 3: no referrers API, stricter with ranges and mounts than version 2.
pub fn registry3() -> Registry {
    registry("distribution 3", "AIRGAP_TEST_REGISTRY3")
}

/// A registry with the referrers API.
pub fn referrers() -> Registry {
    registry("the registry with referrers", "AIRGAP_TEST_REFERRERS")
}

/// Those that let anybody read and write: one of each kind.
pub fn open_registries() -> [Registry; 3] {
    [registry2(), registry3(), referrers()]
}

/// A repository name that no other test of this run uses, since the servers are shared by all.
pub fn fresh_repository(prefix: &str) -> String {
    static COUNTER: AtomicUsize = AtomicUsize::new(0);
    format!("{prefix}-{}-{}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

fn registry(name: &'static str, variable_name: &str) -> Registry {
    Registry { name, address: variable(variable_name), credentials: None }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!("found no {name} in the environment, wanted it: run this test by tests/run")
    })
}

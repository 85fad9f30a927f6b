//! The roles that people sign in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json;

/// A role that people sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Builds archives.
    Preparer,
    /// Replaces lost or stolen keys; never needed for an import.
    Recovery,
    /// Runs the Sovereign.
    SovereignAdmin,
    /// Reviews and countersigns.
    SecurityOfficer,
}

/// The text is not a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found the role {0:?}, wanted preparer, security-officer, sovereign-admin or recovery")]
pub struct RoleError(String);

impl Role {
    /// Whether who has it approves imports.
    #[must_use]
    pub const fn approves(self) -> bool {
        matches!(self, Self::SovereignAdmin | Self::SecurityOfficer)
    }
}

const ROLES: [(Role, &str); 4] = [
    (Role::Preparer, "preparer"),
    (Role::Recovery, "recovery"),
    (Role::SovereignAdmin, "sovereign-admin"),
    (Role::SecurityOfficer, "security-officer"),
];

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        let known = ROLES.iter().find(|(_, name)| *name == text);
        known.map(|(role, _)| *role).ok_or_else(|| RoleError(json::shortened(text)))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ROLES.iter().find(|(role, _)| role == self).map_or("", |(_, name)| name);
        formatter.write_str(name)
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::from_text(deserializer)
    }
}

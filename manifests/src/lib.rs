//! The documents that cross the gap, and the few rules that both sides must read alike.
//!
//! ```text
//! Definition -> Lock -> Inventory (signed in its slot) -> Receipt
//!   people      bundler      the archive                  importer
//! ```
//!
//! Pure data: no file system, no network, no clock, no async. Whatever needs one of these is handed a
//! value by its caller, so that every rule here can be tested with literals. Strings and numbers become
//! types with private fields at this door ([`Digest`], [`Reference`], [`ChannelName`], [`Timestamp`]) and
//! travel as such from there on.

pub mod chart_provenance;
pub mod closure;
pub mod cosign;
pub mod date;
pub mod definition;
pub mod destinations;
pub mod digest;
pub mod dsse;
pub mod duration;
pub mod escape;
pub mod evidence_tag;
pub mod exclusions;
pub mod hosts;
pub mod image_config;
pub mod inventory;
pub mod json;
pub mod key;
pub mod limits;
pub mod lock;
pub mod malware_report;
pub mod media_type;
pub mod name;
pub mod oci;
pub mod openpgp;
pub mod platform;
pub mod policy;
pub mod receipt;
pub mod reference;
pub mod scan_report;
pub mod selection;
pub mod shape;
pub mod slot;
pub mod summary;
pub mod timestamp;
pub mod trust;
pub mod yaml;

pub use date::Date;
pub use digest::Digest;
pub use duration::Duration;
pub use image_config::ImageConfig;
pub use name::ChannelName;
pub use oci::Descriptor;
pub use platform::Platform;
pub use reference::Reference;
pub use timestamp::Timestamp;

/// The version of every document that this release writes.
pub const API_VERSION: &str = "airgap/v1";

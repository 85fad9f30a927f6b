//! The wire clients that both sides speak with, and the outside tools that they run. So far registries of the OCI
//! distribution specification, Trivy, and a scanner for malware.
//!
//! ```text
//! registry::Remote   one repository: manifests, blobs, tags, referrers, pushes
//!        |
//! http::Host         one server: address, mirror, TLS, credentials, tokens, retries, redirects, limits
//!        |
//! http::Http         all servers, by the names that references use
//! ```
//!
//! Whatever answers is a stranger: every answer has a limit on its size and on the time that it may be
//! silent, nothing is believed that a digest does not confirm, and text from outside is escaped and cut
//! before it becomes part of an error.

pub mod error;
pub mod http;
pub mod malware;
pub mod registry;
pub mod trivy;

pub use error::{Error, Problem};
pub use http::Http;

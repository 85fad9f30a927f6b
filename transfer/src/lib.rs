//! How content travels. It knows nothing of what the content is for.
//!
//! [`archive`] is the container: one signed file that is a tar, an OCI image layout and its own proof.

pub mod archive;

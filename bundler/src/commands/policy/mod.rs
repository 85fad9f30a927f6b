//! `policy`: drafting a policy, and trying one.

pub(crate) mod init;
pub(crate) mod test;

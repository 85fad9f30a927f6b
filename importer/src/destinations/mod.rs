//! Where content goes: one file a kind of target.

use std::path::Path;

use console::Failures;

/// The targets of one command.
pub(crate) struct Destinations {}

impl Destinations {
    /// Reads a file of destinations; a folder in its place means: everything into this folder.
    ///
    /// # Errors
    /// When it is neither, or has a section that this version cannot do.
    pub(crate) fn read(_to: &Path) -> Result<Self, Failures> {
        Ok(Self {})
    }
}

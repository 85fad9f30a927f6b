//! Where content comes from: one module a type, listed in the tables here and named nowhere else.
//!
//! A source reads its entries of the definition ([`entries`]) and pins what a name means right now
//! ([`Wanted::pin`]). From there on everything is a manifest with a digest, whatever it came from.

mod chart;
mod image;

use std::collections::BTreeMap;
use std::path::Path;

use console::{Class, Failure, input};
use manifests::definition::Definition;
use manifests::inventory::ItemKind;
use manifests::lock::LockedItem;
use manifests::reference::{Reference, Repository};
use manifests::{ChannelName, Descriptor, Digest, Platform};

use crate::upstream::{Upstream, UpstreamError};

/// One thing that the definition names.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What it is.
    pub(crate) wanted: Wanted,
    /// The platforms for it alone; `None` takes the definition's.
    pub(crate) platforms: Option<Vec<Platform>>,
    /// Whether it may be absent upstream.
    pub(crate) optional: bool,
    /// The group that it can be loaded with.
    pub(crate) group: Option<ChannelName>,
}

/// What an entry names.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// An image or any other artifact, by its reference.
    Image(Reference),
    /// A chart in a registry, by a range of versions.
    Chart(chart::Wanted),
    /// A packaged chart, which was read from the disk already.
    Packaged(chart::Packaged),
}

/// What a name meant when it was resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    /// The full name, with the tag where there is one.
    pub(crate) name: Reference,
    /// The manifest.
    pub(crate) source: Descriptor,
    /// The repository that it is fetched from; none, when all of it lies beside the lock.
    pub(crate) origin: Option<Repository>,
}

/// Why a name cannot be pinned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PinError {
    /// There is no such thing upstream.
    #[error("found nothing of that name{0}")]
    Absent(String),
    /// The chart is there, but in no version of the range.
    #[error("found no version in the range, tags in all: {count}")]
    NoVersion {
        /// How many tags it has.
        count: usize,
        /// How many of them are versions after a `v`, which no range holds.
        with_v: usize,
    },
    /// Something else than an entry of its section may name.
    #[error("found {found}, wanted {wanted}")]
    Other {
        /// What it is.
        found: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// Upstream or the disk failed.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// The files that entries were read from, by their names in the definition, with their digests.
pub(crate) type Inputs = BTreeMap<String, Digest>;

/// The entries of a definition with the files that they were read from, and every file that cannot be read or is not
/// what it should be. The files lie relative to `folder`.
pub(crate) fn entries(definition: &Definition, folder: &Path) -> (Vec<Entry>, Inputs, Vec<Failure>) {
    let mut reader = Reader { folder, inputs: Inputs::new(), failures: Vec::new() };
    let mut entries = Vec::new();
    entries.extend(image::entries(&definition.images, &mut reader));
    entries.extend(chart::entries(&definition.charts, &mut reader));
    (entries, reader.inputs, reader.failures)
}

/// Reads the files that a definition names, and remembers what was in them.
struct Reader<'a> {
    folder: &'a Path,
    inputs: Inputs,
    failures: Vec<Failure>,
}

impl Reader<'_> {
    /// A file that has to be there; nothing after a failure, which is kept.
    fn read(&mut self, name: &str, limit: u64) -> Option<Vec<u8>> {
        let read = input::read(&self.folder.join(name), limit);
        let bytes = read.map_err(|failure| self.failures.push(failure)).ok()?;
        self.inputs.insert(name.to_owned(), Digest::of(&bytes));
        Some(bytes)
    }

    /// A file that may be there.
    fn read_if_there(&mut self, name: &str, limit: u64) -> Option<Vec<u8>> {
        let read = input::read_if_there(&self.folder.join(name), limit);
        let bytes = read.map_err(|failure| self.failures.push(failure)).ok()??;
        self.inputs.insert(name.to_owned(), Digest::of(&bytes));
        Some(bytes)
    }

    fn fail(&mut self, name: &str, message: impl std::fmt::Display) {
        self.failures.push(Failure::new(Class::Usage, name, message));
    }
}

impl Wanted {
    /// Finds out what the name means now.
    ///
    /// # Errors
    /// When it is absent, is something else, or cannot be had.
    pub(crate) async fn pin(&self, upstream: &Upstream) -> Result<Pin, PinError> {
        match self {
            Self::Image(reference) => image::pin(reference, upstream).await,
            Self::Chart(wanted) => chart::pin(wanted, upstream).await,
            Self::Packaged(packaged) => chart::keep(packaged, upstream),
        }
    }

    /// Which item of a lock is what this entry named then.
    pub(crate) fn find<'l>(&self, items: &'l [LockedItem]) -> Option<&'l LockedItem> {
        let named = |name: &str| items.iter().find(|locked| locked.item.name == name);
        match self {
            Self::Image(reference) => named(&image::name(reference).to_string()),
            Self::Chart(wanted) => {
                let charts = items.iter().filter(|locked| locked.item.kind == ItemKind::Chart);
                wanted.highest(charts.map(|locked| locked.item.name.as_str())).and_then(named)
            }
            Self::Packaged(packaged) => named(&packaged.reference.to_string()),
        }
    }

    /// Whether it is read from the disk every time, so that there is nothing to keep of an older lock.
    pub(crate) const fn is_local(&self) -> bool {
        matches!(self, Self::Packaged(_))
    }

    /// Whether it names a digest.
    pub(crate) fn is_by_digest(&self) -> bool {
        matches!(self, Self::Image(reference) if reference.digest().is_some())
    }

    /// The repository of what it names.
    pub(crate) fn repository(&self) -> &Repository {
        match self {
            Self::Image(reference) => reference.repository(),
            Self::Chart(wanted) => wanted.repository(),
            Self::Packaged(packaged) => packaged.reference.repository(),
        }
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Image(reference) => reference.fmt(formatter),
            Self::Chart(wanted) => wanted.fmt(formatter),
            Self::Packaged(packaged) => packaged.reference.fmt(formatter),
        }
    }
}

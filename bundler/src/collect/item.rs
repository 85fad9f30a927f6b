//! One item: which platforms are carried of it, what it is, what is said about it.

use std::collections::HashSet;

use console::{Class, Failure};
use futures_util::{StreamExt as _, stream};
use manifests::inventory::{Evidence, Item, ItemKind};
use manifests::lock::{LockedItem, Skipped};
use manifests::oci::Manifest;
use manifests::selection::{self, Selection};
use manifests::{ChannelName, Descriptor, Digest, ImageConfig, Platform, media_type};

use super::small::{self, Fetched, Layers, SmallError};
use super::{evidence, is_chart};
use crate::resolve::{Kept, ResolvedItem};
use crate::upstream::{Upstream, UpstreamError};

/// An item, collected.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) locked: LockedItem,
    pub(super) skipped: Vec<Skipped>,
    pub(super) notices: Vec<String>,
}

/// What is carried of what the definition names.
struct Carried {
    published: Descriptor,
    platforms: Vec<Platform>,
    /// Whether the published index was made here, so that nobody upstream has said anything about it.
    is_made: bool,
}

/// Why an item cannot be carried as the definition wants it.
#[derive(Debug, thiserror::Error)]
enum ItemError {
    #[error("{0}")]
    Selection(#[from] selection::SelectionError),
    #[error(
        "found a digest of an index and platforms of its own, wanted one or the other: the digest is that of every platform"
    )]
    DigestWithPlatforms,
    #[error("found a config that cannot be read: {0}")]
    Config(String),
    #[error("found an image for {found}, wanted {wanted}")]
    OtherPlatform { found: Platform, wanted: String },
    #[error(
        "found other platforms in the definition than in the lock, wanted the same for what --update leaves alone"
    )]
    PlatformsChanged,
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

impl ItemError {
    fn failure(&self, item: &str) -> Failure {
        match self {
            Self::Upstream(error) => error.failure(item),
            Self::PlatformsChanged => Failure::new(Class::Usage, item, self)
                .advise("run `airgap-bundle lock` without --update, or with this name too"),
            error => Failure::new(Class::Usage, item, error),
        }
    }
}

/// Collects one item.
///
/// # Errors
/// Everything that cannot be had of it, or that an archive cannot carry.
pub(super) async fn collect(item: &ResolvedItem, upstream: &Upstream) -> Result<Part, Vec<Failure>> {
    let name = item.pin.name.to_string();
    let (origin, source) = (item.pin.origin.as_ref(), &item.pin.source);
    let bytes = upstream.manifest(origin, source).await.map_err(|error| vec![error.failure(&name)])?;
    let manifest = Manifest::parse(&bytes, &source.media_type)
        .map_err(|error| vec![Failure::new(Class::Failed, &name, error)])?;
    let mut notices = Vec::new();
    let Carried { published, platforms, is_made } = carried(item, &manifest, &bytes, upstream, &mut notices)
        .map_err(|error| vec![error.failure(&name)])?;
    drop(bytes);
    let fetched = small::fetch(upstream, origin, &published, Layers::OfCharts).await;
    let fetched = fetched.map_err(|errors| failures(&errors, |error| error.failure(&name)))?;
    let kind = kind(&fetched);
    if !media_type::is_index(&source.media_type) && kind == ItemKind::Image {
        check_platform(item, &fetched, upstream, &mut notices).map_err(|error| vec![error.failure(&name)])?;
    }
    let mut skipped = Vec::new();
    let evidence = match (&item.kept, origin) {
        (Some(kept), _) => keep(kept, &published, origin, upstream, &name).await?,
        // A chart from the disk has nobody to ask; its provenance is a layer.
        (None, None) => Vec::new(),
        (None, Some(origin)) => {
            let subjects = subjects(source, &fetched, is_made);
            let gathered = evidence::gather(upstream, origin, subjects).await;
            let gathered = gathered.map_err(|errors| failures(&errors, |error| error.failure(&name)))?;
            skipped = gathered.skipped;
            gathered.evidence
        }
    };
    if item.pin.name.tag().is_none() {
        notices.push(format!(
            "{name}: named by digest only, so it gets no tag inside, where untagged content may be collected as garbage"
        ));
    }
    let locked = LockedItem {
        item: Item {
            annotations: std::collections::BTreeMap::new(),
            evidence,
            group: item.group.as_ref().map(ChannelName::to_string),
            kind,
            name,
            platforms,
            published,
            requires: Vec::new(),
            source: source.clone(),
            to: None,
        },
        origin: item.pin.origin.clone(),
    };
    Ok(Part { locked, skipped, notices })
}

/// The failures of an item, each once: two pieces may share a blob.
fn failures<E>(errors: &[E], failure: impl Fn(&E) -> Failure) -> Vec<Failure> {
    let mut seen = HashSet::new();
    errors.iter().map(failure).filter(|failure| seen.insert(failure.to_string())).collect()
}

/// Applies the platforms to what the name points to.
fn carried(
    item: &ResolvedItem,
    manifest: &Manifest,
    bytes: &[u8],
    upstream: &Upstream,
    notices: &mut Vec<String>,
) -> Result<Carried, ItemError> {
    let source = &item.pin.source;
    let whole = || Carried { published: source.clone(), platforms: Vec::new(), is_made: false };
    let Manifest::Index(index) = manifest else { return Ok(whole()) };
    if item.platforms.is_empty() {
        return Ok(whole());
    }
    let name = &item.pin.name;
    if !item.has_own_platforms && index.manifests.iter().all(|entry| entry.platform().is_none()) {
        notices.push(format!("{name}: its index names no platforms, so all of it is carried"));
        return Ok(whole());
    }
    let selection = match selection::select(bytes, &source.media_type, &item.platforms) {
        Ok(selection) => selection,
        Err(_) if item.is_by_digest && !item.has_own_platforms => Selection::Whole,
        Err(error) => return Err(error.into()),
    };
    if item.is_by_digest && selection != Selection::Whole {
        if item.has_own_platforms {
            return Err(ItemError::DigestWithPlatforms);
        }
        notices.push(format!("{name}: named by the digest of an index, so every platform of it is carried"));
        return Ok(whole());
    }
    let mut platforms = item.platforms.clone();
    let mut seen = HashSet::new();
    platforms.retain(|platform| seen.insert(platform.clone()));
    match selection {
        Selection::Whole => Ok(whole()),
        Selection::One(published) => Ok(Carried { published, platforms, is_made: false }),
        Selection::Made(published, bytes) => {
            upstream.keep(&bytes)?;
            Ok(Carried { published, platforms, is_made: true })
        }
    }
}

/// What it is, by the config of its first manifest.
fn kind(fetched: &Fetched) -> ItemKind {
    match fetched.config.as_ref().map(|config| config.media_type.as_str()) {
        Some(config) if media_type::is_image_config(config) => ItemKind::Image,
        Some(config) if is_chart(config) => ItemKind::Chart,
        _ => ItemKind::Artifact,
    }
}

/// An image that is not in an index is for one platform, which its config says.
fn check_platform(
    item: &ResolvedItem,
    fetched: &Fetched,
    upstream: &Upstream,
    notices: &mut Vec<String>,
) -> Result<(), ItemError> {
    let Some(config) = &fetched.config else { return Ok(()) };
    let Ok(bytes) = upstream.beside().load(config) else { return Ok(()) };
    // A runtime may read what is not read here: then nobody knows for which platform it is.
    let config = ImageConfig::parse(&bytes).map_err(|error| ItemError::Config(error.to_string()))?;
    // A config that names none, such as a signature's, is for every platform.
    let Some(found) = config.platform() else { return Ok(()) };
    if item.platforms.is_empty() || item.platforms.iter().any(|wanted| wanted.accepts(&found)) {
        return Ok(());
    }
    let wanted: Vec<String> = item.platforms.iter().map(ToString::to_string).collect();
    let wanted = wanted.join(" or ");
    if item.has_own_platforms {
        return Err(ItemError::OtherPlatform { found, wanted });
    }
    notices.push(format!("{}: there is this image for {found} only, not for {wanted}", item.pin.name));
    Ok(())
}

/// Everything that upstream may have said something about.
fn subjects(source: &Descriptor, fetched: &Fetched, is_made: bool) -> Vec<Digest> {
    let manifests = fetched.manifests.iter().map(|manifest| manifest.digest).skip(usize::from(is_made));
    let mut subjects = vec![source.digest];
    subjects.extend(manifests.filter(|digest| *digest != source.digest));
    subjects
}

/// Evidence of an older lock, made sure to lie beside the new one.
async fn keep(
    kept: &Kept,
    published: &Descriptor,
    origin: Option<&manifests::reference::Repository>,
    upstream: &Upstream,
    name: &str,
) -> Result<Vec<Evidence>, Vec<Failure>> {
    if kept.published != *published {
        return Err(vec![ItemError::PlatformsChanged.failure(name)]);
    }
    let fetching = stream::iter(&kept.evidence).then(|evidence| async move {
        small::fetch(upstream, origin, &evidence.descriptor(), Layers::All).await
    });
    let (_, errors) = small::settle(fetching, SmallError::is_lasting).await;
    if errors.is_empty() {
        return Ok(kept.evidence.clone());
    }
    Err(failures(&errors, |error| error.failure(name)))
}

//! The tags of a repository.

use serde::Deserialize;

use super::{PAGE_BYTES, Remote, link};
use crate::error::{Error, Problem};

/// Most tags that are read of one repository. The largest public ones have some 30,000.
const TAGS: usize = 200_000;

/// Most pages of one listing, so that a listing that leads in a circle ends.
const PAGES: usize = 2_000;

#[derive(Deserialize)]
struct Page {
    /// `null` where the repository has none (distribution).
    tags: Option<Vec<String>>,
}

impl Remote {
    /// All tags, in the registry's order. What is not a tag by the specification is left out.
    ///
    /// # Errors
    /// As every request; and beyond 200,000 tags.
    pub async fn list_tags(&self) -> Result<Vec<String>, Error> {
        self.read_tags().await.map_err(|problem| problem.about(self.repository.to_string()))
    }

    async fn read_tags(&self) -> Result<Vec<String>, Problem> {
        let mut tags = Vec::new();
        let mut next = Some(self.url("tags/list?n=1000")?);
        for _ in 0..PAGES {
            let Some(url) = next else { return Ok(tags) };
            let (parts, bytes) = self.get_document(url, PAGE_BYTES).await?;
            let page: Page = manifests::json::parse(&bytes)
                .map_err(|error| Problem::Protocol(format!("the list of tags: {error}")))?;
            let page = page.tags.unwrap_or_default();
            tags.extend(page.into_iter().filter(|tag| manifests::reference::is_tag(tag)));
            if tags.len() > TAGS {
                break;
            }
            next = link::next(&parts, self.host.origin())?;
        }
        Err(Problem::Protocol(format!("found more than {TAGS} tags or {PAGES} pages of them, wanted fewer")))
    }
}

//! A body that is hashed while it is sent, and whose last piece is sent only when the hash agrees.
//!
//! Content is verified before anything is written to a target, and read again to be sent. Media may have
//! changed in between. Without its last piece a request is incomplete, and the registry drops it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use manifests::Digest;
use manifests::digest::Hasher;

use crate::error::Problem;

/// What a body tells about itself while it is sent.
#[derive(Debug, Default)]
pub(super) struct Watch {
    handed_over: AtomicU64,
    is_whole: AtomicBool,
    fault: Mutex<Option<Problem>>,
}

impl Watch {
    /// How many bytes were handed to the connection.
    pub(super) fn handed_over(&self) -> u64 {
        self.handed_over.load(Ordering::Relaxed)
    }

    /// Whether all of the content was, its digest being the right one.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole.load(Ordering::Relaxed)
    }

    /// Why the body ended early, where its source is the reason.
    pub(super) fn take_fault(&self) -> Option<Problem> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The body. Reading it fails at the end, before the last piece, when the content is not the wanted one.
pub(super) struct HeldBack<S> {
    source: Pin<Box<S>>,
    held: Option<Bytes>,
    hasher: Option<Hasher>,
    length: u64,
    wanted: Digest,
    size: u64,
    watch: Arc<Watch>,
}

impl<S> HeldBack<S> {
    pub(super) fn new(source: S, wanted: Digest, size: u64, watch: Arc<Watch>) -> Self {
        let source = Box::pin(source);
        Self { source, held: None, hasher: Some(Hasher::default()), length: 0, wanted, size, watch }
    }

    fn fail(&mut self, problem: Problem) -> io::Error {
        self.hasher = None;
        self.held = None;
        *self.watch.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
        io::Error::other("the source failed")
    }

    /// The judgement over the whole content.
    fn judge(&mut self, hasher: Hasher) -> Result<Option<Bytes>, io::Error> {
        let found = hasher.finish();
        if self.length != self.size || found != self.wanted {
            return Err(self.fail(Problem::SourceChanged { wanted: self.wanted, found }));
        }
        self.watch.is_whole.store(true, Ordering::Relaxed);
        Ok(self.held.take())
    }
}

impl<S: Stream<Item = io::Result<Bytes>>> Stream for HeldBack<S> {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = self.get_mut();
        let piece = loop {
            let Some(hasher) = &mut this.hasher else { return Poll::Ready(None) };
            match ready!(this.source.as_mut().poll_next(context)) {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(chunk)) => {
                    hasher.update(&chunk);
                    this.length += chunk.len() as u64;
                    if this.length > this.size {
                        // Nothing is sent beyond the announced length; the digest would differ anyway.
                        let found = this.hasher.take().unwrap_or_default().finish();
                        let problem = Problem::SourceChanged { wanted: this.wanted, found };
                        return Poll::Ready(Some(Err(this.fail(problem))));
                    }
                    if let Some(earlier) = this.held.replace(chunk) {
                        break Some(earlier);
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(this.fail(Problem::Source(error))))),
                None => {
                    let hasher = this.hasher.take().unwrap_or_default();
                    match this.judge(hasher) {
                        Ok(last) => break last,
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
            }
        };
        if let Some(piece) = &piece {
            this.watch.handed_over.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(piece.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt as _, stream};

    async fn sent(pieces: &[&'static str], content: &str) -> (String, Option<Problem>, bool) {
        let watch = Arc::new(Watch::default());
        let pieces: Vec<io::Result<Bytes>> = pieces.iter().map(|piece| Ok(Bytes::from(*piece))).collect();
        let (wanted, size) = (Digest::of(content.as_bytes()), content.len() as u64);
        let body = HeldBack::new(stream::iter(pieces), wanted, size, Arc::clone(&watch));
        let sent: Vec<io::Result<Bytes>> = body.collect().await;
        let text = sent.iter().flatten().map(|piece| std::str::from_utf8(piece).unwrap()).collect();
        (text, watch.take_fault(), watch.is_whole())
    }

    #[tokio::test]
    async fn content_that_is_the_wanted_one_is_sent_whole() {
        for pieces in [&["abc"][..], &["a", "b", "c"], &["a", "", "bc", ""]] {
            let (text, fault, is_whole) = sent(pieces, "abc").await;
            assert_eq!((text.as_str(), is_whole), ("abc", true), "{pieces:?}");
            assert!(fault.is_none());
        }
        assert!(sent(&[], "").await.2, "an empty blob is one too");
    }

    #[tokio::test]
    async fn content_that_changed_is_never_sent_whole() {
        for (pieces, why) in [
            (&["abX"][..], "one piece, changed"),
            (&["a", "b", "X"], "changed at the end"),
            (&["X", "b", "c"], "changed at the start"),
            (&["a", "b"], "too short"),
            (&["a", "b", "c", "d"], "too long"),
            (&[], "empty"),
        ] {
            let (text, fault, is_whole) = sent(pieces, "abc").await;
            assert!(text.len() < 3 && !is_whole, "{why}: sent {text:?}");
            assert!(matches!(fault, Some(Problem::SourceChanged { .. })), "{why}");
        }
    }
}

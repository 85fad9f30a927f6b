//! One work for many, on all processors: to sign for each item is most of what a load does that sends nothing.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

/// Does the work for each item; what comes out stands in the order of what went in.
///
/// # Errors
/// The first one in that order.
pub(crate) fn each<T: Send, R: Send, E: Send>(
    items: Vec<T>,
    work: impl Fn(T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = items.len().div_ceil(threads).max(1);
    let mut items = items.into_iter();
    thread::scope(|scope| {
        let mut workers = Vec::new();
        while !items.as_slice().is_empty() {
            let mine: Vec<T> = items.by_ref().take(share).collect();
            let work = &work;
            workers.push(scope.spawn(move || mine.into_iter().map(work).collect::<Result<Vec<R>, E>>()));
        }
        let mut results = Vec::new();
        for worker in workers {
            results.extend(worker.join().unwrap_or_else(|panic| resume_unwind(panic))?);
        }
        Ok(results)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        for count in [0, 1, 2, 3, 1000] {
            let items: Vec<u32> = (0..count).collect();
            let doubled: Result<_, ()> = each(items.clone(), |item| Ok(2 * item));
            assert_eq!(doubled.unwrap(), items.iter().map(|item| 2 * item).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_is_told() {
        let fails = |item: u32| if item % 400 == 399 { Err(item) } else { Ok(item) };
        assert_eq!(each((0..1000).collect(), fails), Err(399));
    }
}

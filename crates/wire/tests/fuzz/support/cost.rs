//! What reading an input costs, without a clock: the bytes that it allocates. Whoever copies what it has read at
//! every step, or goes deeper than the limits allow, is seen here whatever machine runs the test.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Most bytes that may be allocated for nothing.
const BASE: u64 = 512 * 1024;
/// And besides, for every byte of the input.
const PER_BYTE: u64 = 512;

thread_local! {
    static ALLOCATED: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(bytes: usize) {
    // A thread that ends has no counter any more, and nothing to count.
    let _ = ALLOCATED.try_with(|total| total.set(total.get() + bytes as u64));
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are the ones that are asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// What `read` answers, and the bytes that it allocated on this thread.
pub fn of<T>(read: impl FnOnce() -> T) -> (T, u64) {
    let before = ALLOCATED.get();
    let answer = read();
    (answer, ALLOCATED.get() - before)
}

/// What `read` answers, if it cost no more than an input of `length` bytes may. It is asked once more where it cost
/// too much: tables that are built once are not the input's.
///
/// # Errors
/// What it cost.
pub fn bounded<T>(length: usize, read: impl Fn() -> T) -> Result<T, String> {
    let most = BASE + PER_BYTE * length as u64;
    let (answer, cost) = of(&read);
    if cost <= most {
        return Ok(answer);
    }
    match of(read) {
        (answer, cost) if cost <= most => Ok(answer),
        (_, cost) => Err(format!("reading {length} bytes allocated {cost} bytes, more than {most}")),
    }
}

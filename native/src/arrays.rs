//! JavaScript's typed arrays as places to write to.

use napi::bindgen_prelude::{Float64ArraySlice, Int32ArraySlice, Uint8ArraySlice, Uint32ArraySlice};

use crate::errors::{Result, invalid};

/// A caller's array, filled in place. Only for synchronous calls, whose inputs have passed [`apart`].
pub trait Out {
    type Item;

    /// The array's elements.
    fn out(&mut self) -> &mut [Self::Item];
}

macro_rules! out {
    ($($slice:ident: $item:ty),*) => { $(
        impl Out for $slice<'_> {
            type Item = $item;

            fn out(&mut self) -> &mut [$item] {
                // SAFETY: JavaScript waits for the call, so nothing else reads or writes the memory, unless another argument of
                // the same call is a view of it, which `apart` rules out.
                unsafe { self.as_mut() }
            }
        }
    )* };
}

out!(Float64ArraySlice: f64, Int32ArraySlice: i32, Uint8ArraySlice: u8, Uint32ArraySlice: u32);

/// The bytes an array takes, by address.
pub fn place<T>(array: &[T]) -> (usize, usize) {
    let range = array.as_ptr_range();
    (range.start as usize, range.end as usize)
}

/// Checks that no two arrays of a call are views of the same memory.
pub fn apart(places: &[(usize, usize)]) -> Result<()> {
    let overlap = |&(a, b): &(usize, usize), &(c, d): &(usize, usize)| a < d && c < b;
    let twice = places.iter().enumerate().any(|(i, one)| places[..i].iter().any(|other| overlap(one, other)));
    if twice { Err(invalid("two arrays of the call are views of the same memory: give each its own")) } else { Ok(()) }
}

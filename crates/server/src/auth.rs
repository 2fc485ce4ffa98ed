//! Who calls: passwords, sessions and their sliding end.

pub mod password;
pub mod sessions;

pub use sessions::{Identity, Sessions};

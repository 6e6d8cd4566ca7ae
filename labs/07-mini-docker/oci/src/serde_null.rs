//! `null` where a list is meant: Go writes a nil slice or map as `null`, and Docker's tools have
//! been doing so for a decade. Reading it as empty keeps `Option<Vec<_>>` out of our types.

use serde::{Deserialize, Deserializer};

/// Reads `null` as the type's empty value; to be used with `#[serde(default)]`.
pub(crate) fn as_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

//! Chain ID: the name of a stack of layers, as diff_id is the name of one.
//!
//! A layer says what changes, so the same layer on another base gives another file system. What is
//! unpacked must therefore be named after everything below it as well:
//!
//! ```text
//! ChainID(L0)       = DiffID(L0)
//! ChainID(L0|..|Ln) = SHA256(ChainID(L0|..|Ln-1) + " " + DiffID(Ln))
//! ```
//!
//! Source: image specification, config.md, "Layer ChainID".

use crate::Digest;

/// The name of the whole stack; `None` if there is no layer. `sha256` hashes, since this crate does
/// not.
pub fn chain_id(diff_ids: &[Digest], sha256: impl Fn(&[u8]) -> Digest) -> Option<Digest> {
    chain_ids(diff_ids, sha256).pop()
}

/// The names of the stack after each layer, the lowest first.
pub fn chain_ids(diff_ids: &[Digest], sha256: impl Fn(&[u8]) -> Digest) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        chain.push(match chain.last() {
            None => diff_id.clone(),
            Some(below) => sha256(format!("{below} {diff_id}").as_bytes()),
        });
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a hash: it shows what would be hashed.
    fn first_digits(text: &[u8]) -> Digest {
        let hex =
            text.iter().take(32).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        format!("sha256:{hex:0>64}").parse().unwrap()
    }

    fn digest(digit: char) -> Digest {
        format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
    }

    #[test]
    fn one_layer_is_its_own_chain() {
        assert_eq!(chain_id(&[], first_digits), None);
        assert_eq!(chain_id(&[digest('a')], first_digits), Some(digest('a')));
    }

    #[test]
    fn a_layer_above_is_hashed_with_the_chain_below() {
        let below = digest('a');
        let above = digest('b');
        let both = first_digits(format!("{below} {above}").as_bytes());
        assert_eq!(chain_ids(&[below.clone(), above], first_digits), [below, both]);
    }
}

//! Digest: a name that is computed from the content, so that anybody can check it.
//!
//! `sha256:` and 64 hexadecimal digits (image specification, descriptor.md, "Digests"). Whoever
//! holds a digest may take the bytes from anywhere: a wrong byte changes the name. Here it is only
//! text that was checked for its shape; the hashing belongs to who reads the bytes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// A hash function that the image specification registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, which every implementation must know.
    Sha256,
    /// SHA-512, which may be faster on 64-bit machines and is hardly used.
    Sha512,
}

impl Algorithm {
    /// The part before the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The number of hexadecimal digits after the colon.
    pub fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// The name of some content: an algorithm and the hash in lower-case hexadecimal.
///
/// Source: image specification, descriptor.md, "Digests".
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

impl Digest {
    /// The name for a hash that somebody computed.
    ///
    /// # Errors
    /// [`Invalid`] if `hash` has not the algorithm's length.
    pub fn from_hash(algorithm: Algorithm, hash: &[u8]) -> Result<Self, Invalid> {
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}:{hex}", algorithm.as_str()).parse()
    }

    /// The hash function to check the content with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hash in hexadecimal: a file name, where the algorithm is the directory.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The first twelve digits: what `docker ps` and `docker images` show.
    pub fn short(&self) -> &str {
        &self.hex[..12]
    }
}

impl FromStr for Digest {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = |why: String| {
            Invalid::new(format!("invalid digest \"{text}\""), why)
                .fix("a digest is sha256: and 64 hexadecimal digits in lower case")
        };
        let Some((name, hex)) = text.split_once(':') else {
            return Err(invalid("there is no colon after the algorithm".into()));
        };
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(invalid(format!("unsupported algorithm \"{name}\""))),
        };
        if let Some(other) = hex.chars().find(|c| !matches!(c, '0'..='9' | 'a'..='f')) {
            return Err(invalid(format!("'{other}' is no lower-case hexadecimal digit")));
        }
        if hex.len() != algorithm.hex_len() {
            return Err(invalid(format!("{} digits, not {}", hex.len(), algorithm.hex_len())));
        }
        Ok(Self { algorithm, hex: hex.to_owned() })
    }
}

impl TryFrom<String> for Digest {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(), &str>) {
        let parsed = text.parse::<Digest>();
        match expected {
            Ok(()) => assert_eq!(parsed.unwrap().to_string(), text),
            Err(why) => assert_eq!(parsed.unwrap_err().why, why),
        }
    }

    #[test]
    fn only_a_known_algorithm_with_its_number_of_digits_is_a_digest() {
        check(&format!("sha256:{}", "0a".repeat(32)), Ok(()));
        check(&format!("sha512:{}", "0a".repeat(64)), Ok(()));
        check("sha256", Err("there is no colon after the algorithm"));
        check("md5:d41d8cd98f00b204e9800998ecf8427e", Err("unsupported algorithm \"md5\""));
        check("sha256:abcd", Err("4 digits, not 64"));
        check(
            &format!("sha256:{}", "0A".repeat(32)),
            Err("'A' is no lower-case hexadecimal digit"),
        );
        check("sha256:../../etc/passwd", Err("'.' is no lower-case hexadecimal digit"));
        check("", Err("there is no colon after the algorithm"));
    }

    #[test]
    fn a_hash_becomes_a_digest_and_only_with_its_length() {
        let digest = Digest::from_hash(Algorithm::Sha256, &[0xab; 32]).unwrap();
        assert_eq!(digest.short(), "abababababab");
        assert!(Digest::from_hash(Algorithm::Sha256, &[0; 20]).is_err());
    }
}

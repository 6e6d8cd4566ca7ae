//! Login: a proof of who we are, which is never shown.

use std::fmt;

/// How to prove who we are.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// A name and a password.
    Password {
        /// The name.
        username: String,
        /// The password, or a personal access token.
        password: String,
    },
    /// A long-lived token, to be exchanged for short-lived ones.
    IdentityToken(String),
    /// A token to be sent to the registry as it is.
    RegistryToken(String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets do not belong into logs.
        f.write_str(match self {
            Self::Password { .. } => "Password(..)",
            Self::IdentityToken(_) => "IdentityToken(..)",
            Self::RegistryToken(_) => "RegistryToken(..)",
        })
    }
}
